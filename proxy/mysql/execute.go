package mysql

import (
	"context"
	"errors"
	"time"

	"galley/proxy/mysql/wire"
)

// attempts bounds how often a command is tried again after it was cut off: it may be what breaks the nodes. One that was refused is tried as long as there is time.
const attempts = 5

// execute runs x's command on the conn for t, on another one if it surely did not run there or may run again, and sees to it that the client has an answer.
// Its error ends the session.
func (s *session) execute(t target, x *exchange) error {
	w := wait{x: x}
	if x.forWriter {
		if again, err := s.goToWriter(x, &w); !again {
			return err
		}
	}
	return s.try(t, x, w)
}

// try is execute once the session's transaction is where x can run.
func (s *session) try(t target, x *exchange, w wait) error {
	for ; ; w.tries++ {
		if err := s.enterGate(t, x, &w); err != nil {
			if told, ok := errors.AsType[*toldError](err); ok {
				return told.end
			}
			return s.giveUp(x, err)
		}
		b, err := s.connFor(t, x, &w)
		if err != nil {
			return s.giveUp(x, err)
		}
		s.bringTies(b, x)
		s.bringAfter(b, x)
		if err := s.refuseLost(x); err != nil {
			return err
		}
		if b != s.trx && (w.tries > 0 || !x.repeatable && x.idleSince(b.usedAt) > idleCheckAfter) && b.Idle() != nil {
			b.lost.Store(true)
			if err := s.lostIdle(b); err != nil {
				return err
			}
			if t != toConn {
				w.tries-- // It has not been run.
				continue
			}
			return s.giveUp(x, lostError(b.node.Addr))
		}
		held := s.trx != nil || s.state.pins != 0 || t == toConn || x.stmt != nil && x.stmt.longOn != nil
		x.sent, x.preambleFailed, x.failed, x.warned = false, false, false, false // Of this run, and not of one before.
		if err := s.catchUpNode(b, x, t); err != nil {
			if t, err = s.notApplied(t, b, err, &w); err != nil {
				return s.giveUp(x, err)
			}
			continue
		}
		if gave, err := s.givesWay(t, &w); err != nil {
			return s.giveUp(x, err)
		} else if gave {
			continue
		}
		again, err := s.attempt(t, b, x, &w)
		if again {
			continue
		}
		if refused, ok := errors.AsType[*heldError](err); ok {
			return s.giveUp(x, refused.err)
		}
		if err == nil {
			s.ran(b, x)
			s.askBehind(b, x)
			return nil
		}
		if _, ok := errors.AsType[*conflictError](err); ok {
			if again, end := s.conflicted(b, x, &w); !again {
				return end
			}
			continue
		}
		if again, refused := s.onceMore(&t, b, x, err); refused != nil {
			return s.giveUp(x, refused)
		} else if again {
			continue
		}
		again, err = s.failed(b, x, err, held, &w)
		if !again {
			return err
		}
		s.srv.metrics.retries.Add(1)
		if t == toReader && x.preambleFailed {
			t = toWriter // What the session has set can only be had where it was set.
		}
	}
}

// onceMore says whether x is to be run again although b is as good as it was, and where: b has refused it whole.
func (s *session) onceMore(t *target, b *backendConn, x *exchange, err error) (again bool, refused *wire.ServerError) {
	if x.wouldWrite {
		*t, x.failed, x.repeatable, x.wouldWrite, x.writes, x.opaque = toWriter, false, false, false, true, true
		b.Release()
		s.srv.metrics.hidden.Add(1)
		return true, nil
	}
	if unprepared, ok := errors.AsType[*unpreparedError](err); ok {
		if *t == toReader && b != s.writer.conn {
			*t = toWriter // A reader may not have seen the table yet.
			return true, nil
		}
		return false, unprepared.ServerError
	}
	if _, ok := errors.AsType[*forgottenError](err); ok {
		delete(b.stmts, x.stmt.key)
		b.Release()
		return true, nil
	}
	return false, nil
}

// notApplied says where a command is to be tried instead of on b, whose node has not applied what it must see.
func (s *session) notApplied(t target, b *backendConn, err error, w *wait) (target, error) {
	b.set.shown.notApplied.Add(1)
	switch {
	case s.ctx.Err() != nil:
		return t, endSession(s.stopReason(), context.Cause(s.ctx))
	case errors.Is(err, errElsewhere):
		return t, nil
	case t == toReader && b != s.writer.conn:
		if !errors.Is(err, errNotApplied) {
			s.srv.trouble(b.node)
		}
		return toWriter, nil // It has all of it.
	case !s.pause(w):
		return t, wire.NewError(codeLockWaitTimeout, "galley: node %s has not yet applied what was written before; the statement was not run", b.node.Addr)
	}
	return t, nil
}

// connFor is conn, but for an exchange that can only run on one conn.
func (s *session) connFor(t target, x *exchange, w *wait) (*backendConn, error) {
	if x.stmt != nil && x.stmt.longOn != nil {
		if b := x.stmt.longOn; s.holds(b) && (s.trx == nil || s.trx == b) {
			return b, nil
		}
		// Without the long data another value would be written.
		s.dropLongData(x.stmt)
		x.stmt.lostData = x.silent
		return nil, lost(lostLongData)
	}
	if t == toConn {
		if !s.holds(x.conn) {
			return nil, lostError(x.conn.node.Addr)
		}
		return x.conn, nil
	}
	free := s.trx == nil && s.state.pins == 0
	s.schemaFree, s.choosing = free && x.schemaFree, free && x.chooses
	b, err := s.conn(t, w)
	s.schemaFree, s.choosing = false, false
	return b, err
}

// idleCheckAfter is how long a conn may have been unused before a look at its socket is worth a system call: a node that died in between is then seen before a
// statement that must not run twice is sent to it.
const idleCheckAfter = time.Millisecond

// idleSince is how long ago a conn was used when x came. Commands that are not timed look at the socket always.
func (x *exchange) idleSince(used time.Time) time.Duration {
	if x.began.IsZero() {
		return time.Hour
	}
	return x.began.Sub(used)
}

// lostIdle drops a conn that the node has closed while it was idle. If the session had state on it, the session is over.
func (s *session) lostIdle(b *backendConn) error {
	if s.trx == b || s.state.pins != 0 && b == s.pinnedOn {
		_ = s.writeError(lostError(b.node.Addr))
		s.drop(b)
		return endSession(closeNodeLost, errLostState)
	}
	s.drop(b)
	return nil
}

// ran notes the end of a command that has its answer.
func (s *session) ran(b *backendConn, x *exchange) {
	x.answered = true
	if !x.began.IsZero() {
		b.usedAt = time.Now()
	}
	if x.longData && x.stmt.longOn == nil {
		x.stmt.longOn = b
		b.longs++
	}
	if x.silent {
		return
	}
	if !x.failed {
		switch {
		case s.trx != nil && s.trx != b: // A cursor's rows, from another conn than the transaction's.
		case s.status&wire.StatusInTrans != 0:
			s.trx = b
		default:
			s.trx = nil
		}
		if x.unlocks {
			s.state.pins &^= pinLockedTables
		}
	} else if x.opaque || s.answer.Results > 0 && s.answer.Status&wire.StatusInTrans != 0 {
		s.trx = b // An ERR packet does not say whether a transaction was left open: the next OK will.
	}
	s.noteSeen(x)
	s.state.change(x.changes, x.failed)
	s.namesPrepared(x)
	s.noteAfter(b, x)
	switch {
	case s.state.pins == 0:
		s.pinnedOn = nil
	case s.pinnedOn == nil:
		s.pinnedOn = b
	}
	s.noteStep(b, x)
	s.show(b)
}

// failed sees to a command that b has failed: again says that it is to be tried once more. held says that it must not be.
func (s *session) failed(b *backendConn, x *exchange, err error, held bool, w *wait) (again bool, end error) {
	if _, ok := errors.AsType[*errSession](err); ok {
		s.drop(b)
		return false, err
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		if told := refusedDirty(b, refused.ServerError); told != nil {
			return false, s.writeError(told)
		}
		if held || !s.pause(w) {
			return false, s.writeError(refused.ServerError)
		}
		s.drop(b)
		return true, nil
	}
	if b.run.Load() == runMoved {
		w.tries-- // Galley's own doing, once for each view.
	}
	neverSent := !x.sent || b.NeverSent(err) || errors.Is(err, errLeaving)
	addr := b.node.Addr
	hadState := s.trx != nil && s.trx == b || s.state.pins != 0 && b == s.pinnedOn
	saved := s.saves(b, x, neverSent)
	if saved && errors.Is(err, errLeaving) {
		s.keepLocks(b)
		defer s.letLocksGo()
	}
	s.srv.lost(b, err)
	s.drop(b)
	if saved {
		return s.resumeFirst(x, w)
	}
	s.srv.gate.forgo(s.id)
	switch {
	case x.forwarded && !s.answer.Boundary():
		return false, endSession(closeNodeLost, err)
	case !x.forwarded && !hadState && !held && w.tries < attempts-1 && x.cmd.Whole() && (neverSent || x.repeatable || x.locking) && (w.tries <= 0 || s.pause(w)):
		return true, nil // The second time behind another view: a node that dies takes all of its idle conns with it.
	case x.silent:
		x.stmt.lostData = true // There is no answer to say it in: the execution will.
		return false, nil
	}
	if x.forwarded && !x.fromFile {
		s.client.Seq = s.answer.Seq + 1
	}
	reply := lostError(addr)
	if x.preambleFailed {
		reply = clientError(err, "the session's state could not be set on another node")
	}
	if werr := s.writeError(reply); werr != nil || !hadState {
		return false, werr
	}
	return false, endSession(closeNodeLost, errLostState)
}

// giveUp tells the client that no conn could be had.
func (s *session) giveUp(x *exchange, err error) error {
	var refused *wire.ServerError
	if !errors.As(err, &refused) {
		return err
	}
	if err := s.skipCommand(x.cmd); err != nil {
		return err
	}
	if x.silent {
		x.stmt.lostData = true
		return nil
	}
	s.srv.metrics.errors.Add(1)
	return s.writeError(refused)
}

// pause waits for another view, a little while, and says whether there is time left to try again.
func (s *session) pause(w *wait) bool {
	now := time.Now()
	if w.began.IsZero() {
		w.began, w.until = now, now.Add(s.srv.config().WaitForNode)
	}
	left := min(w.until.Sub(now), probePause)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-s.srv.cluster.Changed():
	case <-timer.C:
	case <-s.ctx.Done():
		return false
	}
	return true
}
