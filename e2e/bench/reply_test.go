package main

import (
	"fmt"
	"strings"
	"testing"
)

// replies are whole answers, with what they are.
func replies() []struct {
	text   string
	status int
	body   int64
	closes bool
} {
	return []struct {
		text   string
		status int
		body   int64
		closes bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, 5, false},
		{"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", 204, 0, true},
		{"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 502, 13, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nExpires: never\r\n\r\n", 200, 0, false},
	}
}

func TestReply(t *testing.T) {
	for _, test := range replies() {
		for size := 1; size <= len(test.text); size++ {
			var r reply
			var done bool
			for at := 0; at < len(test.text); at += size {
				if done {
					t.Fatalf("%q in pieces of %d: done after %d bytes", test.text, size, at)
				}
				var err error
				if done, err = r.feed([]byte(test.text[at:min(at+size, len(test.text))])); err != nil {
					t.Fatalf("%q in pieces of %d: %v", test.text, size, err)
				}
			}
			if !done || r.status != test.status || r.body != test.body || r.closes != test.closes {
				t.Fatalf("%q in pieces of %d: done %t, %+v", test.text, size, done, r)
			}
		}
	}
}

func TestReplyIsNone(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n12", "HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"hello\r\n\r\n", strings.Repeat("x", longestHead+1),
	} {
		var r reply
		if done, err := r.feed([]byte(text)); err == nil {
			t.Errorf("%.60q: no error, done %t", text, done)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, test := range replies() {
		f.Add([]byte(test.text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			return
		}
		read := func(size int) string {
			var r reply
			for at := 0; at < len(text); at += size {
				done, err := r.feed(text[at:min(at+size, len(text))])
				switch {
				case err != nil:
					return "error"
				case done && at+size < len(text): // The next piece would be an error.
					return "error"
				case done:
					return fmt.Sprint("done ", r.status, r.body, r.closes)
				}
			}
			return "more"
		}
		size = min(size, len(text)+1)
		if whole, pieces := read(len(text)+1), read(size); whole != pieces && len(text) <= longestHead {
			t.Errorf("whole: %s, in pieces of %d: %s", whole, size, pieces)
		}
	})
}
