package head

import (
	"bufio"
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const crlf = "\r\n"

func TestParse(t *testing.T) {
	var h Head
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"GET / HTTP/1.1|Host: a||", true},
		{"HEAD /a/b.css?v=1 HTTP/1.1|Host: example.com:8080|Accept:  */* |Cookie: a=b|cookie: c=d||", true},
		{"GET /ä HTTP/1.1|Host: a||", false},
		{"GET / HTTP/1.1|Connection: Keep-Alive|Host: [::1]:80||", true},
		{"GET / HTTP/1.1|Connection: close|Host: a||", false},
		{"GET / HTTP/1.1|Host: a|Connection: keep-alive, close||", false},
		{"GET / HTTP/1.1||", false},
		{"GET / HTTP/1.1|Host: a|Host: a||", false},
		{"GET / HTTP/1.1|Host: a, b||", false},
		{"GET / HTTP/1.1|Host:||", false},
		{"GET / HTTP/1.0|Host: a||", false},
		{"GET / HTTP/2.0|Host: a||", false},
		{"GET  / HTTP/1.1|Host: a||", false},
		{"GET http://a/ HTTP/1.1|Host: a||", false},
		{"POST / HTTP/1.1|Host: a||", false},
		{"GET / HTTP/1.1|Host: a|Content-Length: 0||", false},
		{"GET / HTTP/1.1|Host: a|transfer-encoding: chunked||", false},
		{"GET / HTTP/1.1|Host: a|Expect: 100-continue||", false},
		{"GET / HTTP/1.1|Host: a|Upgrade: h2c||", false},
		{"GET / HTTP/1.1|Host : a||", false},
		{"GET / HTTP/1.1|Host: a| folded||", false},
		{"GET / HTTP/1.1|Host: a|no colon||", false},
		{"GET / HTTP/1.1|Host: a|X: \x01||", false},
		{"GET / HTTP/1.1|Host: a|X: a\rb||", false},
		{"GET / HTTP/1.1|Host: a|X: a\nContent-Length: 5||", false},
		{"GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1|Host: a||", false},
		{"GET / HTTP/1.1|Host: a||GET / HTTP/1.1|Host: a||", false},
		{"GET / HTTP/1.1|Host: a|", false},
		{"PRI * HTTP/2.0||SM||", false},
		{"GET / HTTP/1.1|Host: a|" + strings.Repeat("X: y|", most) + "|", true},
		{"GET / HTTP/1.1|Host: a|" + strings.Repeat("X: y|", most+1) + "|", false},
	} {
		text := strings.ReplaceAll(c.text, "|", crlf)
		if ok := h.Parse([]byte(text)); ok != c.ok {
			t.Errorf("%q: %v", text, ok)
		}
		if c.ok {
			sameAsHTTP(t, &h, text)
		}
	}
	if !h.Parse([]byte("HEAD /x?y HTTP/1.1\r\nhost: b\r\ncookie: 1\r\nCookie: 2\r\nX-a: 3\r\n\r\n")) {
		t.Fatal("not taken")
	}
	want := http.Header{"Cookie": {"1", "2"}, "X-A": {"3"}}
	if h.Method != "HEAD" || h.Target != "/x?y" || h.Host != "b" || !maps.EqualFunc(h.Header, want, slices.Equal[[]string]) {
		t.Errorf("read as %+v", h)
	}
}

// sameAsHTTP holds what was read beside what net/http reads.
func sameAsHTTP(t *testing.T, h *Head, text string) {
	t.Helper()
	b := bufio.NewReader(strings.NewReader(text))
	r, err := http.ReadRequest(b)
	if err != nil {
		t.Errorf("%q: net/http does not take it: %v", text, err)
		return
	}
	if r.Method != h.Method || r.RequestURI != h.Target || r.Host != h.Host || !maps.EqualFunc(r.Header, h.Header, slices.Equal[[]string]) {
		t.Errorf("%q: %q %q %q %q, by net/http %q %q %q %q", text, h.Method, h.Target, h.Host, h.Header, r.Method, r.RequestURI, r.Host, r.Header)
	}
	if r.ContentLength != 0 || r.TransferEncoding != nil || r.Close || r.Proto != "HTTP/1.1" {
		t.Errorf("%q: by net/http it has a body or ends the connection: %+v", text, r)
	}
	if b.Buffered() != 0 {
		t.Errorf("%q: net/http leaves %d bytes", text, b.Buffered())
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"GET / HTTP/1.1|Host: a||", "HEAD /a%20b?c=d&e HTTP/1.1|Host: a:1|Accept-Encoding: gzip, br|Cookie: a=b; c|cookie: d|If-None-Match: \"x\"||",
		"GET / HTTP/1.1|Host: a|Content-Length: 3||abc", "GET / HTTP/1.1\nHost: a\n\nGET /b HTTP/1.1|Host: b||", "GET / HTTP/1.1|Host: a|Transfer-Encoding: chunked||0||",
		"GET / HTTP/1.1|Host: a|Range: bytes=0-1|X: \t y\t |:||", "GET //x HTTP/1.1|hOST: [::1]:80|Connection: Keep-Alive||", "GET /%zz HTTP/1.1|Host: a||",
	} {
		f.Add([]byte(strings.ReplaceAll(text, "|", crlf)))
	}
	var h Head
	f.Fuzz(func(t *testing.T, p []byte) {
		was := bytes.Clone(p)
		if h.Parse(p) {
			if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p))); err != nil && strings.Contains(err.Error(), "invalid URL escape") {
				_ = r // The target is parsed by whoever uses it.
				return
			}
			sameAsHTTP(t, &h, string(p))
		}
		if !bytes.Equal(was, p) {
			t.Error("the bytes were changed")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := []byte("GET /wp-content/themes/a/style.css?ver=6.1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/css,*/*;q=0.1\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: http://example.com/\r\nCookie: a=b\r\n\r\n")
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		if !h.Parse(p) {
			b.Fatal("not taken")
		}
	}
}
