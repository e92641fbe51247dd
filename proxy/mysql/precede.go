package mysql

import (
	"context"
	"slices"
	"time"

	"galley/balancer"
	"galley/cluster"
)

// Transactions that are run again on another writer go first: what has not begun would change the rows that they have read, and they would end as deadlocks. So while some of them wait for the
// writer or run, the gate is shut, and the statement that was under way in one of them waits for all others: it may have waited for their locks.

// precedeAtMost is how long what has not begun is kept back once the first transaction is run again.
const precedeAtMost = time.Second

// precedeUnheard is how long those are waited for that have not yet found out that their conn is lost: their client may say nothing.
const precedeUnheard = 200 * time.Millisecond

// precedeOthers is how long it takes until each galley has heard of the writer and has run its transactions again, more or less.
const precedeOthers = 150 * time.Millisecond

// precedence is what the gate knows of the transactions that go first. The gate's mu guards it.
type precedence struct {
	count  int             // Those that wait for the writer, or are run again, and those unheard of.
	unsaid map[uint32]bool // The sessions that have not yet found out that their transaction is lost.
	writer *balancer.Backend
	done   chan struct{} // Closed when none is left; nil where there are none.
	late   *time.Timer   // Since the first one is run again.
}

// precede keeps back what has not begun for a session's transaction that is to be run again, until through is called. done is closed when no such transaction is left.
func (g *gate) precede(id uint32) (through func(), done <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first.unsaid[id] {
		delete(g.first.unsaid, id)
	} else {
		g.add(1)
	}
	of := g.first.done
	return func() { g.end(of, 1) }, of
}

// add has n more go first. It is called with mu held.
func (g *gate) add(n int) {
	if g.first.count += n; g.first.done == nil {
		g.first.done = make(chan struct{})
		g.set()
	}
}

// end says that n of those that done stands for are through; all, where n is -1.
func (g *gate) end(done chan struct{}, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first.done != done {
		return
	}
	if n >= 0 && g.first.count > n {
		g.first.count -= n
		return
	}
	if g.first.late != nil {
		g.first.late.Stop()
	}
	close(done)
	g.first = precedence{writer: g.first.writer}
	g.set()
}

// forgo says that a session's transaction is lost and not run again.
func (g *gate) forgo(id uint32) {
	g.mu.Lock()
	was, done := g.first.unsaid[id], g.first.done
	delete(g.first.unsaid, id)
	g.mu.Unlock()
	if was {
		g.end(done, 1)
	}
}

// expectLost has those transactions go first that are lost with a node which is gone, although their sessions are yet to find out: once for each writer.
func (s *Server) expectLost(view *cluster.View) {
	writer, g := view.WriterNode(), &s.gate
	if writer == nil {
		return
	}
	g.mu.Lock()
	was := g.first.writer
	g.first.writer = writer.Backend
	g.mu.Unlock()
	if was == writer.Backend {
		return
	}
	lost := s.lostTransactions(view)
	if was != nil && (len(lost) > 0 || view.Cut()) && s.peers() {
		g.precedePeers()
	}
	if len(lost) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(len(lost))
	if g.first.unsaid == nil {
		g.first.unsaid = map[uint32]bool{}
	}
	for _, id := range lost {
		g.first.unsaid[id] = true
	}
	time.AfterFunc(precedeUnheard, func() {
		for _, id := range lost {
			g.forgo(id)
		}
	})
}

// precedePeers keeps back what has not begun for the transactions of other galleys, which are run again at the same time.
func (g *gate) precedePeers() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(1)
	of := g.first.done
	time.AfterFunc(precedeOthers, func() { g.end(of, 1) })
}

// lostTransactions are the sessions whose transactions are on nodes that are gone, and are not yet run again.
func (s *Server) lostTransactions(view *cluster.View) (ids []uint32) {
	gone := func(n cluster.Node) bool { return n.Evicted || n.Reason == cluster.Unreachable || losesRole(view, &n) }
	if !slices.ContainsFunc(view.Nodes, gone) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.sessions {
		if node := c.shown.node.Load(); node == nil || !c.shown.inTrans.Load() || c.shown.writing.serial.Load() == 0 || c.shown.waiting.Load() {
			continue
		} else if now := view.Node(node.Addr); now != nil && gone(*now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// replaying is called when one of them is run again: from then on the others have a bounded time.
func (g *gate) replaying() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if done := g.first.done; done != nil && g.first.late == nil {
		g.first.late = time.AfterFunc(precedeAtMost, func() { g.end(done, -1) })
	}
}

// replaysOnly says whether nobody but transactions that go first keeps the gate shut.
func (g *gate) replaysOnly() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.by == 0
}

// giveWay has the session, which has waited for a writer and writes, wait for the transactions that go first, unless it runs one itself.
func (s *session) giveWay(t target, w *wait) error {
	now := &s.shown.writing
	if t != toReader && t != toNode {
		s.srv.expectLost(s.srv.cluster.View())
	}
	switch {
	case s.srv.gate.shut.Load() == nil, t == toReader || t == toNode || t == toConn, now.serial.Load() == 0:
		return nil
	case s.trx != nil || s.state.pins != 0 || s.log != nil && len(s.log.steps) > 0:
		return nil
	}
	return s.passGate(w)
}

// givesWay has the session, which has chosen a conn for what it writes and has not begun, wait for the transactions that go first, if the gate was shut meanwhile: it may have waited for the
// writer to apply. Then it is to choose anew, as others need the conn more.
func (s *session) givesWay(t target, w *wait) (gave bool, err error) {
	switch {
	case s.srv.gate.shut.Load() == nil, t == toReader || t == toNode || t == toConn, s.shown.writing.serial.Load() == 0:
		return false, nil
	case s.trx != nil || s.state.pins != 0 || s.log != nil && len(s.log.steps) > 0 || !s.srv.gate.replaysOnly():
		return false, nil
	case w.left(s.srv.config().WaitForNode) <= 0 || w.x.asks != 0: // What asks about the statement before is to run on its conn.
		return false, nil
	}
	s.yield(w)
	w.tries-- // It has not been run.
	return true, s.passGate(w)
}

// resumeFirst is resume for a transaction that is lost with its node: what has not begun is kept back meanwhile.
func (s *session) resumeFirst(x *exchange, w *wait) (again bool, end error) {
	if len(s.log.steps) == 0 || s.log.reads {
		s.srv.gate.forgo(s.id)
		return s.resume(x, w)
	}
	through, done := s.srv.gate.precede(s.id)
	again, end = s.resume(x, w)
	through()
	if s.trx == nil {
		return again, end
	}
	select {
	case <-done:
	case <-s.ctx.Done():
		return false, endSession(s.stopReason(), context.Cause(s.ctx))
	}
	return again, end
}
