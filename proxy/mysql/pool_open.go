package mysql

import (
	"context"
	"time"

	"galley/cluster"
)

// openFor opens a conn with p's key in a goroutine of its own. It goes to whoever waits first when it is ready.
func (c *connSet) openFor(p *connPool, w *waiter) {
	c.opening++
	p.open++
	p.opens++
	c.countUser(p.key.user, 1)
	l := *w.login
	c.srv.openers.Add(1)
	go c.openOne(w.node, p, &l)
}

// openOne connects to node and gives the conn, or the error, to one that waits.
func (c *connSet) openOne(node *cluster.Node, p *connPool, l *login) {
	defer c.srv.openers.Done()
	l.schema, l.setup = "", trackEverything
	if p.key.reads {
		l.setup += onlyReads
	}
	if p.key.dirty {
		l.setup += dirtyReads
	}
	b, err := c.srv.dialBackend(c.srv.life, node, l)
	c.mu.Lock()
	c.opening--
	p.opens--
	if err != nil {
		p.open--
		c.countUser(p.key.user, -1)
		c.refuse(p, err)
		c.pump(time.Now())
		c.mu.Unlock()
		return
	}
	c.opened.Add(1)
	b.set, b.pool, b.readOnly, b.dirty, b.charset = c, p, p.key.reads, p.key.dirty, l.charset
	b.opened, b.usedAt = c.srv.tick.Load(), time.Now()
	b.vars, _ = c.srv.charsets.find(l.charset)
	c.conns[b] = struct{}{}
	c.mu.Unlock()
	if c.srv.cluster.View().Server.InitConnect != "" && b.resetState() != nil {
		b.retire = true // The node has run init_connect: sessions run it themselves.
	}
	c.give(b)
}

// refuse tells the first of those who wait for a conn of p why there is none.
func (c *connSet) refuse(p *connPool, err error) {
	for w := c.queue.first; w != nil; w = w.next {
		if w.key == p.key {
			c.queue.remove(w)
			w.ch <- delivery{err: err}
			return
		}
	}
}

// lastWords reads what a session has left on a conn that is to be closed, and closes it.
func (s *Server) lastWords(b *backendConn, r *rescue) {
	defer s.openers.Done()
	if b.lost.Load() || b.Idle() != nil || r.read(b) != nil {
		r.fail()
	} else {
		r.end()
	}
	b.closeQuietly()
}

// poolTick is how often idle conns are looked at.
const poolTick = time.Second

// sweepPools closes, again and again until ctx ends, the idle conns that have been idle or open for too long, and those of accounts that have changed.
func (s *Server) sweepPools(ctx context.Context) {
	ticker := time.NewTicker(poolTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.tick.Add(1)
		accounts := s.accounts.Snapshot()
		for _, set := range s.conns.all() {
			set.sweep(accounts)
		}
	}
}

// sweep closes what is too old, or whose account is another than it was.
func (c *connSet) sweep(accounts *cluster.AccountSet) {
	conf := &c.srv.config().Pool
	idleTime := conf.IdleTime
	if wait := c.srv.cluster.View().Server.WaitTimeout; wait > 0 {
		idleTime = min(idleTime, wait/2)
	}
	tick := c.srv.tick.Load()
	idle := int64(idleTime / poolTick)
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, p := range c.pools {
		if !p.stale && !accounts.Has(key.account.user, key.account.host, key.account.fingerprint) {
			p.stale = true
		}
		for _, l := range p.lists() {
			for b := l.first; b != nil; {
				next := b.next
				tooOld := c.tooOld(b) || b.lost.Load()
				if p.stale || tooOld || tick-b.idleSince > idle && p.open > conf.MinIdle {
					c.discard(b)
				}
				b = next
			}
		}
		if p.open == 0 && (p.stale || tick-p.used > idle) {
			delete(c.pools, key)
		}
	}
}
