package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/config"
	"galley/proxy/web/fpm"
)

// fakePool runs scripts that are Go functions.
type fakePool struct {
	mu   sync.Mutex
	seen []*fpm.Request
	run  func(ctx context.Context, r *fpm.Request) (*fpm.Response, error)
}

func (p *fakePool) Do(ctx context.Context, r *fpm.Request) (*fpm.Response, error) {
	p.mu.Lock()
	p.seen = append(p.seen, r)
	run := p.run
	p.mu.Unlock()
	if run == nil {
		return page(200, "hello from "+param(r, "SCRIPT_NAME")), nil
	}
	return run(ctx, r)
}

func (p *fakePool) runs(run func(ctx context.Context, r *fpm.Request) (*fpm.Response, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.seen = run, nil
}

// last is the last request that was given to the pool; nil for none.
func (p *fakePool) last() *fpm.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) == 0 {
		return nil
	}
	return p.seen[len(p.seen)-1]
}

func page(status int, body string, headers ...string) *fpm.Response {
	h := http.Header{"Content-Type": {"text/html; charset=UTF-8"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &fpm.Response{Status: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Backend: "10.0.0.1:9000", Timing: fpm.Timing{Queue: time.Millisecond}}
}

// param is a param's value; a param that is there twice, or not at all, has one that no test expects.
func param(r *fpm.Request, name string) string {
	value, n := "-", 0
	for _, p := range r.Params {
		if p.Name == name {
			value = p.Value
			n++
		}
	}
	if n > 1 {
		return fmt.Sprint(n, " times")
	}
	return value
}

// bench is a server under test with its pool and its files.
type bench struct {
	*Server
	pool   *fakePool
	dir    string
	addr   string
	secure string
	log    *logBuffer

	trouble func() bool
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// put writes a file of the site.
func (b *bench) put(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// serve runs a server with a WordPress site for example.com and a plain one for everybody else. change may alter its configuration.
func serve(t *testing.T, change func(c *config.Web)) *bench {
	t.Helper()
	return serveWith(t, change, nil)
}

func serveWith(t *testing.T, change func(c *config.Web), trouble func() bool) *bench {
	t.Helper()
	b := &bench{pool: &fakePool{}, dir: t.TempDir(), log: &logBuffer{}}
	for name, content := range map[string]string{
		"index.php": "<?php secret", "wp-login.php": "<?php secret", "style.css": strings.Repeat("a { color: red }\n", 200), "index.html": "<p>index</p>", "sub/index.html": "<p>sub</p>",
		".env": "secret", "wp-config.php.bak": "secret", "wp-content/uploads/x.php": "<?php secret", "pic.png": "png", "info.php": "<?php",
	} {
		b.put(t, name, content)
	}
	b.trouble = trouble
	stop, done := b.start(t, change)
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

// start starts the server of a bench that has its pool and its files.
func (b *bench) start(t *testing.T, change func(c *config.Web)) (stop context.CancelFunc, done chan error) {
	t.Helper()
	c := config.Default().Web
	c.Listen, c.Grace = "127.0.0.1:0", time.Second
	wordpress := config.Site{Hosts: []string{"example.com"}, Root: b.dir, Pool: "php", Preset: config.PresetWordPress, Index: []string{"index.php", "index.html"}, MaxBody: 1 << 20, Compress: true}
	plain := wordpress
	plain.Hosts, plain.Preset = []string{"*"}, config.PresetNone
	c.Pools = []config.FPMPool{{Name: "php"}}
	c.Sites = []config.Site{wordpress, plain}
	c.TempDir = t.TempDir()
	if change != nil {
		change(&c)
	}
	var err error
	b.Server, err = New(Options{
		Config: c, Pool: func(string) Pool { return b.pool }, Trouble: b.trouble, Logger: hclog.New(&hclog.LoggerOptions{Output: b.log, Level: hclog.Debug}), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.addr, b.secure = b.Addrs()
	ctx, stop := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() { done <- b.Serve(ctx, context.Background()) }()
	return stop, done
}

// raw sends bytes and returns everything that comes until the server closes, or nothing more comes.
func (b *bench) raw(t *testing.T, text string) string {
	t.Helper()
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	_ = nc.(*net.TCPConn).CloseWrite()
	_ = nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	got, err := io.ReadAll(nc)
	if err != nil {
		t.Logf("reading: %v", err)
	}
	return string(got)
}

// get asks for a path with a Host and headers as "Name: value".
func (b *bench) get(t *testing.T, what, host string, headers ...string) (*reply, string) {
	t.Helper()
	return b.send(t, what, host, nil, headers...)
}

// reply is an answer without its body.
type reply struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
	Encoding      []string
	Proto         string
}

func (b *bench) send(t *testing.T, what, host string, body io.Reader, headers ...string) (*reply, string) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		got = append(got, " BROKEN"...)
	}
	return &reply{resp.StatusCode, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Proto}, string(got)
}

func TestRouting(t *testing.T) {
	b := serve(t, nil)
	for _, test := range []struct {
		host, method, path string
		status             int
		body, location     string
	}{
		{"example.com", "GET", "/", 200, "hello from /index.php", ""},
		{"EXAMPLE.com:80", "GET", "/2024/hello/?x=1", 200, "hello from /index.php", ""},
		{"example.com", "POST", "/wp-login.php", 200, "hello from /wp-login.php", ""},
		{"example.com", "GET", "/sub", 301, "", "/sub/"},
		{"example.com", "GET", "//sub?a=b", 301, "", "/sub/?a=b"},
		{"example.com", "GET", "/sub/", 200, "<p>sub</p>", ""},
		{"example.com", "GET", "/pic.png", 200, "png", ""},
		{"example.com", "HEAD", "/pic.png", 200, "", ""},
		{"example.com", "POST", "/pic.png", 405, "405 Method Not Allowed\n", ""},
		{"example.com", "TRACE", "/", 405, "405 Method Not Allowed\n", ""},
		{"example.com", "GET", "/.env", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/wp-config.php.bak", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/wp-content/uploads/x.php", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "//.env", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/./.env", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/%2eenv", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "//wp-content//uploads/./x.php", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/wp-content/uploads/%78.php/", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/index.php/wp-content/uploads/x.php", 403, "403 Forbidden\n", ""},
		{"example.com", "GET", "/a%2fb", 400, "400 Bad Request\n", ""},
		{"example.com", "GET", "/a%00", 400, "400 Bad Request\n", ""},
		{"example.com", "GET", "/..%5c..%5cetc", 400, "400 Bad Request\n", ""},
		{"example.com", "GET", "/" + strings.Repeat("a", 17<<10), 414, "414 Request URI Too Long\n", ""},
		{"other", "GET", "/none", 404, "404 Not Found\n", ""},
		{"other", "GET", "/info.php/x", 200, "hello from /info.php", ""},
		{"other", "GET", "/none.php", 404, "404 Not Found\n", ""},
	} {
		resp, body := b.get(t, test.method+" "+test.path, test.host)
		if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Location") != test.location || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s%s: %d %q %v", test.method, test.host, test.path, resp.StatusCode, body, resp.Header)
		}
	}
}

// TestRawRequests sends what only an attacker or a broken proxy sends, byte by byte as it stands there.
func TestRawRequests(t *testing.T) {
	b := serve(t, nil)
	const end = "Host: example.com\r\nConnection: close\r\n\r\n"
	for _, test := range []struct {
		name, text string
		statuses   []string // Of the answers, in order.
	}{
		{"absolute form", "GET http://example.com/ HTTP/1.1\r\n" + end, []string{"400"}},
		{"dots", "GET /../../etc/passwd HTTP/1.1\r\n" + end, []string{"400"}},
		{"encoded dots", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + end, []string{"400"}},
		{"fragment", "GET /#/../x HTTP/1.1\r\n" + end, []string{"400"}},
		{"no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", []string{"400"}},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\n" + end, []string{"400"}},
		{"bad host", "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", []string{"400"}},
		{"host with user", "GET / HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n", []string{"400"}},
		{"space before colon", "GET / HTTP/1.1\r\nContent-Length : 5\r\n" + end, []string{"400"}},
		{"folded", "GET / HTTP/1.1\r\nX: a\r\n b\r\n" + end, []string{"200"}},
		{"two lengths", "POST /index.php HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 5\r\n" + end + "abcde", []string{"400"}},
		{"signed length", "POST /index.php HTTP/1.1\r\nContent-Length: +3\r\n" + end + "abc", []string{"400"}},
		{"odd encoding", "POST /index.php HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n" + end + "0\r\n\r\n", []string{"501"}},
		{"two encodings", "POST /index.php HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + end + "0\r\n\r\n", []string{"501"}},
		{"two authorizations", "GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic Yjph\r\n" + end, []string{"400"}},
		{"connect", "CONNECT example.com:80 HTTP/1.1\r\n" + end, []string{"405"}},
		{"h2c by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{"400"}},
		{"bare LF in a chunk size", "POST /index.php HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n1;\n\r\nx\r\n0\r\n\r\n", []string{"400"}},
		// The chunks are the body, whatever the length says; nothing behind them is a request, as a proxy may have believed the length.
		{"length and chunks", "POST /index.php HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /pic.png HTTP/1.1\r\n" + end, []string{"200"}},
		{"length and chunks, the other way round", "POST /index.php HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /pic.png HTTP/1.1\r\n" + end, []string{"200"}},
		{"encoding with a tab", "POST /index.php HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n" + end + "0\r\n\r\n", []string{"200"}},
		{"encoding with a vertical tab", "POST /index.php HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n" + end + "0\r\n\r\n", []string{"400"}},
		{"encoding by underscore", "POST /index.php HTTP/1.1\r\nTransfer_Encoding: chunked\r\nContent-Length: 3\r\n" + end + "abc", []string{"200"}},
		{"chunk size of 17 digits", "POST /index.php HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc\r\n0\r\n\r\n", []string{"400"}},
		{"chunk without an end of line", "POST /index.php HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n", []string{"400"}},
		{"length with a list", "POST /index.php HTTP/1.1\r\nContent-Length: 3, 3\r\n" + end + "abc", []string{"400"}},
		{"hexadecimal length", "POST /index.php HTTP/1.1\r\nContent-Length: 0x3\r\n" + end + "abc", []string{"400"}},
		{"no colon", "GET / HTTP/1.1\r\nX-A\r\n" + end, []string{"400"}},
		{"bare CR in a header", "GET / HTTP/1.1\r\nX-A: b\rHost: evil\r\n" + end, []string{"400"}},
		{"NUL in a header", "GET / HTTP/1.1\r\nX-A: b\x00c\r\n" + end, []string{"400"}},
		{"space in the target", "GET / x HTTP/1.1\r\n" + end, []string{"400"}},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + end, []string{"200"}},
		// In HTTP/1.0 they are no body, but a proxy may have taken them for one: nothing behind them is a request.
		{"chunks in 1.0", "POST /index.php HTTP/1.0\r\nHost: example.com\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /pic.png HTTP/1.1\r\n" + end, []string{"200"}},
		{"pipelined", "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\nGET /.env HTTP/1.1\r\n" + end, []string{"200", "403"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := b.raw(t, test.text)
			var statuses []string
			for r := bufio.NewReader(strings.NewReader(got)); ; {
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				statuses = append(statuses, fmt.Sprint(resp.StatusCode))
			}
			if strings.Join(statuses, " ") != strings.Join(test.statuses, " ") || strings.Contains(got, "secret") {
				t.Errorf("%v, want %v:\n%s", statuses, test.statuses, got)
			}
		})
	}
}

func TestHTTPS(t *testing.T) {
	cert := certificate(t, "example.com")
	b := serve(t, func(c *config.Web) {
		c.TLS.Listen, c.TLS.CertFile = "127.0.0.1:0", cert
		c.Sites[0].RedirectToHTTPS, c.Sites[0].HSTS = true, time.Hour
	})
	resp, _ := b.get(t, "GET /a/%C3%A4?b=%20c", "example.com")
	if resp.StatusCode != 301 || resp.Header.Get("Location") != "https://example.com/a/%C3%A4?b=%20c" || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ = b.get(t, "POST /", "example.com"); resp.StatusCode != 308 {
		t.Error(resp.StatusCode)
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var p http.Protocols
		p.SetHTTP1(proto == "HTTP/1.1")
		p.SetHTTP2(proto == "HTTP/2.0")
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &p}
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+b.secure+"/x", strings.NewReader("body"))
		req.Host = "example.com"
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		tr.CloseIdleConnections()
		last := b.pool.last()
		if resp.Proto != proto || resp.Header.Get("Strict-Transport-Security") != "max-age=3600" || param(last, "HTTPS") != "on" || param(last, "SERVER_PORT") != "443" ||
			param(last, "REQUEST_SCHEME") != "https" || param(last, "SERVER_PROTOCOL") != proto || param(last, "CONTENT_LENGTH") != "4" {
			t.Errorf("%s %v %v", resp.Proto, resp.Header, last.Params)
		}
	}
}

func TestUnknownSite(t *testing.T) {
	b := serve(t, func(c *config.Web) { c.Sites = c.Sites[:1] })
	if resp, _ := b.get(t, "GET /", "elsewhere"); resp.StatusCode != 421 {
		t.Error(resp.StatusCode)
	}
}

func TestProxyProtocolAndForwarded(t *testing.T) {
	b := serve(t, func(c *config.Web) {
		c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	const request = "GET /index.php HTTP/1.1\r\nHost: example.com:8080\r\nX-Forwarded-For: 1.1.1.1, 8.8.8.8, 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\n" +
		"X-Request-Id: mine\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=7.7.7.7\r\nConnection: close\r\n\r\n"
	if got := b.raw(t, request); got != "" {
		t.Errorf("without a header: %q", got)
	}
	for header, want := range map[string]string{
		"PROXY TCP4 10.1.2.3 127.0.0.1 5555 80\r\n": "8.8.8.8 - on mine shop 8.8.8.8 1.1.1.1, 8.8.8.8, 10.0.0.9 https",
		"PROXY TCP4 99.1.2.3 127.0.0.1 5555 80\r\n": "99.1.2.3 5555 - other - 99.1.2.3 99.1.2.3 http",
		"PROXY TCP6 2001:db8::1 ::1 5555 80\r\n":    "2001:db8::1 5555 - other - 2001:db8::1 2001:db8::1 http",
	} {
		if got := b.raw(t, header+request); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Fatal(got)
		}
		r := b.pool.last()
		id := param(r, "HTTP_X_REQUEST_ID")
		if id != "mine" {
			id = "other"
		}
		got := strings.Join([]string{
			param(r, "REMOTE_ADDR"), param(r, "REMOTE_PORT"), param(r, "HTTPS"), id, param(r, "HTTP_X_FORWARDED_HOST"), param(r, "HTTP_X_REAL_IP"), param(r, "HTTP_X_FORWARDED_FOR"),
			param(r, "HTTP_X_FORWARDED_PROTO"),
		}, " ")
		if got != want || param(r, "HTTP_FORWARDED") != "-" || param(r, "HTTP_HOST") != "example.com:8080" || param(r, "SERVER_PORT") != "8080" {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	b := serve(t, func(c *config.Web) { c.MaxConnections = 1 })
	ask := func(text string) (*bufio.Reader, net.Conn) {
		nc, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, text)
		return bufio.NewReader(nc), nc
	}
	r, first := ask("GET /pic.png HTTP/1.1\r\nHost: a\r\n\r\n")
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Fatal(line, err)
	}
	r, second := ask("")
	if answer, err := io.ReadAll(r); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503") || !strings.Contains(string(answer), "Retry-After") {
		t.Errorf("%q %v", answer, err)
	}
	_, _ = first.Close(), second.Close()
	for range 100 {
		if b.open.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if resp, _ := b.get(t, "GET /pic.png", "a"); resp.StatusCode != 200 {
		t.Error(resp.StatusCode)
	}
}
