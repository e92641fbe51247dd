package web

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"galley/proxy/web/fpm"
)

// text is an answer as it came, but for what differs from answer to answer.
func (c *client) text(t *testing.T, ask string) string {
	t.Helper()
	if _, err := c.Write([]byte(ask)); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = tcp.CloseWrite()
	}
	var out strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return out.String() + line
		}
		if !strings.HasPrefix(line, "X-Request-Id: ") {
			out.WriteString(line)
		}
	}
}

// TestQuickSendsNothingMore: what follows an answer's head is its body, and to HEAD there is none. A proxy would take it for the next answer.
func TestQuickSendsNothingMore(t *testing.T) {
	b := serve(t, nil)
	for _, headers := range []string{"Range: bytes=100-\r\n", "Range: bytes=x\r\n", "Range: bytes=1-\r\n", "If-Match: \"no\"\r\n", ""} {
		b.dial(t).ask(t, "GET", "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n")
		before := b.quicks.answers.Load()
		got := b.dial(t).text(t, "HEAD /pic.png HTTP/1.1\r\nHost: example.com\r\n"+headers+"\r\n")
		if b.quicks.answers.Load() == before {
			t.Errorf("%s not answered from memory", headers)
		}
		if !strings.HasSuffix(got, "\r\n\r\n") || strings.Count(got, "\r\n\r\n") != 1 {
			t.Errorf("%sto HEAD:\n%s", headers, got)
		}
	}
}

// TestQuickHasEachHeaderOnce: a page from the cache has the date at which it was made, and no second one.
func TestQuickHasEachHeaderOnce(t *testing.T) {
	b := serve(t, withCache)
	b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
		p := page(http.StatusMovedPermanently, strings.Repeat("gone ", 100), "Location", "/b", "Date", "Mon, 02 Jan 2006 15:04:05 GMT")
		p.Header.Del("Content-Type")
		return p, nil
	})
	const ask = "GET /a-page HTTP/1.1\r\nHost: example.com\r\n\r\n"
	b.dial(t).ask(t, "GET", ask)
	slow := b.dial(t).ask(t, "GET", ask[:9], ask[9:])
	quick := b.dial(t).ask(t, "GET", ask)
	if quick != slow || b.quicks.answers.Load() != 2 {
		t.Errorf("%d at once:\n%s\nby net/http:\n%s", b.quicks.answers.Load(), quick, slow)
	}
	got := b.dial(t).text(t, ask)
	if strings.Count(got, "Date: ") != 1 || !strings.Contains(got, "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n") {
		t.Errorf("its dates:\n%s", got)
	}
}

// TestQuickEndsWithItsFaults: what goes wrong in an answer of which nothing was sent ends the connection, as with net/http.
func TestQuickEndsWithItsFaults(t *testing.T) {
	_, far := net.Pipe()
	defer far.Close()
	s := &Server{log: hclog.NewNullLogger()} // Of no settings at all.
	c := &conn{Conn: far, d: &door{s: s}}
	if got := s.answerQuick(c, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); got != ended || c.quick.answering.Load() != unanswered || s.quicks.running.Load() != 0 {
		t.Errorf("%d, %d is under answer", got, c.quick.answering.Load())
	}
}
