package mysql

import (
	"sync"
	"sync/atomic"

	"galley/balancer"
)

// causal sees to it that no statement sees data older than what galley has acknowledged before it began, whoever wrote it.
//
// Every acknowledged write gets a number. A node that is known to have applied all up to a number needs no waiting up to there; on any other the statement waits until the node
// has what the writer had committed when it began (readIndex, connSet.await). All numbers since the node's turn as the writer began are its own: it has those.
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
func (c *causal) ack(node *balancer.Backend) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.acked.Add(1)
	if c.turn.Load().node != node {
		c.turn.Store(&turn{node: node, before: n})
	}
	return n
}

// forget has every node be waited for once more, the writer too: what the nodes were known to have may be of another cluster.
func (c *causal) forget() { c.ack(nil) }

// need gives the number up to which node must be known to have applied before a statement runs there.
func (c *causal) need(node *balancer.Backend) uint64 {
	t := c.turn.Load()
	if t.node == node {
		return t.before
	}
	return c.acked.Load()
}

// covers gives the number of the last acknowledged write, and up to which number node must be known to have applied to have them all. The two belong together: an ack in between would
// count its write and not yet say that another node made it.
func (c *causal) covers(node *balancer.Backend) (upTo, need uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked.Load(), c.need(node)
}

// needOf is need for who must see no other writes than those up to the number own.
func (c *causal) needOf(node *balancer.Backend, own uint64) uint64 { return min(c.need(node), own) }

// raise makes a at least n.
func raise(a *atomic.Uint64, n uint64) {
	for {
		old := a.Load()
		if old >= n || a.CompareAndSwap(old, n) {
			return
		}
	}
}
