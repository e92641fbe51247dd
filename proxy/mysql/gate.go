package mysql

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// gate is where a switchover keeps back the transactions and writes that have not begun, so that nothing is under way on the writer when its role moves (cluster.Switcher). Behind a loss of the
// writer it keeps them back until the transactions that are run again have their locks (precede).
//
// A session says that it writes before it looks whether the gate is shut, and whoever shuts it looks for sessions that write after that: so each write is either held or seen. It says so once
// for a transaction, and no longer after its end has been answered.
type gate struct {
	mu    sync.Mutex
	by    int // Who keep it shut.
	first precedence
	shut  atomic.Pointer[shutGate]
}

// shutGate is one time that the gate is shut.
type shutGate struct{ over chan struct{} }

// set shuts or opens the gate as those who keep it shut demand. It is called with mu held.
func (g *gate) set() {
	want, is := g.by > 0 || g.first.count > 0, g.shut.Load() != nil
	switch {
	case want && !is:
		g.shut.Store(&shutGate{over: make(chan struct{})})
	case !want && is:
		close(g.shut.Swap(nil).over)
	}
}

// Hold shuts the gate until release is called; several may do so at the same time.
func (s *Server) Hold() (release func()) {
	g := &s.gate
	add := func(n int) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.by += n
		g.set()
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// pinsBusy are the pins whose sessions have begun what others may run into, or is to be ended on the same node: they are waited for like transactions.
const pinsBusy = pinLockedTables | pinGlobalLock | pinXA

// writing is what the gate knows of a session.
type writing struct {
	serial atomic.Uint64 // Of the transaction or write under way, as far as it is for the writer; 0 for none.
	end    atomic.Uint64 // The one that is to end.
}

// enterGate is called before x takes a conn for t. It waits where the gate is shut, unless x belongs to what has begun. Its error is a *wire.ServerError for the client, or an *errSession.
func (s *session) enterGate(t target, x *exchange, w *wait) error {
	now := &s.shown.writing
	if serial := now.serial.Load(); serial != 0 {
		if now.end.Load() == serial {
			return s.endTransaction(x, w)
		}
		return nil
	}
	if t == toReader || t == toNode || t == toConn || s.trx != nil && s.trx == s.reader.conn {
		return nil
	}
	return s.passGate(w)
}

// passGate waits where the gate is shut, and says that the session writes.
func (s *session) passGate(w *wait) error {
	now := &s.shown.writing
	for {
		now.serial.Store(s.shown.busy.count)
		shut := s.srv.gate.shut.Load()
		if shut == nil || s.trx != nil || s.state.pins != 0 {
			return nil
		}
		var late <-chan time.Time
		if s.srv.gate.replaysOnly() {
			left := w.left(s.srv.config().WaitForNode)
			if left <= 0 {
				return nil // It is told that there is no node.
			}
			late = time.After(left)
		}
		now.serial.Store(0)
		if err := s.waitFor(shut, late); err != nil {
			return err
		}
	}
}

// leaveGate is called when a command has its answer.
func (s *session) leaveGate() {
	if s.shown.writing.serial.Load() != 0 && (s.trx == nil || s.trx == s.reader.conn) && s.state.pins&pinsBusy == 0 {
		s.shown.writing.serial.Store(0)
	}
}

// waitFor waits until the gate is open, or late comes.
func (s *session) waitFor(shut *shutGate, late <-chan time.Time) error {
	s.takeHalts()
	s.srv.metrics.gated.Add(1)
	s.srv.metrics.waiting.Add(1)
	s.shown.waiting.Store(true)
	defer func() {
		s.shown.waiting.Store(false)
		s.srv.metrics.waiting.Add(-1)
	}()
	select {
	case <-shut.over:
		return nil
	case <-late:
		return nil
	case <-s.halt:
		return errHalted()
	case <-s.ctx.Done():
		return endSession(s.stopReason(), context.Cause(s.ctx))
	}
}

// toldError says that the client has been told, and carries what ends the session, if anything does.
type toldError struct{ end error }

func (e *toldError) Error() string { return "the client has been told" }

// endTransaction takes the session's transaction off the writer, because a switchover does not wait for it any more: it is undone on its node, and run again on the new writer with x behind it. Where that
// cannot be, it ends as by a deadlock, and x does not run. Where something else would be lost with it, and where x ends it, it goes on.
func (s *session) endTransaction(x *exchange, w *wait) error {
	if s.trx == nil || s.state.pins != 0 || x.of == classify.Rollback {
		return nil
	}
	b := s.trx
	why := s.replayable(b, x, true)
	s.trx = nil
	s.status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
	_ = b.SetDeadline(time.Now().Add(s.srv.config().ConnectTimeout)) // It may hang by now; what is not undone yet is so by the end of its conn.
	if err := b.command(wire.ComQuery, "ROLLBACK"); err != nil {
		s.srv.lost(b, err)
		s.drop(b)
	} else {
		_ = b.SetDeadline(time.Time{})
	}
	s.showHold()
	if why != hinderedNot {
		s.srv.metrics.refused[why].Add(1)
		s.endLog()
		return wire.NewError(codeDeadlock, "Deadlock found when trying to get lock; try restarting transaction (galley: another node has become the writer, and the transaction cannot be run again there)")
	}
	if err := s.passGate(w); err != nil {
		if _, over := errors.AsType[*errSession](err); over {
			return err
		}
		return &toldError{s.rolledBack()} // Its wait was killed: there is no transaction any more in which the client could go on.
	}
	s.log.forgetReads(x)
	if again, end := s.resumeFirst(x, w); !again {
		return &toldError{end}
	}
	return nil
}

// Writing implements cluster.Door.
func (s *Server) Writing() cluster.Writing {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all cluster.Writing
	now := time.Now()
	for _, c := range s.sessions {
		serial, held, inTrans := c.shown.writing.serial.Load(), pins(c.shown.pins.Load()), c.shown.inTrans.Load()
		switch {
		case held != 0 && held&pinsBusy == 0 && !inTrans:
			all.Pinned++
		case serial != 0:
			w := cluster.WritingSession{ID: c.id, Serial: serial, User: c.userName(), Client: c.shown.addr, Doing: "running", For: c.since(now)}
			if !c.shown.busy.busy() {
				w.Doing = "in transaction"
			}
			all.Sessions = append(all.Sessions, w)
		}
	}
	return all
}

// EndTransactions implements cluster.Door.
func (s *Server) EndTransactions(of []cluster.WritingSession) {
	for _, w := range of {
		if c := s.session(uint64(w.ID)); c != nil {
			c.shown.writing.end.Store(w.Serial)
		}
	}
}
