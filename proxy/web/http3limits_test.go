package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"galley/config"
	"galley/proxy/web/fpm"
)

// TestHTTP3PageCache: a page is looked up for those who come by HTTP/3 as for all others.
func TestHTTP3PageCache(t *testing.T) {
	b := serveQUIC(t, withCache)
	b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
		return page(200, strings.Repeat("cached ", 100)), nil
	})
	tr := http3Client(t)
	for _, want := range []string{"MISS", "HIT"} {
		resp, _, err := b.ask3(t, tr, "GET /a-page", nil)
		if err != nil || resp.Header.Get("X-Cache") != want {
			t.Fatalf("want %s: %v, %v", want, resp, err)
		}
	}
	// A body that was not announced is one.
	resp, _, err := b.ask3(t, tr, "GET /a-page", struct{ *strings.Reader }{strings.NewReader("body")})
	if err != nil || resp.Header.Get("X-Cache") != "BYPASS" || param(b.pool.last(), "CONTENT_LENGTH") != "4" {
		t.Errorf("with a body: %v, %v, %v", resp, err, b.pool.last().Params)
	}
}

// TestHTTP3TooLarge: a refusal is an answer that clients take.
func TestHTTP3TooLarge(t *testing.T) {
	b := serveQUIC(t, func(c *config.Web) { c.Sites[0].MaxBody = 1 << 10 })
	resp, body, err := b.ask3(t, http3Client(t), "POST /x", strings.NewReader(strings.Repeat("x", 4<<10)))
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || resp.Header.Get("Connection") != "" {
		t.Errorf("%v, %q, %v", resp, body, err)
	}
}

// dialQUIC connects without more; verify is called in the middle of the handshake.
func (b *bench) dialQUIC(t *testing.T, verify func()) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := quic.DialAddr(ctx, b.secure, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "example.com",
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { verify(); return nil },
	}, nil)
	if err == nil {
		_ = c.CloseWithError(0, "")
	}
	return err
}

// TestHTTP3Handshakes: a connection counts from its first packet on, as it does by TCP.
func TestHTTP3Handshakes(t *testing.T) {
	b := serveQUIC(t, nil)
	during := int64(-1)
	if err := b.dialQUIC(t, func() { during = b.open.Load() }); err != nil || during != 1 {
		t.Errorf("%d are counted in a handshake, %v", during, err)
	}
	for until := time.Now().Add(30 * time.Second); b.open.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are left", b.open.Load())
		}
	}
}

// TestHTTP3OfBalancers: who has to say by a PROXY header whose connection it is cannot come without one.
func TestHTTP3OfBalancers(t *testing.T) {
	b := serveQUIC(t, func(c *config.Web) { c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	err := b.dialQUIC(t, func() {})
	if e, ok := errors.AsType[*quic.TransportError](err); !ok || e.ErrorCode != quic.ConnectionRefused || b.open.Load() != 0 {
		t.Errorf("%v, %d are open", err, b.open.Load())
	}
}

// deadlines is a stream's answer that notes its deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

// TestHTTP3AnswersWithoutBodyEnd: a client that takes nothing is not waited for, though there is no more than a header for it.
func TestHTTP3AnswersWithoutBodyEnd(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w := &streamWriter{ResponseWriter: d, control: http.NewResponseController(d), timeout: time.Minute}
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusNotModified)
	if len(d.set) != 1 || time.Until(d.set[0]) < time.Second || d.Header().Get("Connection") != "" {
		t.Errorf("deadlines %v, %v", d.set, d.Header())
	}
}
