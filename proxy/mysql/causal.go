package mysql

import (
	"sync"
	"sync/atomic"

	"galley/balancer"
	"galley/config"
)

// causal sees to it that no statement sees data older than what galley has acknowledged before it began, whoever wrote it.
//
// Every acknowledged write gets a number. A node that is known to have applied all up to a number needs no waiting up to there; on any other the statement runs with wsrep_sync_wait,
// which waits until the node has applied what the cluster had committed when the statement began. All numbers since the node's turn as the writer began are its own: it has those.
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

// raiseWait makes every kind of statement wait (MariaDB KB, "wsrep_sync_wait": 15 is reads, updates and deletes, inserts, SHOW).
const raiseWait = "wsrep_sync_wait=15"

// waitFor gives the number that b's node must be known to have applied for x to run there without waiting; 0 where it has.
func (s *session) waitFor(b *backendConn, x *exchange) uint64 {
	if x.noData || s.trx == b || !s.srv.causalReads() {
		return 0
	}
	if need := s.srv.causal.need(b.node.Backend); b.set.applied.Load() < need {
		return need
	}
	return 0
}

// lowerWait takes back what raiseWait did: to the client's own setting, if it has one.
func (s *session) lowerWait(b []byte) []byte {
	b = append(b, "wsrep_sync_wait="...)
	if own, ok := s.state.value("wsrep_sync_wait"); ok {
		return append(b, own...)
	}
	return append(b, "DEFAULT"...)
}

// causalReads says whether reads must see all acknowledged writes.
func (s *Server) causalReads() bool { return s.config().Consistency != config.Eventual }
