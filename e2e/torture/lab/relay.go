package lab

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// relay stands between one galley and one node, and can be cut: then nothing passes, in either direction, as when the network between them drops all packets. What was on its way is
// there when it is healed, as TCP would send it again.
type relay struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	healed chan struct{} // Closed while it is whole.
	pairs  map[net.Conn]struct{}
}

// newRelay listens on a free address for connections to a node.
func newRelay(to string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, fmt.Errorf("listen for a relay: %w", err)
	}
	r := &relay{to: to, listener: l, healed: make(chan struct{}), pairs: map[net.Conn]struct{}{}}
	close(r.healed)
	go r.accept()
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// cut stops all that passes.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.healed:
		r.healed = make(chan struct{})
	default:
	}
}

// heal lets everything pass again.
func (r *relay) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.healed:
	default:
		close(r.healed)
	}
}

// close ends it with all that it carries.
func (r *relay) close() {
	_ = r.listener.Close()
	r.heal()
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.pairs {
		_ = c.Close()
	}
}

// whole waits until something may pass.
func (r *relay) whole() {
	r.mu.Lock()
	healed := r.healed
	r.mu.Unlock()
	<-healed
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.carry(c)
	}
}

// carry serves one connection to its end.
func (r *relay) carry(c net.Conn) {
	defer c.Close()
	r.whole()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	n, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.to)
	cancel()
	if err != nil {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // A reset, as a port where nobody listens.
		}
		return
	}
	defer n.Close()
	r.mu.Lock()
	r.pairs[c], r.pairs[n] = struct{}{}, struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pairs, c)
		delete(r.pairs, n)
	}()
	ended := make(chan struct{}, 2)
	go r.pass(c, n, ended)
	go r.pass(n, c, ended)
	<-ended
}

// pass copies what comes from one side to the other, and the end of it.
func (r *relay) pass(from, to net.Conn, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.whole()
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
