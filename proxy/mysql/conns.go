package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// runState says whether what runs on a conn may be run elsewhere instead, as long as nothing of its answer has been forwarded.
type runState = uint32

const (
	runStays   runState = iota
	runMovable          // If the node is lost or hangs.
	runMoved            // It is being moved: the conn is closed.
)

// offer says that what runs next on b may be moved.
func (b *backendConn) offer() { b.run.Store(runMovable) }

// settle says that it may not be moved any more; it is false where it has been.
func (b *backendConn) settle() bool {
	for {
		run := b.run.Load()
		if run == runStays || run == runMoved || b.run.CompareAndSwap(run, runStays) {
			return run != runMoved
		}
	}
}

// move cuts the conns whose runs may be moved; their sessions run them again elsewhere.
func (c *connSet) move() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		if b.run.CompareAndSwap(runMovable, runMoved) {
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
		set = newConnSet(c.srv)
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

// slot is one of a session's two places for a conn: the one to the writer, the one for reads.
type slot struct {
	conn *backendConn // The one used last; nil if there is none.
	held bool         // It is the session's now. Else it is idle, and may have gone to another session.
	made ties         // What the session has left there.
}

// slots are the session's places.
func (s *session) slots() [2]*slot { return [2]*slot{&s.writer, &s.reader} }

// holding is the conn that the session has now, or nil.
func (sl *slot) holding() *backendConn {
	if sl.held {
		return sl.conn
	}
	return nil
}

// slotOf is where the session holds b, or nil.
func (s *session) slotOf(b *backendConn) *slot {
	for _, sl := range s.slots() {
		if sl.held && sl.conn == b {
			return sl
		}
	}
	return nil
}

// holds says whether b is the session's now and can be used.
func (s *session) holds(b *backendConn) bool {
	return b != nil && s.slotOf(b) != nil && !b.lost.Load()
}

// retake takes sl's conn again, if no other session has it.
func (s *session) retake(sl *slot) bool {
	if sl.conn == nil {
		return false
	}
	if sl.held {
		return !sl.conn.lost.Load()
	}
	if sl.held = sl.conn.set.takeOwn(s, sl.conn); !sl.held {
		*sl = slot{}
	}
	return sl.held
}

// bringTies reads what x may ask for, or add to, from the conn of the other slot than b's.
func (s *session) bringTies(b *backendConn, x *exchange) {
	for _, sl := range s.slots() {
		if sl.conn != nil && sl.conn != b && sl.made&(x.sees|x.leaves)&^tieLast != 0 && !s.bound(sl.conn) {
			s.leaveSlot(sl)
			s.collect() // Where another session has it already.
		}
	}
}

// fill puts into sl the conn that the session has got.
func (sl *slot) fill(b *backendConn) { *sl = slot{conn: b, held: true} }

// drop closes b and forgets it.
func (s *session) drop(b *backendConn) {
	if b == nil {
		return
	}
	b.lost.Store(true)
	_ = b.Close()
	b.Discard(len(b.Window()))
	b.Release()
	b.endRescue()
	b.set.remove(b)
	if s.last == b {
		if s.last = nil; !s.after.known {
			s.lostTies |= tieLast
		}
	}
	s.lostTies |= b.own & (tieVariables | tieInsertID)
	for _, sl := range s.slots() {
		if sl.conn == b {
			*sl = slot{}
		}
	}
	if s.trx == b {
		s.trx = nil
	}
}

// bound says whether the session cannot go on elsewhere than on b.
func (s *session) bound(b *backendConn) bool {
	return s.trx == b || s.state.pins != 0 && s.pinnedOn == b || b.cursors > 0 || b.longs > 0
}

// letGo gives back the conns that the session does not need until its next command.
func (s *session) letGo() {
	for _, sl := range s.slots() {
		if sl.held && s.multiplex && !s.bound(sl.conn) {
			sl.held = false
			sl.conn.Release()
			sl.conn.set.give(sl.conn)
		}
	}
}

// letAllGo gives back all conns for good: what was under way on them is undone first.
func (s *session) letAllGo() {
	for _, sl := range s.slots() {
		b := sl.conn
		if !sl.held {
			*sl = slot{}
			continue
		}
		if s.bound(b) && !b.lost.Load() {
			const resettable = pinTempTable | pinLockedTables | pinUserLock | pinHandler | pinTransaction | pinVariable | pinTextPrepared
			if b.cursors > 0 || s.state.pins&^resettable != 0 || b.resetState() != nil {
				b.retire = true
			}
		}
		*sl = slot{}
		b.Release()
		b.set.give(b)
	}
	s.trx, s.last, s.pinnedOn = nil, nil, nil
	s.epoch.Add(1)
}

// wait is how long a session still waits for a node, from the first time that it has to.
type wait struct {
	until time.Time
	began time.Time
	tries int // Runs of the command so far.
}

// conn gives the backend conn on which a command for t is to run; it is the session's then. It waits for a usable node up to wait_for_node.
// Its error is a *wire.ServerError for the client, or an *errSession.
func (s *session) conn(t target, w *wait) (*backendConn, error) {
	switch {
	case t == toTransaction && s.trx != nil:
		return s.trx, nil
	case t == toLast && s.last != nil && s.holds(s.last):
		return s.last, nil
	case t == toTransaction, t == toLast:
		t = toWriter
	}
	for {
		changed := s.srv.cluster.Changed()
		view := s.srv.cluster.View()
		b, err := s.connIn(view, t)
		if err != nil && (t == toReader || t == toNode) && isRefusal(err) && !isFull(err) {
			t = toWriter // A schema, an account or a right may be too new for the reader.
			continue
		}
		if b != nil || err != nil {
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
	if node == nil {
		return nil, nil
	}
	if b := s.writer.conn; b != nil {
		if b.node.Backend == node.Backend || s.writer.held && s.bound(b) {
			if s.retake(&s.writer) {
				return b, nil
			}
		}
		s.leaveSlot(&s.writer)
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
	if b != nil && (s.readerView == view && s.reads%movingOften != 0 || s.reader.held && s.bound(b)) && s.retake(&s.reader) {
		return b, nil
	}
	node := s.srv.pickReader(view)
	if node == nil {
		return nil, nil
	}
	if b = s.reader.conn; b != nil && !s.srv.muchBetter(view, node, b) {
		if s.retake(&s.reader) {
			s.readerView = view
			return b, nil
		}
	}
	return s.readerOn(view, node)
}

// readerOn gives a conn for reads on node.
func (s *session) readerOn(view *cluster.View, node *cluster.Node) (*backendConn, error) {
	if b := s.reader.conn; b != nil {
		if (b.node.Backend == node.Backend || s.reader.held && s.bound(b)) && s.retake(&s.reader) {
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

// acquire gets a conn to node for the session, waiting for one if need be. Neither conn nor error means that the node could not be reached and another view is to be waited for.
func (s *session) acquire(view *cluster.View, node *cluster.Node, reads bool) (*backendConn, error) {
	set := s.srv.conns.of(node)
	w := &s.waiter
	if w.ch == nil {
		w.ch = make(chan delivery, 1)
	}
	w.session, w.node, w.login = s, node, &s.login
	w.key = poolKey{user: s.login.user, account: s.login.account, caps: s.login.caps, reads: reads, bare: s.state.schema == "", client: s.login.client}
	for {
		b, room := set.take(w)
		if !room {
			return nil, s.srv.full(set, w)
		}
		if b == nil {
			var err error
			if b, err = s.await(view, set, w); b == nil {
				return nil, s.unopened(node, err)
			}
		}
		if b.idleSince != s.srv.tick.Load() && b.Idle() != nil {
			s.drop(b) // The node has closed it meanwhile; there may be more of them.
			continue
		}
		if b.rescue != nil {
			s.save(b)
		}
		s.collect() // What was left on the conn before this one comes first.
		if b.lost.Load() {
			s.drop(b)
			continue
		}
		if s.last == b {
			s.last = nil // Others have used it since.
		}
		return b, nil
	}
}

// save reads what another session has left on b.
func (s *session) save(b *backendConn) {
	if err := b.rescue.read(b); err != nil {
		b.endRescue()
		b.foreign |= tieVariables | tieInsertID
		if !isRefusal(err) {
			b.lost.Store(true)
		}
		return
	}
	b.rescue.end()
	b.rescue = nil
}

// await waits in set's queue.
func (s *session) await(view *cluster.View, set *connSet, w *waiter) (*backendConn, error) {
	limit := s.srv.config().Pool.WaitForConnection
	s.takeHalts()
	s.shown.queued.Store(true)
	defer s.shown.queued.Store(false)
	defer set.shown.queued(w)
	timer := time.NewTimer(min(growAfter, limit))
	defer timer.Stop()
	for {
		changed := s.srv.cluster.Changed()
		if now := s.srv.cluster.View(); now != view && !w.servedIn(now) {
			if d, got := set.leaveQueue(w); got {
				return d.b, d.err
			}
			return nil, nil
		}
		var end error
		select {
		case d := <-w.ch:
			return d.b, d.err
		case <-changed:
			continue
		case <-timer.C:
			if waited := time.Since(w.since); waited < limit {
				set.grow()
				timer.Reset(min(limit-waited, patience))
				continue
			}
			end = s.srv.full(set, w)
		case <-s.halt:
			end = errHalted()
		case <-s.ctx.Done():
			end = endSession(s.stopReason(), context.Cause(s.ctx))
		}
		if d, got := set.leaveQueue(w); got {
			return d.b, d.err
		}
		return nil, end
	}
}

// servedIn says whether what w waits for would go to the same node in another view.
func (w *waiter) servedIn(view *cluster.View) bool {
	if !w.key.reads {
		writer := view.WriterNode()
		return writer != nil && writer.Backend == w.node.Backend
	}
	return slices.ContainsFunc(view.Readers, func(i int) bool { return view.Nodes[i].Backend == w.node.Backend })
}

// fullError says that no conn came free.
type fullError struct{ *wire.ServerError }

func (e *fullError) Unwrap() error { return e.ServerError }

// full is the error of a session that no conn came free for.
func (s *Server) full(set *connSet, w *waiter) error {
	conns, _, waiting := set.counts()
	set.shown.timedOut()
	return &fullError{wire.NewError(codeTooManyConnections, "galley: no connection to a node came free in time (node %s: %d open of %d, %d sessions wait): see mysql.pool in galley's configuration",
		w.node.Addr, conns, s.limit(w.node), waiting)}
}

// isFull says whether an error is that of a full pool.
func isFull(err error) bool {
	_, ok := errors.AsType[*fullError](err)
	return ok
}

// unopened says what it means that a conn to node could not be opened.
func (s *session) unopened(node *cluster.Node, err error) error {
	if _, ok := errors.AsType[*errSession](err); err == nil || ok || isFull(err) {
		return err
	}
	s.srv.metrics.dialErrors.Add(1)
	if _, ok := errors.AsType[*dialError](err); ok {
		s.srv.log.Debug("cannot open a backend conn", "session", s.id, "node", node.Addr, "error", err)
		s.srv.trouble(node)
		return nil
	}
	var refused *wire.ServerError
	if errors.As(err, &refused) && (refused.Code == codeUnknownCommand || refused.Code == codeTooManyConnections || refused.Code == codeServerShutdown) {
		s.srv.trouble(node)
		return nil
	}
	if errors.As(err, &refused) && refused.Code == codeAccessDenied {
		s.srv.accountsChanged()
	}
	s.srv.log.Info("a node refused a login", "session", s.id, "user", s.login.user, "node", node.Addr, "error", err)
	return clientError(err, "a node refused the login")
}

// probePause is how long to wait for a new view where the view has a node but it could not be reached: the probe that follows tells.
const probePause = 100 * time.Millisecond

// waitForNode waits for another view, or a little while where the view has a node that could not be reached.
func (s *session) waitForNode(view *cluster.View, changed <-chan struct{}, t target, w *wait) error {
	now := time.Now()
	if w.began.IsZero() {
		w.began, w.until = now, now.Add(s.srv.config().WaitForNode)
	}
	left := w.until.Sub(now)
	if left <= 0 {
		role, why := "statement", view.WriterReason.String()
		if t == toReader {
			role, why = "read", "no synced node"
		}
		return noNodeError(role, why, now.Sub(w.began))
	}
	if (t == toReader && len(view.Readers) > 0) || (t != toReader && view.Writer >= 0) {
		left = min(left, probePause)
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
	case <-s.halt:
		return errHalted()
	case <-s.ctx.Done():
		return endSession(closeShutdown, context.Cause(s.ctx))
	}
	return nil
}

// lostState ends a session whose state was on a conn that is gone.
func (s *session) lostState(b *backendConn) error {
	_ = s.writeError(lostError(b.node.Addr))
	return endSession(closeNodeLost, fmt.Errorf("%w: node %s, %s", errLostState, b.node.Addr, s.state.pins))
}
