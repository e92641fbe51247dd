package web

import "sync"

// unseen are connections of which net/http has seen no request, as all were answered here: it takes them for ones that have just come, and a stop would wait five
// seconds for their first request. So they are closed here, where it is known whether there is one.
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
	delete(u.conns, c)
	return !u.left
}

// leave closes all of them. What is being answered is sent before.
func (u *unseen) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = true
	for c := range u.conns {
		_ = c.shut()
	}
}

// cut closes those that are still being answered: their scripts end, and their clients see that it was not all.
func (u *unseen) cut() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		c.quick.cut()
		_ = c.Conn.Close()
	}
}
