package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"galley/config"
	"galley/proxy/web/fpm"
)

// serveQUIC is serve with HTTP/3.
func serveQUIC(t *testing.T, change func(c *config.Web)) *bench {
	t.Helper()
	cert := certificate(t, "example.com")
	return serve(t, func(c *config.Web) {
		c.TLS.Listen, c.TLS.CertFile, c.HTTP3 = "127.0.0.1:0", cert, true
		if change != nil {
			change(c)
		}
	})
}

// http3Client comes by HTTP/3 only.
func http3Client(t *testing.T) *http3.Transport {
	t.Helper()
	tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"}, DisableCompression: true}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func (b *bench) ask3(t *testing.T, tr *http3.Transport, what string, body io.Reader) (*reply, string, error) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+b.secure+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "example.com"
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return &reply{StatusCode: resp.StatusCode, Header: resp.Header, Proto: resp.Proto}, string(got), err
}

func TestHTTP3(t *testing.T) {
	b := serveQUIC(t, func(c *config.Web) { c.Sites[0].MaxBody = 1 << 20 })
	tr := http3Client(t)
	resp, _, err := b.ask3(t, tr, "POST /x", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	last := b.pool.last()
	if resp.Proto != "HTTP/3.0" || param(last, "HTTPS") != "on" || param(last, "SERVER_PORT") != "443" || param(last, "SERVER_PROTOCOL") != "HTTP/3.0" || param(last, "CONTENT_LENGTH") != "4" ||
		param(last, "REMOTE_ADDR") != "127.0.0.1" || param(last, "SERVER_ADDR") != "127.0.0.1" || resp.Header.Get("Alt-Svc") != "" {
		t.Errorf("%s %v %v", resp.Proto, resp.Header, last.Params)
	}
	b.put(t, "big.bin", strings.Repeat("0123456789abcdef", 200_000))
	for what, want := range map[string]string{
		"GET /pic.png": "200 3", "HEAD /pic.png": "200 0", "GET /big.bin": "200 3200000", "GET /.env": "403 14", "GET /a%2fb": "400 16", "TRACE /": "405 23", "GET /sub": "301 0",
	} {
		resp, body, err := b.ask3(t, tr, what, nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := fmt.Sprint(resp.StatusCode, len(body)); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if resp, _, err := b.ask3(t, tr, "POST /x", strings.NewReader(strings.Repeat("x", 1<<20+1))); err == nil && resp.StatusCode != 413 {
		t.Errorf("a body that is too large: %d", resp.StatusCode)
	}
	// An answer that breaks off is no whole one.
	b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
		p := page(200, "", "X-Accel-Buffering", "no")
		p.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{}))
		return p, nil
	})
	if _, body, err := b.ask3(t, tr, "GET /", nil); err == nil {
		t.Errorf("half an answer came as a whole: %q", body)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

// TestAltSvc: who comes by TLS is told of HTTP/3 at the port by which it came.
func TestAltSvc(t *testing.T) {
	for _, test := range []struct {
		host, want string
		change     func(c *config.Web)
	}{
		{"example.com", `h3=":443"; ma=86400`, nil},
		{"example.com:8443", `h3=":8443"; ma=86400`, nil},
		{"example.com", "", func(c *config.Web) { c.HTTP3 = false }},
		{"example.com", "", func(c *config.Web) { c.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }},
	} {
		b := serveQUIC(t, test.change)
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+b.secure+"/pic.png", nil)
		req.Host = test.host
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Alt-Svc"); got != test.want {
			t.Errorf("%s: %q, want %q", test.host, got, test.want)
		}
		if resp, _ := b.get(t, "GET /pic.png", test.host); resp.Header.Get("Alt-Svc") != "" {
			t.Error("told by HTTP")
		}
	}
}

// TestHTTP3Connections: they count as all others do, and one too many is turned away.
func TestHTTP3Connections(t *testing.T) {
	b := serveQUIC(t, func(c *config.Web) { c.MaxConnections = 1 })
	first := http3Client(t)
	if _, _, err := b.ask3(t, first, "GET /pic.png", nil); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.ask3(t, http3Client(t), "GET /pic.png", nil)
	if e, ok := errors.AsType[*quic.TransportError](err); !ok || e.ErrorCode != quic.ConnectionRefused {
		t.Errorf("one too many: %v", err)
	}
	_ = first.Close()
	for until := time.Now().Add(30 * time.Second); b.open.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are left", b.open.Load())
		}
	}
}

// TestHTTP3Drain: a request under way is answered when galley stops.
func TestHTTP3Drain(t *testing.T) {
	cert := certificate(t, "example.com")
	started, release := make(chan struct{}), make(chan struct{})
	b := &bench{pool: &fakePool{}, dir: t.TempDir(), log: &logBuffer{}}
	b.put(t, "index.php", "<?php")
	b.pool.run = func(context.Context, *fpm.Request) (*fpm.Response, error) {
		close(started)
		<-release
		return page(200, "late"), nil
	}
	stop, done := b.start(t, func(c *config.Web) {
		c.TLS.Listen, c.TLS.CertFile, c.HTTP3, c.Grace = "127.0.0.1:0", cert, true, time.Hour
	})
	tr := http3Client(t)
	answered := make(chan string, 1)
	go func() {
		_, body, err := b.ask3(t, tr, "GET /", nil)
		answered <- fmt.Sprint(body, err)
	}()
	<-started
	stop()
	// Nobody new is let in: its handshake fails, or its connection is not served.
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		c, err := quic.DialAddr(ctx, b.secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
		cancel()
		if err != nil {
			break
		}
		_ = c.CloseWithError(0, "")
		if time.Now().After(until) {
			t.Fatal("connections are taken all the time")
		}
	}
	close(release)
	if got := <-answered; got != "late<nil>" {
		t.Errorf("got %s", got)
	}
	if err := <-done; err != nil { // Though the client keeps its connection.
		t.Error(err)
	}
}
