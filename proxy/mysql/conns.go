package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"galley/balancer"
	"galley/cluster"
)

// runState says whether what runs on a conn may be run elsewhere instead, as long as nothing of its answer has been forwarded.
type runState = uint32

const (
	runStays   runState = iota
	runMovable          // If the node is lost or hangs.
	runInTrx            // With its transaction, if the node hangs and another one is the writer: see hung.go.
	runMoved            // It is being moved: the conn is closed.
)

// settle says that it may not be moved any more; it is false where it has been.
func (b *backendConn) settle() bool {
	for {
		run := b.run.Load()
		if run == runStays || run == runMoved || b.run.CompareAndSwap(run, runStays) {
			return run != runMoved
		}
	}
}

// move cuts the conns whose runs are as kind says and so may be moved; their sessions run them again elsewhere.
func (c *connSet) move(kind runState) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		if b.run.CompareAndSwap(kind, runMoved) {
			b.lost.Store(true)
			_ = b.Close()
			n++
		}
	}
	return n
}

// connSets keeps a connSet per node.
type connSets struct {
	srv  *Server
	mu   sync.Mutex
	sets map[*balancer.Backend]*connSet
}

// all lists the sets.
func (c *connSets) all() []*connSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.sets))
}

// end closes all conns.
func (c *connSets) end() {
	for _, set := range c.all() {
		set.end()
	}
}

func (c *connSets) of(node *cluster.Node) *connSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sets[node.Backend]
	if set == nil {
		set = newConnSet(c.srv, node.Backend)
		c.sets[node.Backend] = set
	}
	return set
}

// forget cuts and drops the sets of nodes that the view no longer has.
func (c *connSets) forget(view *cluster.View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for backend, set := range c.sets {
		if !slices.ContainsFunc(view.Nodes, func(n cluster.Node) bool { return n.Backend == backend }) {
			set.end()
			delete(c.sets, backend)
		}
	}
}

// wait is how long a session still waits for a node, from the first time that it has to.
type wait struct {
	until time.Time
	began time.Time
	tries int       // Runs of the command so far.
	x     *exchange // What waits; nil for something of galley's own.
	place uint64    // Its number in the line of those who wait for a node; 0 for none yet.
}

// left is how much of the time that the session may wait is left, from the first time that it has to.
func (w *wait) left(limit time.Duration) time.Duration {
	now := time.Now()
	if w.began.IsZero() {
		w.began, w.until = now, now.Add(limit)
	}
	return w.until.Sub(now)
}

// conn gives the backend conn on which a command for t is to run; it is the session's then. It waits for a usable node up to wait_for_node.
// Its error is a *wire.ServerError for the client, or an *errSession.
func (s *session) conn(t target, w *wait) (*backendConn, error) {
	switch {
	case t == toTransaction && s.trx != nil:
		if s.trx.dirty {
			return s.trx, s.inDegraded(s.srv.cluster.View(), w)
		}
		return s.trx, nil
	case t == toLast && s.last != nil && s.holds(s.last) && s.suits(s.last):
		return s.last, nil
	case t == toTransaction, t == toLast:
		t = toWriter
	}
	for {
		changed := s.srv.cluster.Changed()
		view := s.srv.cluster.View()
		if err := s.inDegraded(view, w); err != nil {
			return nil, err
		}
		b, err := s.connIn(view, t)
		if err != nil && (t == toReader || t == toNode) && isRefusal(err) && !isFull(err) {
			t = toWriter // A schema, an account or a right may be too new for the reader.
			continue
		}
		if b != nil || err != nil {
			s.stepOut()
			return b, err
		}
		if view != s.srv.cluster.View() {
			continue
		}
		if err := s.waitForNode(view, changed, t, w); err != nil {
			return nil, err
		}
	}
}

// connIn gives the conn for t as the view has it; neither conn nor error where there is no node or it could not be reached.
func (s *session) connIn(view *cluster.View, t target) (*backendConn, error) {
	if t == toNode {
		if node := view.Node(s.hintNode); node != nil && node.ReadGrade != cluster.Never {
			return s.readerOn(view, node)
		}
		t = toReader
	}
	r := s.reader.holding()
	free := r == nil || !s.bound(r)
	if w := s.writer.holding(); t == toReader && free && w != nil && s.bound(w) {
		t = toWriter // Who holds a conn to the writer and waits for one to a reader would wait for ever, where those who hold these wait for the writer.
	}
	if t == toReader {
		return s.readerIn(view)
	}
	if on := s.pinnedOn; s.state.pins != 0 && on != nil {
		if !s.holds(on) {
			return nil, s.lostState(on)
		}
		return on, nil
	}
	node := view.WriterNode()
	switch {
	case view.Degraded:
		return s.dirtyIn(view)
	case node == nil:
		return nil, nil
	}
	if b := s.writer.conn; b != nil {
		if b.node.Backend == node.Backend || s.writer.held && s.bound(b) {
			if s.retakeFitting(&s.writer) {
				return b, nil
			}
		}
		s.leaveSlot(&s.writer)
	}
	if r != nil && free {
		s.letGo() // Nor is one to a reader kept from others for the time of the wait.
	}
	b, err := s.acquire(view, node, false)
	if b != nil {
		s.writer.fill(b)
	}
	return b, err
}

// leaveSlot empties sl. What the session has left on its conn is read first where the conn is still good.
func (s *session) leaveSlot(sl *slot) {
	b := sl.conn
	if b == nil || !s.retake(sl) {
		if sl.held {
			s.drop(b) // Lost.
		}
		*sl = slot{}
		return
	}
	if b.own != 0 {
		r := newRescue(b, b.own)
		if b.Idle() == nil && r.read(b) == nil {
			r.end()
		} else {
			r.fail()
			b.retire = true
		}
		s.takeBack(r)
		b.own = 0
	}
	if s.last == b {
		s.last = nil
	}
	*sl = slot{}
	b.Release()
	b.set.give(b)
}

// movingOften is how many statements run on the node that a session reads from before another is considered.
const movingOften = 64

// readerIn gives a conn to a reader: to the one that the session read from before, where that is good, and not much busier than another.
func (s *session) readerIn(view *cluster.View) (*backendConn, error) {
	b := s.reader.conn
	if b != nil && (s.readerView == view && s.reads%movingOften != 0 || s.reader.held && s.bound(b)) && s.retakeFitting(&s.reader) {
		return b, nil
	}
	node := s.srv.pickReader(view)
	if node == nil {
		return nil, nil
	}
	if b = s.reader.conn; b != nil && !s.srv.muchBetter(view, node, b) {
		if s.retakeFitting(&s.reader) {
			s.readerView = view
			return b, nil
		}
	}
	return s.readerOn(view, node)
}

// readerOn gives a conn for reads on node.
func (s *session) readerOn(view *cluster.View, node *cluster.Node) (*backendConn, error) {
	if b := s.reader.conn; b != nil {
		if (b.node.Backend == node.Backend || s.reader.held && s.bound(b)) && s.retakeFitting(&s.reader) {
			s.readerView = view
			return b, nil
		}
		s.leaveSlot(&s.reader)
	}
	if w := view.WriterNode(); w != nil && w.Backend == node.Backend {
		return s.connIn(view, toWriter) // The writer is alone, or takes reads too: one conn serves both.
	}
	b, err := s.acquire(view, node, mariaDB(&node.Status.Server))
	if b != nil {
		s.reader.fill(b)
		s.readerView = view
	}
	return b, err
}

// pickReader gives the node with the least to do for its weight and share among those that are good for reads. Besides the load it counts the sessions that wait for a conn there.
func (s *Server) pickReader(view *cluster.View) *cluster.Node {
	var best *cluster.Node
	var least float64
	n := len(view.Readers)
	turn := int(s.picks.Add(1) % 1024)
	for i := range n {
		node := &view.Nodes[view.Readers[(turn+i)%n]] // Of equals the first in turn is taken.
		if score := s.readScore(node); best == nil || score < least {
			best, least = node, score
		}
	}
	return best
}

func (s *Server) readScore(node *cluster.Node) float64 {
	capacity := float64(node.Backend.Weight()) * node.Backend.Share()
	if capacity <= 0 {
		capacity = 1e-6
	}
	return (1 + node.Backend.Load() + float64(s.conns.of(node).waiting())) / capacity
}

// moveFactor is how many times the work of the best node a session's reader must have before the session moves: a new conn costs the node as much as some fifteen reads.
const moveFactor = 2.5

// muchBetter says whether a session should leave its reader for node.
func (s *Server) muchBetter(view *cluster.View, node *cluster.Node, b *backendConn) bool {
	for _, i := range view.Readers {
		if mine := &view.Nodes[i]; mine.Backend == b.node.Backend {
			return s.readScore(mine) > moveFactor*s.readScore(node)
		}
	}
	return true // No longer a reader.
}

// probePause is how long to wait for a new view where the view has a node but it could not be reached: the probe that follows tells.
const probePause = 100 * time.Millisecond

// waitForNode waits for another view, or a little while where the view has a node that could not be reached.
func (s *session) waitForNode(view *cluster.View, changed <-chan struct{}, t target, w *wait) error {
	now := time.Now()
	if w.began.IsZero() || t != toReader && view.WriterReason == cluster.LeaseStalled { // The node would have the statement wait as well.
		w.began, w.until = now, now.Add(s.srv.config().WaitForNode)
	}
	left := w.until.Sub(now)
	if left <= 0 {
		s.stepOut()
		role, why := "statement", view.WriterReason.String()
		if t == toReader {
			role, why = "read", "no synced node"
		}
		return noNodeError(role, why, now.Sub(w.began))
	}
	stopping := s.srv.stopping.Done()
	switch {
	case (t == toReader && len(view.Readers) > 0) || (t != toReader && view.Writer >= 0):
		left, stopping = min(left, probePause), nil
	case s.log != nil && len(s.log.steps) > 0:
		stopping = nil // Its transaction may end within the grace time.
	}
	if err := s.stand(t, w); err != nil {
		return err
	}
	s.takeHalts()
	s.srv.metrics.waiting.Add(1)
	s.shown.waiting.Store(true)
	defer func() {
		s.shown.waiting.Store(false)
		s.srv.metrics.waiting.Add(-1)
	}()
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-s.spot.out:
		return s.tooMany(w)
	case <-s.halt:
		return errHalted()
	case <-stopping:
		return errStopping()
	case <-s.ctx.Done():
		return endSession(closeShutdown, context.Cause(s.ctx))
	}
	if err := s.giveWay(t, w); err != nil {
		return err
	}
	return s.awaitTurn(t)
}

// lostState ends a session whose state was on a conn that is gone.
func (s *session) lostState(b *backendConn) error {
	_ = s.writeError(lostError(b.node.Addr))
	return endSession(closeNodeLost, fmt.Errorf("%w: node %s, %s", errLostState, b.node.Addr, s.state.pins))
}
