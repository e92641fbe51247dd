package web

import "sync"

// unseen are connections of which net/http has seen no request, as all were answered here: it takes them for ones that have just come, and a stop would wait five
// seconds for their first request. So they are closed here, where it is known that there is none.
type unseen struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
	left  bool
}

// list takes a connection in. It is false where all of them were closed already.
func (u *unseen) list(c *conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left {
		return false
	}
	if u.conns == nil {
		u.conns = map[*conn]struct{}{}
	}
	u.conns[c] = struct{}{}
	c.quick.listed.Store(true)
	return true
}

// forget takes a connection out. It is false where that was closed already.
func (u *unseen) forget(c *conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, there := u.conns[c]
	delete(u.conns, c)
	return there
}

// leave closes all of them. What is being answered is sent before.
func (u *unseen) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = true
	for c := range u.conns {
		_ = c.shut()
	}
	clear(u.conns)
}

// answeredHere notes that a request of a connection was answered. It is false where no more are wanted.
func (c *conn) answeredHere() bool {
	return c.quick.seen || c.quick.listed.Load() || c.d.s.quicks.unseen.list(c)
}

// hand notes that net/http gets a request of a connection. It is false where that was closed.
func (c *conn) hand() bool {
	was := c.quick.seen
	c.quick.seen = true
	return was || !c.quick.listed.Load() || c.d.s.quicks.unseen.forget(c)
}
