package web

import (
	"context"
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"galley/config"
	"galley/proxy/web/fpm"
)

// TestHTTP3HeaderThatNeverEnds: who begins a request and does not go on is not waited for, though it shows that it is there.
func TestHTTP3HeaderThatNeverEnds(t *testing.T) {
	t.Parallel()
	b := serveQUIC(t, func(c *config.Web) { c.IdleTimeout = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := quic.DialAddr(ctx, b.secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, &quic.Config{KeepAlivePeriod: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseWithError(0, "") }()
	s, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte{1, 20, 0}); err != nil { // A header of 20 bytes, and one of them.
		t.Fatal(err)
	}
	select {
	case <-c.Context().Done():
	case <-ctx.Done():
		t.Fatal("it is waited for")
	}
}

// TestHTTP3LongRequest: a request may take longer than a client may be silent.
func TestHTTP3LongRequest(t *testing.T) {
	t.Parallel()
	b := serveQUIC(t, func(c *config.Web) { c.IdleTimeout = 2 * time.Second })
	b.pool.runs(func(ctx context.Context, _ *fpm.Request) (*fpm.Response, error) {
		select {
		case <-ctx.Done():
		case <-time.After(4 * time.Second):
		}
		return page(200, "late"), nil
	})
	tr := http3Client(t)
	tr.QUICConfig = &quic.Config{} // It sends nothing while it waits.
	if _, body, err := b.ask3(t, tr, "GET /", nil); body != "late" || err != nil {
		t.Error(fmt.Sprintf("%q", body), err)
	}
}
