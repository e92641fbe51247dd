package mysql

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"galley/balancer"
	"galley/config"
)

// causal sees to it that no statement sees data older than what galley has acknowledged before it began, whoever wrote it.
//
// Every acknowledged write gets a number. A node that is known to have applied all up to a number needs no waiting up to there; on any other the statement waits until the node
// has applied what the cluster had committed when it began (connSet.waitApplied). All numbers since the node's turn as the writer began are its own: it has those.
// Safe for use by many goroutines.
type causal struct {
	mu    sync.Mutex    // Held by ack.
	acked atomic.Uint64 // The number of the last acknowledged write.
	turn  atomic.Pointer[turn]
}

// turn says that all writes acknowledged after the number before were made on node.
type turn struct {
	node   *balancer.Backend
	before uint64
}

// start makes the first number 1: what was written before galley started counts as one write, made nobody knows where.
func (c *causal) start() {
	c.acked.Store(1)
	c.turn.Store(&turn{})
}

// ack gives a write on node its number. It must come before the client is told.
func (c *causal) ack(node *balancer.Backend) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.acked.Add(1)
	if c.turn.Load().node != node {
		c.turn.Store(&turn{node: node, before: n})
	}
}

// need gives the number up to which node must be known to have applied before a statement runs there.
func (c *causal) need(node *balancer.Backend) uint64 {
	t := c.turn.Load()
	if t.node == node {
		return t.before
	}
	return c.acked.Load()
}

// raise makes a at least n.
func raise(a *atomic.Uint64, n uint64) {
	for {
		old := a.Load()
		if old >= n || a.CompareAndSwap(old, n) {
			return
		}
	}
}

// mustWait says whether b's node must wait before x may run on b: for what it is not known to have applied, or because the session asks for it by wsrep_sync_wait.
func (s *session) mustWait(b *backendConn, x *exchange) bool {
	if x.noData || s.trx == b {
		return false
	}
	if s.read().strict {
		return true
	}
	return s.srv.causalReads() && b.set.applied.Load() < s.srv.causal.need(b.node.Backend)
}

// catchUpNode waits until b's node has applied what x must see. An error of its own means that x is to run elsewhere.
func (s *session) catchUpNode(b *backendConn, x *exchange) error {
	if !s.mustWait(b, x) {
		return nil
	}
	usable := func() bool {
		view := s.srv.cluster.View()
		return b == s.writer.conn || s.bound(b) || s.hintNode != "" || slices.ContainsFunc(view.Readers, func(i int) bool { return view.Nodes[i].Backend == b.node.Backend })
	}
	began := time.Now()
	err := b.set.waitApplied(s.ctx, b.node, usable)
	b.set.waitedFor.Add(int64(time.Since(began)))
	return err
}

// causalReads says whether reads must see all acknowledged writes.
func (s *Server) causalReads() bool { return s.config().Consistency != config.Eventual }
