package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// connSet is the backend conns that are open to one node, so that they can be counted, and closed when the node is lost. Safe for use by many goroutines.
type connSet struct {
	mu       sync.Mutex
	conns    map[*backendConn]struct{}
	commands atomic.Uint64 // Sent to the node so far.
	applied  atomic.Uint64 // The number of an acknowledged write up to which the node has applied all.
}

func (c *connSet) add(b *backendConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[b] = struct{}{}
}

func (c *connSet) remove(b *backendConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, b)
}

func (c *connSet) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns)
}

// cut closes every conn of the set; the sessions that use them see a lost connection.
func (c *connSet) cut() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		b.lost.Store(true)
		_ = b.Close()
	}
	return len(c.conns)
}

// runState says whether what runs on a conn may be run elsewhere instead, as long as nothing of its answer has been forwarded.
type runState = uint32

const (
	runStays   runState = iota
	runMovable          // If the node is lost or hangs.
	runWaits            // Also if the node stops applying: it may be waiting for that.
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

// move cuts the conns whose runs are at least as movable as least says; their sessions run them again elsewhere.
func (c *connSet) move(least runState) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		if run := b.run.Load(); run >= least && run != runMoved && b.run.CompareAndSwap(run, runMoved) {
			b.lost.Store(true)
			_ = b.Close()
			n++
		}
	}
	return n
}

// connSets keeps a connSet per node.
type connSets struct {
	mu   sync.Mutex
	sets map[*balancer.Backend]*connSet
}

func (c *connSets) of(node *cluster.Node) *connSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sets[node.Backend]
	if set == nil {
		set = &connSet{conns: map[*backendConn]struct{}{}}
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
			set.cut()
			delete(c.sets, backend)
		}
	}
}

// addStatement notes under which id the node knows a client's prepared statement.
func (b *backendConn) addStatement(client, id uint32) *backendStmt {
	if b.stmts == nil {
		b.stmts = map[uint32]*backendStmt{}
	}
	st := &backendStmt{id: id}
	b.stmts[client] = st
	return st
}

// drop closes b and forgets it.
func (s *session) drop(b *backendConn) {
	if b == nil {
		return
	}
	_ = b.Close()
	b.Discard(len(b.Window()))
	b.Release()
	b.set.remove(b)
	if s.last == b {
		s.lostTies |= tieLast
	}
	for _, slot := range []**backendConn{&s.writer, &s.reader, &s.trx, &s.last} {
		if *slot == b {
			*slot = nil
		}
	}
	if b.isWriter {
		s.lostTies |= s.ties
		s.ties = 0
	}
	s.shown.writer.CompareAndSwap(b, nil)
	s.shown.reader.CompareAndSwap(b, nil)
}

// wait is how long a session still waits for a node, from the first time that it has to.
type wait struct {
	until time.Time
	began time.Time
	tries int // Runs of the command so far.
}

// conn gives the backend conn on which a command for t is to run, opening it if need be. It waits for a usable node up to wait_for_node.
// Its error is a *wire.ServerError for the client, or an *errSession.
func (s *session) conn(t target, w *wait) (*backendConn, error) {
	switch {
	case t == toTransaction && s.trx != nil:
		return s.trx, nil
	case t == toLast && s.last != nil && s.stillGood(s.last):
		return s.last, nil
	case t == toTransaction, t == toLast:
		t = toWriter
	}
	for {
		view := s.srv.cluster.View()
		b, err := s.connIn(view, t)
		if err != nil && (t == toReader || t == toNode) && isRefusal(err) {
			t = toWriter // A schema, an account or a right may be too new for the reader.
			continue
		}
		if b != nil || err != nil {
			return b, err
		}
		changed := s.srv.cluster.Changed()
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
		if s.reader != nil && s.readerView == view && !s.reader.lost.Load() {
			return s.reader, nil
		}
		return s.readerIn(view)
	}
	if on := s.pinnedOn; s.state.pins != 0 && on != nil {
		if on.lost.Load() || on != s.writer && on != s.reader {
			return nil, s.lostState(on)
		}
		return on, nil
	}
	if s.writer != nil && s.writer.lost.Load() {
		s.drop(s.writer)
	}
	node := view.WriterNode()
	if node == nil {
		return nil, nil
	}
	if s.writer != nil {
		if s.writer.node.Backend == node.Backend || s.writer.cursors > 0 {
			return s.writer, nil
		}
		s.drop(s.writer)
	}
	b, err := s.open(node, trackEverything)
	if b != nil {
		s.writer, b.isWriter = b, true
		s.shown.writer.Store(b)
	}
	return b, err
}

// readerIn gives the session's conn to a reader, and moves it where its node is no longer one or has far more to do than another.
func (s *session) readerIn(view *cluster.View) (*backendConn, error) {
	node := s.srv.pickReader(view)
	if node == nil {
		return nil, nil
	}
	if s.reader != nil && !s.reader.lost.Load() && (s.reader.cursors > 0 || !s.srv.muchBetter(view, node, s.reader)) {
		s.readerView = view
		return s.reader, nil
	}
	return s.readerOn(view, node)
}

// readerOn gives the session's conn for reads on node.
func (s *session) readerOn(view *cluster.View, node *cluster.Node) (*backendConn, error) {
	if s.reader != nil {
		if !s.reader.lost.Load() && (s.reader.node.Backend == node.Backend || s.reader.cursors > 0) {
			s.readerView = view
			return s.reader, nil
		}
		s.drop(s.reader)
	}
	if w := view.WriterNode(); w != nil && w.Backend == node.Backend {
		return s.connIn(view, toWriter) // The writer is alone, or takes reads too: one conn serves both.
	}
	setup := trackEverything
	if mariaDB(&node.Status.Server) {
		setup += onlyReads
	}
	b, err := s.open(node, setup)
	if b == nil {
		return nil, err
	}
	s.reader, s.readerView = b, view
	s.shown.reader.Store(b)
	return b, nil
}

// pickReader gives the node with the least to do for its weight and share among those that are good for reads. Besides the load it counts galley's backend conns there, so
// that sessions which open theirs at the same time spread.
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
	return (1 + node.Backend.Load() + float64(s.conns.of(node).len())) / capacity
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

// stillGood says whether a conn may be used on: its node has not been lost.
func (s *session) stillGood(b *backendConn) bool { return !b.lost.Load() }

// open connects to node. Neither conn nor error means that the node could not be reached and another view is to be waited for.
func (s *session) open(node *cluster.Node, setup string) (*backendConn, error) {
	l := s.login
	l.schema, l.setup = s.state.schema, setup
	b, err := s.srv.dialBackend(s.ctx, node, &l)
	if err == nil {
		b.set = s.srv.conns.of(node)
		b.set.add(b)
		b.synced = s.loginVersion
		return b, nil
	}
	s.srv.metrics.dialErrors.Add(1)
	if _, ok := errors.AsType[*dialError](err); ok {
		s.srv.log.Debug("cannot open a backend conn", "session", s.id, "node", node.Addr, "error", err)
		s.srv.trouble(node)
		return nil, nil
	}
	var refused *wire.ServerError
	if errors.As(err, &refused) && (refused.Code == codeUnknownCommand || refused.Code == codeTooManyConnections || refused.Code == codeServerShutdown) {
		s.srv.trouble(node)
		return nil, nil
	}
	if errors.As(err, &refused) && refused.Code == codeAccessDenied {
		s.srv.accountsChanged()
	}
	s.srv.log.Info("a node refused a login", "session", s.id, "user", s.login.user, "node", node.Addr, "error", err)
	return nil, clientError(err, "a node refused the login")
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
