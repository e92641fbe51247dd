package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quicIdle ends a connection of HTTP/3 that brings no request for as long as the idle timeout. What it sends besides does not count: a client that begins a request and
// never ends its header would else keep its connection for ever, by a packet now and then.
type quicIdle struct {
	timeout time.Duration
	timer   *time.Timer

	mu      sync.Mutex
	running int // Requests.
}

type quicIdleKey struct{}

// watch begins with a connection.
func (d *quicDoor) watch(ctx context.Context, c *quic.Conn) context.Context {
	i := &quicIdle{timeout: d.s.settings().conf.IdleTimeout}
	if i.timeout <= 0 {
		return ctx
	}
	i.timer = time.AfterFunc(i.timeout, func() { _ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "idle") })
	context.AfterFunc(c.Context(), func() { i.timer.Stop() })
	return context.WithValue(ctx, quicIdleKey{}, i)
}

// quicIdleOf is that of a request's connection; nil where there is no timeout.
func quicIdleOf(r *http.Request) *quicIdle {
	i, _ := r.Context().Value(quicIdleKey{}).(*quicIdle)
	return i
}

// begin and end stand around a request.
func (i *quicIdle) begin() { i.add(1) }

func (i *quicIdle) end() { i.add(-1) }

func (i *quicIdle) add(n int) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.running += n; i.running > 0 {
		i.timer.Stop()
	} else {
		i.timer.Reset(i.timeout)
	}
}
