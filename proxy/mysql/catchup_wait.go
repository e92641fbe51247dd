package mysql

import (
	"context"
	"errors"
	"sync"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// A node is waited for over a conn of galley's own, one for each node, on which all statements that must wait at that moment wait together: when it has answered a SELECT under
// wsrep_sync_wait, the node has applied everything that the cluster had committed when the SELECT began, whoever reads there next.
//
// Sessions' own conns cannot wait: after COM_RESET_CONNECTION wsrep_sync_wait does nothing any more (measured on 10.11.19, SHOW STATUS LIKE 'wsrep_causal_reads'; the server's
// THD::init clears wsrep_client_thread, which only a login sets).

const (
	// waitSetup makes every kind of statement wait (MariaDB KB, "wsrep_sync_wait": 15 is reads, updates and deletes, inserts, SHOW).
	waitSetup = "SET SESSION wsrep_sync_wait=15"
	// waitQuery is what waits.
	waitQuery = "SELECT 'galley: applied'"
	// waitLimit bounds one wait: longer than the provider's own limit, repl.causal_read_timeout, whose default is 30 s.
	waitLimit = 35 * time.Second
	// waitIdle is how long the conn may be unused before it is looked at.
	waitIdle = 100 * time.Millisecond
)

// errNotApplied says that a node did not apply in time what was committed.
var errNotApplied = errors.New("the node is too far behind")

// errElsewhere says that a statement that waits is to look for another node.
var errElsewhere = errors.New("the node takes no reads any more")

// applying is the waiting for one node.
type applying struct {
	mu      sync.Mutex
	next    *waitBatch // The one that begins when the present one has ended.
	running bool
	side    *backendConn // Owned by the goroutine of run, closed by others.
	usedAt  time.Time
}

// waitBatch is the statements that wait together.
type waitBatch struct {
	done chan struct{}
	err  error
}

// await waits until the set's node has applied everything acknowledged before now. moved tells when the view has no use for the node.
func (c *connSet) waitApplied(ctx context.Context, node *cluster.Node, usable func() bool) error {
	a := &c.applying
	a.mu.Lock()
	if a.next == nil {
		a.next = &waitBatch{done: make(chan struct{})}
	}
	batch := a.next
	if !a.running {
		a.running = true
		c.srv.openers.Add(1)
		go c.runWaits(node)
	}
	a.mu.Unlock()
	c.waits.Add(1)
	for {
		changed := c.srv.cluster.Changed()
		if !usable() {
			return errElsewhere
		}
		select {
		case <-batch.done:
			return batch.err
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// runWaits runs batches until there is none.
func (c *connSet) runWaits(node *cluster.Node) {
	defer c.srv.openers.Done()
	a := &c.applying
	for {
		a.mu.Lock()
		batch := a.next
		a.next = nil
		if a.running = batch != nil; batch == nil {
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		upTo := c.srv.causal.need(node.Backend)
		if batch.err = c.waitOnce(node); batch.err == nil {
			raise(&c.applied, upTo)
		}
		close(batch.done)
	}
}

// waitOnce has the node wait. A conn that broke while it was idle is replaced.
func (c *connSet) waitOnce(node *cluster.Node) error {
	for {
		b, fresh, err := c.sideConn(node)
		if err != nil {
			return err
		}
		_ = b.SetDeadline(time.Now().Add(waitLimit))
		_, err = b.row(waitQuery)
		if err == nil {
			c.applying.usedAt = time.Now()
			return nil
		}
		if refused, ok := errors.AsType[*wire.ServerError](err); ok && refused.Code == codeLockWaitTimeout {
			return errNotApplied
		}
		c.closeSide(b)
		if fresh {
			return &dialError{addr: node.Addr, err: err}
		}
	}
}

// sideConn gives the conn on which galley waits, opening it if need be.
func (c *connSet) sideConn(node *cluster.Node) (b *backendConn, fresh bool, err error) {
	a := &c.applying
	a.mu.Lock()
	b = a.side
	a.mu.Unlock()
	if b != nil {
		if !b.lost.Load() && (time.Since(a.usedAt) < waitIdle || b.Idle() == nil) {
			return b, false, nil
		}
		c.closeSide(b)
	}
	l := c.srv.own
	l.setup = waitSetup
	if b, err = c.srv.dialBackend(c.srv.life, node, &l); err != nil {
		return nil, true, err
	}
	a.mu.Lock()
	a.side = b
	a.mu.Unlock()
	return b, true, nil
}

func (c *connSet) closeSide(b *backendConn) {
	a := &c.applying
	a.mu.Lock()
	if a.side == b {
		a.side = nil
	}
	a.mu.Unlock()
	_ = b.Close()
}

// cutWait ends a wait under way: its node is lost.
func (c *connSet) cutWait() {
	c.applying.mu.Lock()
	defer c.applying.mu.Unlock()
	if b := c.applying.side; b != nil {
		b.lost.Store(true)
		_ = b.Close()
	}
}
