package mysql

import (
	"errors"
	"fmt"
	"strings"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// A transaction whose conn is lost, or that was rolled back in favour of another one, is run again from its log: on the writer as it is then, each statement at its own time and with
// the ids that it got. If all answers are the same, nobody can tell it from the first one, and the client goes on. If not, the client is told of a deadlock, as every application must
// expect one: its transaction is rolled back and the session goes on.

// Errors of a replay that are the transaction's end.
var (
	errDiverged = errors.New("an answer was not the same again")
	errOtherIDs = errors.New("the ids would not be the same again")
	errNoPermit = errors.New("no node may be written in time")
	// errLeaving stands for an ERR packet by which a node that leaves has refused a statement within a transaction, before it did anything.
	errLeaving = errors.New("the node is leaving")
)

// mayEnd says whether x may have ended its transaction, or done something outside of it, if it is not known to have run.
func (x *exchange) mayEnd() bool {
	const ends = kindSet(1<<classify.Commit | 1<<classify.Rollback | 1<<classify.Set | 1<<classify.Other)
	return x.prepared == nil && (ends.has(x.of) || x.commits || x.opaque)
}

// replayable says why the transaction on b cannot be run again, with x behind it. unrun says that x surely has not run, or is undone.
func (s *session) replayable(b *backendConn, x *exchange, unrun bool) hindrance {
	log := s.log
	switch {
	case log == nil:
		return hinderedOff
	case s.state.pins != 0:
		return hinderedPinned
	case x.forwarded || !x.cmd.Whole() || x.fromFile:
		return hinderedAnswer
	case x.silent || x.conn != nil || b.cursors > 0 || b.longs > 0:
		return hinderedCursor
	case log.refused != hinderedNot:
		return log.refused
	case log.lost == attempts:
		return hinderedError
	case log.changes != s.state.changes:
		return hinderedSettings
	case s.lostTies&tieVariables != 0 || settled(b.own)&tieUnknown != 0:
		return hinderedVariables
	case !unrun && x.mayEnd() && (log.wrote || x.of != classify.Commit):
		return hinderedCommit
	}
	return hinderedNot
}

// saves says whether the transaction on b, which is lost with x under way, is to be run again.
func (s *session) saves(b *backendConn, x *exchange, unrun bool) bool {
	if s.trx != b || s.log == nil {
		return false
	}
	if s.rollsBack(x) {
		s.log.steps = s.log.steps[:0] // It is rolled back.
		return true
	}
	why := s.replayable(b, x, unrun)
	s.log.lost++
	if why == hinderedNot {
		s.log.forgetReads(x)
	}
	return s.mayReplay(b, why)
}

// forgetReads has nothing run again where x commits a transaction that has done nothing but read: no other answer is to come from its snapshot.
func (l *trxLog) forgetReads(x *exchange) {
	if x.of == classify.Commit && !l.more {
		l.steps = l.steps[:0]
	}
}

// rolledBackBy says whether x's transaction on b is surely undone by the error that answers x, and is to be run again.
func (s *session) rolledBackBy(b *backendConn, x *exchange) bool {
	log := s.log
	if s.trx != b || log == nil || x.opaque || x.mayEnd() && x.of != classify.Commit || log.again >= s.srv.config().DeadlockRetries {
		return false
	}
	why := s.replayable(b, x, true)
	if why == hinderedNot {
		why = s.outlasts(x)
	}
	return s.mayReplay(b, why)
}

// outlasts says what x, which was rolled back, has left all the same on a conn that goes on: user variables, and what a trigger has written to a table that is not transactional.
func (s *session) outlasts(x *exchange) hindrance {
	switch {
	case x.assigns:
		return hinderedVariables
	case x.writes && x.of != classify.Commit && s.srv.engines.Snapshot().Any():
		return hinderedEngines
	}
	return hinderedNot
}

// resume runs the session's transaction again, so that x can be run behind it. again is false where that could not be done, and the client has been told.
func (s *session) resume(x *exchange, w *wait) (again bool, end error) {
	if s.srv.metrics.replays[replayDone].Load() == 0 {
		s.srv.log.Info("a transaction is run again", "session", s.id, "statements", len(s.log.steps))
	}
	x.failed = false
	if len(s.log.steps) == 0 {
		s.endLog() // There is nothing to be run again.
		return true, nil
	}
	t := toWriter
	if s.log.reads {
		t = toReader
	}
	result := replayNoNode
	for lost := 0; lost < attempts; {
		if s.srv.cluster.View().Degraded && s.log.wrote {
			break // Nobody can take it.
		}
		s.awaitAnother(w)
		b, err := s.conn(t, w)
		if err != nil {
			if _, ok := errors.AsType[*errSession](err); ok {
				return false, err
			}
			break
		}
		s.comesBackTo(b)
		err = s.replayOn(b, t, w)
		if over, ok := errors.AsType[*errSession](err); ok {
			return false, over
		}
		if s.conflictAgain(b, err) {
			continue
		}
		if err == nil {
			s.replayed(b, replayDone, nil)
			s.resumed(b)
			return true, nil
		}
		if s.ctx.Err() != nil {
			s.drop(b)
			return false, endSession(s.stopReason(), err)
		}
		if over, is := resultOf(err); over {
			s.replayed(b, is, err)
			s.undo(b)
			return false, s.rolledBack()
		}
		if !errors.Is(err, errNotApplied) && !errors.Is(err, errNoPermit) {
			lost++
			s.srv.lost(b, err)
			s.drop(b)
			result = replayLost
		}
		if errors.Is(err, errNoPermit) || !s.pause(w) {
			break
		}
	}
	s.replayed(nil, result, nil)
	return false, s.rolledBack()
}

// undo takes back what a replay has done on b.
func (s *session) undo(b *backendConn) {
	err := b.command(wire.ComQuery, "ROLLBACK")
	if err == nil {
		err = s.unforce(b)
	}
	if err != nil {
		s.drop(b)
	}
}

// conflictAgain says whether the replay itself was rolled back in favour of another, and may be tried once more.
func (s *session) conflictAgain(b *backendConn, err error) bool {
	refused, ok := errors.AsType[*wire.ServerError](err)
	if !ok || !isConflict(refused.Code) || s.log.again >= s.srv.config().DeadlockRetries {
		return false
	}
	s.log.again++
	s.undo(b)
	return true
}

// noPermit is the error of a replay that may not be sent to the writer now: to be tried again, or not.
func noPermit(err error) error {
	switch _, over := errors.AsType[*errSession](err); {
	case over:
		return err
	case err == nil || errors.Is(err, errNotWriter):
		return errNotApplied
	}
	return errNoPermit
}

// leaves says whether a node has refused something because it is leaving.
func leaves(err error) bool {
	refused, ok := errors.AsType[*wire.ServerError](err)
	return ok && (neverRan(refused) || refused.Code == codeServerShutdown || refused.Code == codeConnectionKilled)
}

// rolledBack tells the client that its transaction is undone.
func (s *session) rolledBack() error {
	s.endLog()
	s.trx = nil
	s.status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
	s.showHold()
	s.srv.metrics.errors.Add(1)
	return s.writeError(wire.NewError(codeDeadlock, "Deadlock found when trying to get lock; try restarting transaction (galley: its node was lost or another write came first, and it could not be run again with the same results)"))
}

// resumed makes b the conn of the session's transaction, which it has run.
func (s *session) resumed(b *backendConn) {
	s.trx, s.last = b, nil
	s.log.node, s.log.conf = b.node.Backend, s.srv.cluster.View().ConfID
	b.own &^= tieLast
	if s.after.known != allParts {
		s.after = after{known: allParts, kept: allParts}
		s.lostTies |= tieLast // Galley's own statements have come between.
	}
	for i := range s.log.steps {
		b.own |= s.log.steps[i].leaves
		if s.log.steps[i].insertID != 0 {
			b.own |= tieInsertID
			s.lostTies &^= tieInsertID
		}
	}
	b.dirt |= b.own
	if sl := s.slotOf(b); sl != nil {
		sl.made |= b.own
	}
	s.show(b)
}

// replayOn runs the session's transaction on b.
func (s *session) replayOn(b *backendConn, t target, w *wait) error {
	x := exchange{cmd: &wire.Command{}, effects: effects{sees: tieVariables | tieInsertID, binds: true}, commits: true, writes: true, replays: true}
	if err := s.catchUpNode(b, &x, t); err != nil {
		return errNotApplied
	}
	b.node.Backend.Begin()
	defer b.node.Backend.End()
	if again, err := s.permitted(t, b, w); again || err != nil {
		return noPermit(err)
	}
	s.runs(b, &x)
	defer s.shown.running.Store(nil)
	if s.ctx.Err() != nil {
		_ = b.Close()
	}
	if err := s.catchUpNow(b, &x); err != nil {
		return err
	}
	for one := range strings.SplitSeq(s.log.before, ";") {
		if one = strings.TrimSpace(one); one != "" {
			if err := b.command(wire.ComQuery, one); err != nil {
				return err
			}
		}
	}
	r := replayer{session: s, b: b}
	from := 0
	for i := range s.log.steps {
		st := &s.log.steps[i]
		if err := r.step(st, s.log.text[from:st.end]); err != nil {
			return fmt.Errorf("statement %d of %d: %w", i+1, len(s.log.steps), err)
		}
		if i == 0 {
			s.srv.gate.replaying() // Not before: the node may be the one that is lost, as nobody knows yet.
		}
		from = st.end
	}
	if r.set {
		return s.unforce(b)
	}
	return nil
}

// unforce takes back what a replay has set on b.
func (s *session) unforce(b *backendConn) error {
	return b.command(wire.ComQuery, "SET SESSION timestamp=DEFAULT, insert_id=DEFAULT")
}

// replayer runs the steps of a transaction on a conn.
type replayer struct {
	*session

	b      *backendConn
	set    bool // The time, or the next id, is not the node's own.
	forced bool // The next id is set.
	made   bool // LAST_INSERT_ID() is of this transaction.
}

// step runs one statement. Its error is errDiverged where the answer is another one than before, errOtherIDs where it would be.
func (r *replayer) step(st *step, packet []byte) error {
	if st.asksID && !r.made {
		return fmt.Errorf("%w: the last insert id is of before the transaction", errOtherIDs)
	}
	b := r.b
	if st.stmt != nil {
		var err error
		if packet, err = r.ready(st.stmt, packet); err != nil {
			return err
		}
	}
	if sets := r.settings(st); sets != "" {
		// Nothing is piped behind it: where this is what tells that the transaction was rolled back, the statement would commit by itself.
		r.set = true
		if err := b.command(wire.ComQuery, sets); err != nil {
			return err
		}
	}
	if err := b.Write(packet); err != nil {
		return err
	}
	sum, err := r.digest()
	if err != nil {
		return err
	}
	if sum != st.sum || r.answer.Results > 0 && r.answer.Status&wire.StatusInTrans == 0 {
		return errDiverged
	}
	if r.answer.Results > 0 { // An ERR packet has none.
		r.status = r.answer.Status
	}
	return r.checkID(st)
}

// ready has b know a prepared statement, and gives the packet of an execution of it.
func (r *replayer) ready(st *statement, packet []byte) ([]byte, error) {
	types := st.types
	x := exchange{cmd: &wire.Command{Packet: packet, Body: packet[wire.HeaderLen:]}, stmt: st}
	err := r.readyStatement(r.b, &x)
	st.types = types // Of the client's last execution.
	if err != nil {
		return nil, err
	}
	if schema := r.state.schema; schema != "" && r.b.schema != schema {
		if err := r.b.command(wire.ComInitDB, schema); err != nil {
			return nil, err
		}
		r.b.schema = schema
	}
	return x.packet, nil
}

// settings gives the statement that sets the time of a step and the id that it got, or "".
func (r *replayer) settings(st *step) string {
	var sets []string
	if st.at != 0 {
		sets = append(sets, fmt.Sprintf("timestamp=%d.%06d", st.at/1e6, st.at%1e6))
	}
	if st.insertID != 0 {
		sets = append(sets, fmt.Sprintf("insert_id=%d", st.insertID))
	} else if r.forced {
		sets = append(sets, "insert_id=DEFAULT") // Else an id that was not used would go to this one.
	}
	r.forced = st.insertID != 0
	if len(sets) == 0 {
		return ""
	}
	return "SET SESSION " + strings.Join(sets, ", ")
}

// checkID finds out whether the id of a step was made by the node, or given in the statement: then it is not what LAST_INSERT_ID() gives. Of several ids that the node has made, those
// behind the first depend on the node.
func (r *replayer) checkID(st *step) error {
	if st.insertID == 0 {
		return nil
	}
	left, err := r.b.row("SELECT @@insert_id")
	if err != nil {
		return err
	}
	made := left[0] == "0"
	r.made = r.made || made
	if made && st.several && (r.b.node.Backend != r.log.node || r.srv.cluster.View().ConfID != r.log.conf) {
		return fmt.Errorf("%w: several rows got theirs from the node", errOtherIDs)
	}
	return nil
}

// digest reads an answer to its end and gives its checksum.
func (r *replayer) digest() (uint64, error) {
	b, a, log := r.b, &r.answer, r.log
	a.Start(wire.AnswerQuery, b.caps)
	log.hash.Reset()
	for !a.Done {
		win := b.Window()
		n, ev, err := a.Walk(win)
		if err != nil {
			return 0, err
		}
		if ev == wire.EventInFile {
			return 0, errDiverged
		}
		if ev == wire.EventError {
			if refused := wire.ParseErr(win[a.LastStart+wire.HeaderLen : n]); !repeats(refused.Code) {
				b.Discard(n)
				return 0, refused
			}
		}
		log.add(win[:n], a.LastStart, ev)
		b.Discard(n)
		if ev == wire.EventMore && !a.Done {
			if err := b.Fill(); err != nil {
				return 0, err
			}
		}
	}
	return log.hash.Sum64(), nil
}
