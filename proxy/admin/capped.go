package admin

import (
	"net"
	"sync"
)

// cappedListener accepts no more than a number of connections at a time; the rest wait in the kernel's backlog. The
// admin door must not eat the file descriptors that sessions need.
type cappedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newCappedListener(l net.Listener, most int) *cappedListener {
	return &cappedListener{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a free slot, then for a connection.
func (l *cappedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &cappedConn{Conn: conn, slots: l.slots}, nil
}

// Close wakes an Accept that waits for a slot, too.
func (l *cappedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type cappedConn struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// Close gives the slot back, once.
func (c *cappedConn) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}
