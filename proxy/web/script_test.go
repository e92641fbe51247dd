package web

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fpm"
)

// answers has the pool answer with a page for as long as the test runs.
func (p *fakePool) answers(resp func() *fpm.Response) {
	p.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) { return resp(), nil })
}

func TestEnvironment(t *testing.T) {
	b := serve(t, nil)
	got := b.raw(t, "POST /index.php/a/b%20c?x=%2F HTTP/1.1\r\nHost: Example.com:8080\r\nContent-Type: text/x\r\nContent-Length: 3\r\nProxy: evil\r\nX_Foo: under\r\nX-Foo: dash\r\nX.Foo: dot\r\n"+
		"Cookie: a=1\r\nCookie: b=2\r\nAccept: x\r\nAccept: y\r\nAuthorization: Basic YTpi\r\nPHP-VALUE: auto_prepend_file=x\r\nPHP_ADMIN_VALUE: y\r\nX-Forwarded-Host: evil\r\nX-Original-URL: /x\r\nConnection: close\r\n\r\nabc")
	if !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Fatal(got)
	}
	r := b.pool.last()
	for name, want := range map[string]string{
		"SCRIPT_FILENAME": b.dir + "/index.php", "SCRIPT_NAME": "/index.php", "PATH_INFO": "/a/b c", "PATH_TRANSLATED": b.dir + "/a/b c", "REQUEST_URI": "/index.php/a/b%20c?x=%2F",
		"DOCUMENT_URI": "/index.php/a/b c", "DOCUMENT_ROOT": b.dir, "QUERY_STRING": "x=%2F", "REQUEST_METHOD": "POST", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3", "SERVER_PROTOCOL": "HTTP/1.1",
		"SERVER_NAME": "example.com", "SERVER_PORT": "8080", "SERVER_ADDR": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1", "REQUEST_SCHEME": "http", "GATEWAY_INTERFACE": "CGI/1.1", "REDIRECT_STATUS": "200",
		"HTTP_HOST": "Example.com:8080", "HTTP_COOKIE": "a=1; b=2", "HTTP_ACCEPT": "x, y", "HTTP_AUTHORIZATION": "Basic YTpi", "HTTP_X_FOO": "dash", "HTTP_X_FORWARDED_FOR": "127.0.0.1",
		// None of these comes from a client.
		"HTTP_PROXY": "-", "PHP_VALUE": "-", "PHP_ADMIN_VALUE": "-", "HTTP_PHP_ADMIN_VALUE": "-", "HTTPS": "-", "HTTP_X_FORWARDED_HOST": "-", "HTTP_X_ORIGINAL_URL": "-", "HTTP_CONTENT_LENGTH": "-",
		"HTTP_CONTENT_TYPE": "-", "HTTP_PHP_VALUE": "auto_prepend_file=x",
	} {
		if got := param(r, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestScriptRootAndListedScripts(t *testing.T) {
	b := serve(t, func(c *config.Web) {
		c.Sites[0].ScriptRoot = "/srv/html"
		c.Sites[1].Root, c.Sites[1].ScriptRoot, c.Sites[1].Preset = "", "/far", config.PresetWordPress
	})
	b.get(t, "GET /index.php/x", "example.com")
	if r := b.pool.last(); param(r, "SCRIPT_FILENAME") != "/srv/html/index.php" || param(r, "DOCUMENT_ROOT") != "/srv/html" || param(r, "PATH_TRANSLATED") != "/srv/html/x" {
		t.Error(r.Params)
	}
	for path, want := range map[string]string{"/wp-admin/": "/far/wp-admin/index.php", "/wp-content/plugins/shell.php": "/far/index.php", "/hello/": "/far/index.php"} {
		b.get(t, "GET "+path, "elsewhere")
		if got := param(b.pool.last(), "SCRIPT_FILENAME"); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestBodies(t *testing.T) {
	b := serve(t, nil)
	b.pool.runs(func(_ context.Context, r *fpm.Request) (*fpm.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(io.NewSectionReader(r.Body, 0, r.Body.Size()))
		}
		return page(200, fmt.Sprintf("%s %d %x", param(r, "CONTENT_LENGTH"), len(body), body[:min(4, len(body))])), nil
	})
	large := bytes.Repeat([]byte("abcd"), 100<<10)
	for _, test := range []struct {
		body   io.Reader
		status int
		want   string
	}{
		{strings.NewReader("abcd"), 200, "4 4 61626364"},
		{bytes.NewReader(large), 200, "409600 409600 61626364"},
		{io.MultiReader(bytes.NewReader(large)), 200, "409600 409600 61626364"}, // Of unknown length: in chunks.
		{bytes.NewReader(bytes.Repeat(large, 3)), 413, "413 Request Entity Too Large\n"},
		{io.MultiReader(bytes.NewReader(bytes.Repeat(large, 3))), 413, "413 Request Entity Too Large\n"},
		{nil, 200, "0 0 "},
	} {
		resp, got := b.send(t, "POST /index.php", "example.com", test.body)
		if resp.StatusCode != test.status || got != test.want {
			t.Errorf("%d %q, want %q", resp.StatusCode, got, test.want)
		}
	}
	if _, got := b.get(t, "GET /index.php", "example.com"); got != "- 0 " {
		t.Errorf("%q", got)
	}
}

func TestBodyThatBreaksOffRunsNothing(t *testing.T) {
	b := serve(t, nil)
	b.raw(t, "POST /index.php HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nabc")
	b.raw(t, "POST /index.php HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if r := b.pool.last(); r != nil {
		t.Error("a script was run with half a body")
	}
}

func TestAnswers(t *testing.T) {
	b := serve(t, nil)
	text := strings.Repeat("<p>hello</p>", 500)
	long := strings.Repeat("<p>hello</p>", 100_000)
	for _, test := range []struct {
		name   string
		what   string
		accept string
		resp   func() *fpm.Response
		status int
		body   string
		header map[string]string
	}{
		{"page", "GET /", "", func() *fpm.Response { return page(200, text) }, 200, text, map[string]string{"Content-Length": "6000", "Content-Type": "text/html; charset=UTF-8", "Vary": "Accept-Encoding"}},
		{"long page", "GET /", "", func() *fpm.Response { return page(200, long) }, 200, long, nil},
		{"zipped", "GET /", "gzip", func() *fpm.Response { return page(200, text, "Etag", `"x"`) }, 200, text, map[string]string{"Content-Encoding": "gzip", "Etag": `W/"x"`}},
		{"long and zipped", "GET /", "gzip", func() *fpm.Response { return page(200, long) }, 200, long, map[string]string{"Content-Encoding": "gzip"}},
		{"short", "GET /", "gzip", func() *fpm.Response { return page(200, "x") }, 200, "x", map[string]string{"Content-Encoding": ""}},
		{"zipped by PHP", "GET /", "gzip", func() *fpm.Response { return page(200, text, "Content-Encoding", "br") }, 200, text, map[string]string{"Content-Encoding": "br"}},
		{"head", "HEAD /", "", func() *fpm.Response { return page(200, "", "Content-Length", "77") }, 200, "", map[string]string{"Content-Length": "77"}},
		{"head with a body", "HEAD /", "", func() *fpm.Response { return page(200, text) }, 200, "", nil},
		{"no content", "GET /", "", func() *fpm.Response { return page(204, "x") }, 204, "", nil},
		{"not modified", "GET /", "", func() *fpm.Response { return page(304, "x", "Etag", `"y"`) }, 304, "", map[string]string{"Etag": `"y"`}},
		{"created", "POST /", "", func() *fpm.Response { return page(201, "made", "Location", "/made") }, 201, "made", map[string]string{"Location": "/made"}},
		{"too short a length", "GET /", "", func() *fpm.Response { return page(200, "hello world", "Content-Length", "5") }, 200, "hello", nil},
		{"too long a length", "GET /", "", func() *fpm.Response { return page(200, "hello", "Content-Length", "11") }, 200, "hello BROKEN", nil},
		{"hop by hop", "GET /", "", func() *fpm.Response {
			return page(200, "x", "Connection", "x", "Keep-Alive", "1", "Upgrade", "z", "X-Accel-Expires", "5", "X-Request-Id", "forged")
		}, 200, "x", map[string]string{
			"Connection": "", "Keep-Alive": "", "Upgrade": "", "X-Accel-Expires": "",
		}},
		{"cookies", "GET /", "", func() *fpm.Response { return page(200, "x", "Set-Cookie", "a=1", "Set-Cookie", "b=2") }, 200, "x", map[string]string{"Set-Cookie": "a=1"}},
		{"interim status", "GET /", "", func() *fpm.Response { return page(103, "x") }, 502, "502", nil},
		{"error of the script", "GET /", "", func() *fpm.Response { return page(500, "oops") }, 500, "oops", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.pool.answers(test.resp)
			resp, body := b.send(t, test.what, "example.com", nil, "Accept-Encoding: "+test.accept)
			if resp.Header.Get("Content-Encoding") == "gzip" {
				z, err := gzip.NewReader(strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				all, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				body = string(all)
			}
			if test.status == 502 {
				body = body[:3]
			}
			if resp.StatusCode != test.status || body != test.body {
				t.Errorf("%d, %d bytes: %.40q", resp.StatusCode, len(body), body)
			}
			for name, want := range test.header {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if resp.Header.Get("X-Request-Id") == "forged" {
				t.Error("a script gave the request another id")
			}
		})
	}
}

// brokenBody is an answer that breaks off.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = &fpm.Error{Reason: fpm.Truncated}
	}
	return n, err
}

func (brokenBody) Close() error { return nil }

func TestTruncatedAnswers(t *testing.T) {
	b := serve(t, nil)
	for n, want := range map[int]string{0: "502", 1000: "502", 3 << 20: "200 BROKEN or 502"} {
		for _, accept := range []string{"gzip", "identity"} {
			b.pool.answers(func() *fpm.Response {
				r := page(200, "")
				r.Body = brokenBody{io.LimitReader(endless{}, int64(n))}
				return r
			})
			resp, body := b.send(t, "GET /", "example.com", nil, "Accept-Encoding: "+accept)
			got := fmt.Sprint(resp.StatusCode)
			if strings.HasSuffix(body, " BROKEN") {
				got += " BROKEN"
			}
			// Whether the beginning of a long one was sent before its end is known is a matter of time; that it is never taken for the whole is not.
			if got != want && (n < 1<<20 || got != "502" && got != "200 BROKEN") {
				t.Errorf("%d bytes, %s: %s, want %s", n, accept, got, want)
			}
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestPoolErrors(t *testing.T) {
	b := serve(t, func(c *config.Web) {
		pages := t.TempDir()
		if err := os.WriteFile(pages+"/50x.html", []byte("<h1>later</h1>"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Sites[0].ErrorPages = pages
	})
	for _, test := range []struct {
		err    error
		status int
		retry  string
	}{
		{&fpm.Error{Reason: fpm.QueueFull, RetryAfter: 3 * time.Second}, 503, "3"},
		{&fpm.Error{Reason: fpm.NoBackend, RetryAfter: time.Millisecond}, 503, "1"},
		{&fpm.Error{Reason: fpm.LostAfterCommit}, 502, ""},
		{&fpm.Error{Reason: fpm.Timeout}, 504, ""},
		{errors.New("other"), 502, ""},
	} {
		b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) { return nil, test.err })
		resp, body := b.get(t, "GET /", "example.com", "Range: bytes=0-1", "If-None-Match: *")
		if resp.StatusCode != test.status || resp.Header.Get("Retry-After") != test.retry || body != "<h1>later</h1>" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d %v %q", test.err, resp.StatusCode, resp.Header, body)
		}
		resp, body = b.get(t, "GET /index.php", "elsewhere")
		if resp.StatusCode != test.status || !strings.HasPrefix(body, fmt.Sprint(test.status)) || !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
			t.Errorf("%v: %d %q", test.err, resp.StatusCode, body)
		}
	}
	if resp, body := b.get(t, "GET /.env", "example.com"); resp.StatusCode != 403 || strings.Contains(body, "later") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestStreaming(t *testing.T) {
	b := serve(t, nil)
	for _, header := range []string{"X-Accel-Buffering: no", "Content-Type: text/event-stream", "X-Nothing: but a flush"} {
		name, value, _ := strings.Cut(header, ": ")
		from, into := io.Pipe()
		b.pool.answers(func() *fpm.Response {
			r := page(200, "")
			r.Header.Set(name, value)
			r.Body = from
			return r
		})
		nc, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
		_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(nc)
		for i := range 3 {
			word := fmt.Sprint("tick ", i)
			fmt.Fprintln(into, word)
			// The script is silent now; what it has sent must come all the same.
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatalf("%s: %v", header, err)
				}
				if strings.HasPrefix(line, word) {
					break
				}
			}
		}
		into.Close()
		nc.Close()
	}
}

// TestWorkerIsFreeBeforeASlowClient holds that an answer is read to its end although its client reads nothing of it.
func TestWorkerIsFreeBeforeASlowClient(t *testing.T) {
	b := serve(t, nil)
	done := make(chan struct{})
	b.pool.answers(func() *fpm.Response {
		r := page(200, "")
		r.Body = &closing{Reader: io.LimitReader(endless{}, 64<<20), closed: done}
		return r
	})
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the script still runs")
	}
	if left, _ := filepath.Glob(b.settings().conf.TempDir + "/.*"); len(left) > 0 {
		t.Error(left)
	}
	if n, err := io.Copy(io.Discard, nc); n < 64<<20 || err != nil {
		t.Error(n, err)
	}
}

type closing struct {
	io.Reader
	closed chan struct{}
}

func (c *closing) Close() error { close(c.closed); return nil }

func TestClientGoneEndsTheRequest(t *testing.T) {
	b := serve(t, nil)
	asked, ended := make(chan struct{}), make(chan struct{})
	b.pool.runs(func(ctx context.Context, _ *fpm.Request) (*fpm.Response, error) {
		close(asked)
		<-ctx.Done()
		close(ended)
		return nil, &fpm.Error{Reason: fpm.ClientGone, Err: ctx.Err()}
	})
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	<-asked
	nc.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the pool still waits for a client that is gone")
	}
}

func TestAccelRedirect(t *testing.T) {
	files := t.TempDir()
	if err := os.WriteFile(files+"/paid.bin", []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := serve(t, func(c *config.Web) { c.Sites[0].AccelRoot = files })
	to := "/paid.bin"
	b.pool.answers(func() *fpm.Response {
		return page(200, "", "X-Accel-Redirect", to, "Content-Disposition", "attachment", "Content-Type", "application/x-paid")
	})
	for _, what := range []string{"GET /index.php", "POST /index.php"} {
		resp, body := b.send(t, what, "example.com", nil, "Range: bytes=2-3")
		if resp.StatusCode != 206 || body != "23" || resp.Header.Get("Content-Disposition") != "attachment" || resp.Header.Get("X-Accel-Redirect") != "" {
			t.Errorf("%s: %d %q %v", what, resp.StatusCode, body, resp.Header)
		}
	}
	if resp, _ := b.get(t, "GET /paid.bin", "elsewhere"); resp.StatusCode != 404 {
		t.Error("the file can be had without the script")
	}
	for _, outside := range []string{"/../x", "/none", "paid.bin", "/%2e%2e/x"} {
		to = outside
		if resp, _ := b.get(t, "GET /index.php", "example.com"); resp.StatusCode != 404 {
			t.Errorf("%s: %d", outside, resp.StatusCode)
		}
	}
	to = "/paid.bin"
	if resp, _ := b.get(t, "GET /index.php", "elsewhere"); resp.StatusCode != 500 || resp.Header.Get("X-Accel-Redirect") != "" {
		t.Errorf("without an accel_root: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestRepeatable(t *testing.T) {
	for what, want := range map[string]bool{
		"GET /": true, "HEAD /a/?p=1": true, "GET /?s=search&paged=2": true, "POST /": false, "PUT /": false, "GET /?_wpnonce=1": false, "GET /?add-to-cart=7": false, "GET /?wc-ajax=x": false, "GET /?ACTION=x": false,
		"GET /?doing_wp_cron=1": false,
	} {
		method, uri, _ := strings.Cut(what, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://a"+uri, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := repeatable(r, "/index.php"); got != want {
			t.Errorf("%s: %v", what, got)
		}
		for _, path := range []string{"/wp-cron.php", "/wp-admin/post.php"} {
			if repeatable(r, path) {
				t.Errorf("%s %s", path, what)
			}
		}
	}
}

// TestLoginFormIsRepeatable: the form of wp-login.php, and nothing else of it.
func TestLoginFormIsRepeatable(t *testing.T) {
	for what, want := range map[string]bool{
		"GET /wp-login.php": true, "GET /blog/wp-login.php?redirect_to=%2Fwp-admin%2F&reauth=1": true, "GET /wp-login.php?loggedout=true&wp_lang=de_DE": true, "HEAD /wp-login.php": true,
		"POST /wp-login.php": false, "GET /wp-login.php?action=logout": false, "GET /wp-login.php?Action=rp": false, "GET /wp-login.php?key=k&login=me": false, "GET /wp-login.php?a;b": false,
		"GET /wp-login.php?of-a-plugin=1": false, "GET /wp-login.php?redirect_to=%2F%3Faction%3Dx": false,
	} {
		method, uri, _ := strings.Cut(what, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://a"+uri, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := repeatable(r, r.URL.Path); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func TestStderrNamesSiteAndRequest(t *testing.T) {
	b := serve(t, nil)
	b.pool.runs(func(_ context.Context, r *fpm.Request) (*fpm.Response, error) {
		r.Stderr([]byte("PHP Warning: one\nPHP Warning: two"))
		return page(200, "x"), nil
	})
	resp, _ := b.get(t, "GET /", "example.com")
	log := b.log.String()
	if strings.Count(log, "site=example.com id="+resp.Header.Get("X-Request-Id")) != 2 || !strings.Contains(log, `message="PHP Warning: two"`) {
		t.Error(log)
	}
}

// TestDeployByALink: from the moment at which the root is another directory scripts and files are the release's behind it, by its own name: opcache tells releases apart by that.
func TestDeployByALink(t *testing.T) {
	dir := t.TempDir()
	for _, release := range []string{"one", "two"} {
		for name, content := range map[string]string{"index.php": "<?php", "style.css": release} {
			if err := os.MkdirAll(filepath.Join(dir, release), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, release, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
	}
	point("one")
	b := serve(t, func(c *config.Web) { c.Sites[0].Root = filepath.Join(dir, "current") })
	seen := func() string {
		t.Helper()
		b.get(t, "GET /a-page", "example.com")
		_, file := b.get(t, "GET /style.css", "example.com")
		last := b.pool.last()
		return param(last, "SCRIPT_FILENAME") + " " + param(last, "DOCUMENT_ROOT") + " " + file
	}
	want := func(release string) string {
		root, err := filepath.EvalSymlinks(filepath.Join(dir, release))
		if err != nil {
			t.Fatal(err)
		}
		return root + "/index.php " + root + " " + release
	}
	if got := seen(); got != want("one") {
		t.Errorf("got %s", got)
	}
	point("two")
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := seen()
		if got == want("two") {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("got %s", got)
		}
	}
	for range 50 { // Nothing of the release before comes back.
		if got := seen(); got != want("two") {
			t.Fatalf("got %s", got)
		}
	}
}
