package mysql

import (
	"context"
	"net"
	"sync/atomic"
)

// A goroutine begins with a stack of 2 KB, and a session needs four times that: to copy it twice is 8 % of what a connection of PHP's costs galley. So a goroutine that has served a client waits for the
// next one, its stack as it is; the garbage collector makes it smaller where nobody comes.

// maxSpare is how many goroutines wait for clients at most.
const maxSpare = 64

// spares are the goroutines that serve clients.
type spares struct {
	srv     *Server
	clients chan net.Conn // To those that wait; closed when no more come.
	waiting atomic.Int32
}

// serve has a client served by a goroutine that waits for one, or by a new one.
func (p *spares) serve(ctx, front context.Context, nc net.Conn) {
	select {
	case p.clients <- nc:
	default:
		go p.run(ctx, front, nc)
	}
}

// run serves a client, and then others as they come.
func (p *spares) run(ctx, front context.Context, nc net.Conn) {
	for more := true; more; {
		p.srv.client(ctx, front, nc)
		if p.waiting.Add(1) > maxSpare {
			p.waiting.Add(-1)
			return
		}
		nc, more = <-p.clients
		p.waiting.Add(-1)
	}
}
