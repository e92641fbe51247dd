package fcgi_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// FuzzAnswer reads anything as an answer: it ends, and regularly only by END_REQUEST.
func FuzzAnswer(f *testing.F) {
	f.Add(fcgitest.Page("hello"))
	f.Add(fcgitest.Join(fcgitest.Stderr("x"), fcgitest.Page("hello")))
	f.Add(fcgitest.Page("hello")[:20])
	f.Add(fcgitest.End(fcgi.Overloaded))
	f.Add([]byte("HTTP/1.1 400\r\n\r\n"))
	f.Add(fcgi.AppendRecord(nil, fcgi.Type(99), 1, []byte("?")))
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, b := net.Pipe()
		go func() {
			_, _ = io.CopyN(io.Discard, b, 16+8+8)
			_, _ = b.Write(answer)
			_ = b.Close()
		}()
		c := fcgi.NewConn(a, nil)
		defer func() { _ = c.Close() }()
		_, _, err := c.RoundTrip(&fcgi.Request{Timeout: 10 * time.Second})
		if err == nil {
			_, err = io.Copy(io.Discard, c)
		} else if _, ok := errors.AsType[*fcgi.Error](err); !ok {
			t.Errorf("the error is %T", err)
		}
		if errors.Is(err, fcgi.ErrTimeout) {
			t.Errorf("%q: it waits for more after the end", answer)
		}
		if c.Ended() != (err == nil) && !errors.Is(err, fcgi.ErrBadHeader) {
			t.Errorf("%q: ended %v, %v", answer, c.Ended(), err)
		}
	})
}
