package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fpm"
)

// client is a browser's connection.
type client struct {
	net.Conn
	in *bufio.Reader
}

func (b *bench) dial(t *testing.T) *client {
	t.Helper()
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{nc, bufio.NewReader(nc)}
}

// ask sends a request in pieces, each in a segment of its own, and gives the answer as text without what differs from answer to answer.
func (c *client) ask(t *testing.T, method string, pieces ...string) string {
	t.Helper()
	for i, piece := range pieces {
		if i > 0 {
			time.Sleep(5 * time.Millisecond) // What follows at once would be in the same segment.
		}
		if _, err := io.WriteString(c, piece); err != nil {
			t.Fatal(err)
		}
	}
	return c.answer(t, method)
}

func (c *client) answer(t *testing.T, method string) string {
	t.Helper()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		t.Errorf("no answer: %v", err)
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("half an answer: %v", err)
	}
	for _, name := range []string{"Date", "X-Request-Id"} {
		if r.Header.Get(name) == "" && r.StatusCode != http.StatusBadRequest { // It may be net/http's own.
			t.Errorf("an answer without %s", name)
		}
		r.Header.Del(name)
	}
	return fmt.Sprint(r.Status, r.Proto, r.Header, r.ContentLength, r.Close, r.Uncompressed, "\n", string(body))
}

func withCache(c *config.Web) {
	for i := range c.Sites {
		c.Sites[i].Cache, c.Sites[i].MaxAge = time.Minute, time.Hour
	}
}

// TestQuickIsTheSame asks for the same twice: at once, and in two pieces, which net/http answers.
func TestQuickIsTheSame(t *testing.T) {
	b := serve(t, withCache)
	b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
		return page(200, strings.Repeat("cached ", 1000), "ETag", `"e"`), nil
	})
	b.put(t, "big.css", strings.Repeat("a { color: blue }\n", 10000))
	for _, c := range []struct {
		method, path, headers string
	}{
		{"GET", "/style.css", ""},
		{"HEAD", "/style.css", ""},
		{"GET", "/style.css?ver=1", "Accept-Encoding: gzip, br|"},
		{"GET", "/big.css", ""},
		{"GET", "/pic.png", "Cookie: a=b|"},
		{"GET", "/pic.png", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT|"},
		{"GET", "/pic.png", "If-Match: \"nothing\"|"},
		{"GET", "/pic.png", "Range: bytes=1-|"},
		{"GET", "/pic.png", "Range: bytes=100-|"},
		{"HEAD", "/pic.png", "Range: bytes=100-|"},
		{"GET", "/style.css", "Range: bytes=0-1,5-6|"},
		{"GET", "/sub/", ""},
		{"GET", "/sub", ""},
		{"GET", "/.env", ""},
		{"GET", "/nothing.png", ""}, // The front controller's page.
		{"GET", "/a-page", "Accept-Encoding: gzip|"},
		{"GET", "/a-page", ""},
		{"HEAD", "/a-page", ""},
		{"GET", "/a-page", "If-None-Match: \"e\"|"},
		{"GET", "/a-page", "Cookie: wordpress_logged_in_x=1|"},
		{"GET", "/%zz", ""},
		{"GET", "/a/../style.css", ""},
		{"GET", "/style.css", "Authorization: a|Authorization: b|"},
		{"GET", "/style.css", "X-A: 1|Connection: keep-alive|"},
	} {
		text := strings.ReplaceAll(fmt.Sprintf("%s %s HTTP/1.1|Host: example.com|%s|", c.method, c.path, c.headers), "|", "\r\n")
		b.dial(t).ask(t, c.method, text) // From then on it is in memory, files for a second.
		slow := b.dial(t).ask(t, c.method, text[:9], text[9:])
		before := b.quicks.answers.Load()
		quick := b.dial(t).ask(t, c.method, text)
		if strings.Contains(slow, "Multipart") || strings.Contains(slow, "multipart") { // Its boundary is random.
			slow, quick = slow[:20], quick[:20]
		}
		if quick != slow {
			t.Errorf("%q:\nat once    %s\nby net/http %s", text, quick[:min(len(quick), 500)], slow[:min(len(slow), 500)])
		}
		if was := b.quicks.answers.Load() > before; was != (c.path != "/%zz") {
			t.Errorf("%q: answered where it was read: %v", text, was)
		}
	}
}

// TestQuickGoesOn has one connection ask for what is in memory and for what is not, in turn.
func TestQuickGoesOn(t *testing.T) {
	b := serve(t, nil)
	c := b.dial(t)
	file, script := "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n", "GET /a-page HTTP/1.1\r\nHost: example.com\r\n\r\n"
	c.ask(t, "GET", file)
	before := b.quicks.answers.Load()
	for range 50 {
		if got := c.ask(t, "GET", script); !strings.Contains(got, "hello from /index.php") {
			t.Errorf("the script's answer: %s", got)
		}
		if got := c.ask(t, "GET", file); !strings.HasSuffix(got, "\npng") {
			t.Errorf("the file's answer: %s", got)
		}
	}
	if got := b.quicks.answers.Load() - before; got != 100 {
		t.Errorf("%d of 100 were answered where they were read", got)
	}
}

// TestQuickKnowsWhereRequestsBegin sends what looks like a request where none begins.
func TestQuickKnowsWhereRequestsBegin(t *testing.T) {
	const file = "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"
	b := serve(t, nil)
	b.dial(t).ask(t, "GET", file)
	for name, pieces := range map[string][]string{
		"in a body":                   {"POST /a-page HTTP/1.1\r\nHost: example.com\r\nContent-Length: " + fmt.Sprint(len(file)) + "\r\n\r\n", file},
		"in a chunk":                  {fmt.Sprintf("POST /a-page HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(file)), file, "\r\n0\r\n\r\n"},
		"in a head":                   {"GET /a-page HTTP/1.1\r\nHost: example.com\r\nX-A: ", file},
		"behind a request and a line": {"GET /a-page HTTP/1.1\r\nHost: example.com\r\n\r\nGET /a-page HTTP/1.1\r\n", file},
		"behind bare line feeds":      {"GET /a-page HTTP/1.1\nHost: example.com\n\nGET /a-page HTTP/1.1\r\n", file},
	} {
		before := b.quicks.answers.Load()
		c := b.dial(t)
		got := c.ask(t, "GET", pieces...)
		if !strings.Contains(got, "hello") && !strings.HasPrefix(got, "400") {
			t.Errorf("%s: %s", name, got)
		}
		if b.quicks.answers.Load() != before {
			t.Errorf("%s: it was taken for a request", name)
		}
	}
}

// TestQuickPipelined sends many requests at once: net/http answers them, all of them and in their order.
func TestQuickPipelined(t *testing.T) {
	b := serve(t, nil)
	c := b.dial(t)
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "GET /%s HTTP/1.1\r\nHost: example.com\r\n\r\n", []string{"pic.png", "a-page"}[i%2])
	}
	if _, err := io.WriteString(c, text.String()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		want := []string{"png", "hello"}[i%2]
		if got := c.answer(t, "GET"); !strings.Contains(got, "\n"+want) {
			t.Errorf("answer %d: %s", i, got)
		}
	}
}

// TestQuickUnderLoad has many clients ask, pause, pipeline and leave.
func TestQuickUnderLoad(t *testing.T) {
	b := serve(t, withCache)
	file, script := "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n", "GET /a-page?%d HTTP/1.1\r\nHost: example.com\r\n\r\n"
	var clients sync.WaitGroup
	for n := range 16 {
		clients.Go(func() {
			for range 10 {
				c := b.dial(t)
				for i := range 10 {
					if (i+n)%3 == 0 {
						if got := c.ask(t, "GET", fmt.Sprintf(script, (n+i)%4)); !strings.Contains(got, "hello") {
							t.Errorf("the script's answer: %s", got)
						}
						continue
					}
					if got := c.ask(t, "GET", file); !strings.HasSuffix(got, "\npng") {
						t.Errorf("the file's answer: %s", got)
					}
				}
				if n%2 == 0 { // It leaves without reading.
					_, _ = io.WriteString(c, file)
				}
				c.Close()
			}
		})
	}
	clients.Wait()
}

// TestQuickEndsItsAnswer closes a connection while an answer is on its way: the answer must come to its end, as net/http ends requests before it closes.
func TestQuickEndsItsAnswer(t *testing.T) {
	b := serve(t, nil)
	big := strings.Repeat("x", 200<<10)
	b.put(t, "big.png", big)
	const ask = "GET /big.png HTTP/1.1\r\nHost: example.com\r\n\r\n"
	var near, far net.Conn
	var c *conn
	read := make(chan error, 1)
	one := make([]byte, 1)
	for began := false; !began; {
		b.dial(t).ask(t, "GET", ask) // Now it is in memory, for a second.
		near, far = net.Pipe()
		defer near.Close()
		c = &conn{Conn: far, d: b.doors[0], timeout: time.Minute}
		c.quick.phase = begins
		go func() {
			n, err := c.Read(make([]byte, 4096))
			if n > 0 {
				_ = far.Close() // It was not answered from memory.
			}
			read <- err
		}()
		if _, err := io.WriteString(near, ask); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, one); err != nil {
			<-read
			continue
		}
		began = true
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	waited := make(chan struct{})
	go func() { b.quicks.wait(t.Context()); close(waited) }()
	select {
	case <-waited:
		t.Error("nobody waits for the answer")
	default:
	}
	rest, err := io.ReadAll(near)
	if err != nil || !strings.HasSuffix(string(rest), big) {
		t.Errorf("half an answer: %d bytes, %v", len(rest), err)
	}
	if err := <-read; err == nil {
		t.Error("a closed connection can be read")
	}
	<-waited
}

// TestQuickLeaves has net/http answer once the server is about to stop, so that clients hear that their connection ends.
func TestQuickLeaves(t *testing.T) {
	b := serve(t, nil)
	const ask = "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"
	b.dial(t).ask(t, "GET", ask)
	b.quicks.leave()
	before := b.quicks.answers.Load()
	if got := b.dial(t).ask(t, "GET", ask); !strings.HasSuffix(got, "\npng") || b.quicks.answers.Load() != before {
		t.Errorf("answered from memory: %s", got)
	}
}
