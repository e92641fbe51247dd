package web

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A client that goes while its script runs must be seen, so that a worker is not kept for nobody. Net/http reads from the connection in a second goroutine for that;
// here the kernel tells of it (watch), and only of connections on which somebody has asked. As with net/http a client that has sent its end is gone, but not one that
// has sent more before it.

// clientContext is the context of a request that is answered where it was read. It ends when the client goes, or the answer does.
type clientContext struct {
	c *conn

	mu     sync.Mutex
	inner  context.Context //nolint:containedctx // made when somebody asks for the end
	cancel context.CancelFunc
	over   bool
}

// Deadline implements context.Context.
func (x *clientContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (x *clientContext) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return x.c.LocalAddr()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inner == nil {
		return nil
	}
	return x.inner.Value(key)
}

// Err implements context.Context.
func (x *clientContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.inner != nil:
		return x.inner.Err()
	case x.over:
		return context.Canceled
	}
	return nil
}

// Done implements context.Context. From the first call on the client is watched.
func (x *clientContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inner == nil {
		x.inner, x.cancel = context.WithCancel(context.Background())
		if x.over {
			x.cancel()
		} else {
			x.c.await(x)
		}
	}
	return x.inner.Done()
}

// end ends the context.
func (x *clientContext) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.inner != nil {
		x.c.quick.waits.CompareAndSwap(x, nil)
		x.cancel()
	}
}

// watched is what is known of a connection's other end.
type watched struct {
	number atomic.Uint64 // By which the kernel tells of it; 0 for none.
	waits  atomic.Pointer[clientContext]
	ended  atomic.Bool // The client has sent its end, or the connection is broken.
	blind  atomic.Bool // It could not be watched.
}

// await has a context end when the client goes.
func (c *conn) await(x *clientContext) {
	q := &c.quick
	q.waits.Store(x)
	if q.number.Load() == 0 && !q.blind.Load() {
		q.blind.Store(c.d.s.quicks.watch.add(c) != nil)
	}
	if q.ended.Load() {
		go c.hungUp() // The context is locked.
	}
}

// hungUp hears that the client's end has come, or may have.
func (c *conn) hungUp() {
	c.quick.ended.Store(true)
	if x := c.quick.waits.Load(); x != nil && c.gone() {
		x.end()
	}
}

// cut ends what waits for the connection's client.
func (w *watched) cut() {
	if x := w.waits.Load(); x != nil {
		x.end()
	}
}
