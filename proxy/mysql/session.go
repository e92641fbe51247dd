package mysql

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// session is one client. Its goroutine owns everything in it but what is atomic.
type session struct {
	srv    *Server
	ctx    context.Context //nolint:containedctx // the life of the session, ended by shutdown or KILL
	cancel context.CancelCauseFunc
	id     uint32
	client *wire.Conn
	caps   wire.Capability
	scr    [wire.ScrambleLen]byte

	login        login // What a backend conn logs in with; its schema is the state's.
	loginVersion uint64
	access       uint64 // The account's global privileges, as the server's bits.
	state        state
	status       uint16        // Of the last OK or EOF.
	loginMode    classify.Mode // As long as the session has not set its own.
	reading      reading

	writer, reader, last, trx *backendConn
	pinnedOn                  *backendConn  // Where what the pins stand for is.
	readerView                *cluster.View // The view in which reader was found good.
	hintNode                  string

	stmts    map[uint32]*statement
	lastStmt *statement // The one used last.
	issued   uint32     // The id given out last.
	prepared uint32     // The id of the one prepared last.

	reads uint32 // Counts statements, for the sample of those that are timed.

	ties     ties // What is on the conn to the writer.
	lostTies ties // What was, and is lost.

	answer  wire.Answer
	scratch []byte
	kept    []byte

	shown sessionShown
}

// sessionShown is what the status page reads of a session while it runs.
type sessionShown struct {
	since   time.Time
	addr    string
	user    atomic.Pointer[string]
	schema  atomic.Pointer[string]
	node    atomic.Pointer[cluster.Node] // Where the last command ran.
	running atomic.Pointer[backendConn]  // Where one runs now.
	writer  atomic.Pointer[backendConn]
	reader  atomic.Pointer[backendConn]
	pins    atomic.Uint32
	inTrans atomic.Bool
	waiting atomic.Bool
	busy    atomic.Bool
}

// serve runs the session until it ends and says why it did.
func (s *session) serve() error {
	var cmd wire.Command // One for all, as it escapes.
	for {
		var err error
		if cmd, err = s.client.ReadCommand(int(s.srv.config().MaxAllowedBuffer)); err != nil {
			return s.readEnd(err)
		}
		s.shown.busy.Store(true)
		err = s.command(&cmd)
		s.shown.busy.Store(false)
		if err != nil {
			return err
		}
		if s.srv.draining.Load() && s.trx == nil {
			return endSession(closeShutdown, nil)
		}
	}
}

// readEnd says what it means that no command could be read.
func (s *session) readEnd(err error) error {
	switch {
	case s.ctx.Err() != nil || s.srv.draining.Load():
		return endSession(s.stopReason(), context.Cause(s.ctx))
	case errors.Is(err, wire.ErrMalformed):
		_ = s.writeError(wire.NewError(codeMalformed, "Malformed communication packet"))
		return endSession(closeBadPacket, err)
	default:
		return endSession(closeClientGone, err)
	}
}

func (s *session) stopReason() closeReason {
	if errors.Is(context.Cause(s.ctx), errKilled) {
		return closeKilled
	}
	return closeShutdown
}

// command runs one command. Its error ends the session.
func (s *session) command(cmd *wire.Command) error {
	x := exchange{cmd: cmd, packet: cmd.Packet}
	switch cmd.Body[0] {
	case wire.ComQuery:
		return s.query(&x)
	case wire.ComQuit:
		return endSession(closeQuit, nil)
	case wire.ComPing:
		return s.writeOK()
	case wire.ComInitDB:
		x.kind, x.repeatable, x.explains, x.noData = wire.AnswerSingle, true, true, true
		return s.execute(s.homeTarget(toLast), &x)
	case wire.ComFieldList:
		x.kind, x.repeatable = wire.AnswerRows, true
		return s.execute(s.homeTarget(toReader), &x)
	case wire.ComProcessInfo:
		x.kind, x.noData = wire.AnswerQuery, true
		return s.execute(s.homeTarget(toWriter), &x)
	case wire.ComStatistics, wire.ComDebug, wire.ComRefresh:
		x.kind, x.noData = wire.AnswerSingle, true
		return s.execute(s.homeTarget(toWriter), &x)
	case wire.ComStmtPrepare, wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtSendLongData, wire.ComStmtClose, wire.ComStmtReset, wire.ComStmtFetch:
		return s.statementCommand(&x)
	case wire.ComSetOption:
		return s.setOption(cmd)
	case wire.ComResetConnection:
		return s.reset()
	case wire.ComChangeUser:
		return s.changeUser(cmd)
	case wire.ComProcessKill:
		return s.processKill(cmd)
	default:
		return s.refuse(cmd)
	}
}

// refuse answers a command that galley does not relay.
func (s *session) refuse(cmd *wire.Command) error {
	if !cmd.Whole() {
		if _, err := s.client.StreamRest(cmd, func([]byte) error { return nil }); err != nil {
			return endSession(closeClientGone, err)
		}
	}
	switch cmd.Body[0] {
	case wire.ComBinlogDump, wire.ComBinlogDumpGTID, wire.ComRegisterSlave, wire.ComTableDump:
		return s.writeError(wire.NewError(codeNotSupported, "galley does not relay replication streams: connect the replica to a node of the cluster"))
	case wire.ComShutdown:
		return s.writeError(wire.NewError(codeNotSupported, "galley does not shut nodes down: connect to the node itself"))
	}
	return s.writeError(wire.NewError(codeUnknownCommand, "Unknown command"))
}

// homeTarget is where a command other than a statement runs: where it likes best, unless the session's state holds it.
func (s *session) homeTarget(t target) target {
	switch {
	case s.trx != nil:
		return toTransaction
	case s.state.pins != 0 || t == toReader && s.status&wire.StatusAutocommit == 0:
		return toWriter
	}
	return t
}

func (s *session) situation() situation {
	return situation{inTransaction: s.trx != nil, status: s.status, pins: s.state.pins, tied: s.ties != 0 || s.lostTies&^tieLast != 0, stay: s.read().stay, readOnlyReaders: s.srv.config().ReadOnlyTransactionsOnReaders}
}

// mode is how the next statement's text is to be read.
func (s *session) mode() classify.Mode {
	return s.read().mode | quotingOf(s.status) | s.srv.modeOfNodes()
}

func (s *session) read() *reading {
	if s.reading.changes != s.state.changes {
		s.reading = s.state.read(s.loginMode)
	}
	return &s.reading
}

// query runs COM_QUERY.
func (s *session) query(x *exchange) error {
	class := classify.Class{Kind: classify.Other}
	if x.cmd.Whole() {
		class = classify.Statement(x.cmd.Body[1:], s.mode())
	}
	if class.Kind == classify.Kill && class.KillID >= firstConnectionID {
		return s.kill(&class)
	}
	t, reason, err := s.place(x, &class, x.cmd.Body[1:])
	if err != nil {
		return err
	}
	if t == toNode {
		s.hintNode = string(x.cmd.Body[1+class.HintStart : 1+class.HintEnd])
	}
	x.kind = wire.AnswerQuery
	if refused, err := s.refuseElsewhere(x, &class, t); refused || err != nil {
		return err
	}
	err = s.execute(t, x)
	s.count(x, reason, t)
	if err == nil && !x.failed && class.Flags.Has(classify.Release) {
		return endSession(closeQuit, nil) // COMMIT RELEASE: the server closes the connection, and so does galley.
	}
	return err
}

// place decides where a statement runs, and notes in x what matters for its run. Its error ends the session.
func (s *session) place(x *exchange, class *classify.Class, sql []byte) (target, routeReason, error) {
	x.classed(class)
	s.clock(x)
	if err := s.refuseLost(x); err != nil {
		return toWriter, routeWrite, err
	}
	if err := s.leaveReader(class); err != nil {
		return toWriter, routeWrite, err
	}
	x.unreported = unreportedIn(class, sql)
	x.sql = sql
	x.defined = s.defines(class, sql)
	t, reason := route(class, s.situationOf(x.stmt, sql))
	return t, reason, nil
}

// readSample is of how many reads one is timed. Two looks at the clock are 2 % of a point select.
const readSample = 8

// clock looks at the clock for x, if x is timed: one read in readSample, and all that must not run twice, for which the time of a conn's last use matters.
func (s *session) clock(x *exchange) {
	if s.reads++; !x.repeatable || s.reads%readSample == 0 {
		x.began = time.Now()
	}
}

// count counts x's statement. What was timed stands for as many as were not.
func (s *session) count(x *exchange, reason routeReason, t target) {
	s.srv.metrics.statement(reason, t == toReader)
	if x.began.IsZero() {
		return
	}
	weight := uint64(1)
	if x.repeatable {
		weight = readSample
	}
	s.srv.metrics.took(time.Since(x.began), weight)
}

// classed takes from a statement's class what matters for its run.
func (x *exchange) classed(c *classify.Class) {
	x.repeatable = repeatable(c)
	x.atomic = atomicKind(c)
	x.explains, x.pins = explainsStateChange(c)
	x.unlocks = c.Kind == classify.UnlockTables
	x.temporary = c.Flags.Has(classify.TemporarySettings)
	x.writes, x.noData = mayWrite(c), !seesData(c)
	x.asksBack = c.Kind == classify.Diagnostics || c.Flags.Has(classify.FoundRows|classify.RowCount|classify.Warnings)
	x.opaque, x.ties, x.needs = opaque(c), tiesOf(c), tiesNeeded(c)
	x.commits = endsTransaction(c) || c.Flags.Has(classify.Chain)
}

// attempts bounds how often a command is tried again after it was cut off: it may be what breaks the nodes. One that was refused is tried as long as there is time.
const attempts = 5

// execute runs x's command on the conn for t, on another one if it surely did not run there or may run again, and sees to it that the client has an answer.
// Its error ends the session.
func (s *session) execute(t target, x *exchange) error {
	var w wait
	for ; ; w.tries++ {
		b, err := s.connFor(t, x, &w)
		if err != nil {
			return s.giveUp(x, err)
		}
		if err := s.refuseLost(x); err != nil {
			return err
		}
		if !x.repeatable && b != s.trx && x.idleSince(b.usedAt) > idleCheckAfter && b.Idle() != nil {
			b.lost.Store(true)
			if err := s.lostIdle(b); err != nil {
				return err
			}
			if t != toConn {
				continue
			}
			return s.giveUp(x, lostError(b.node.Addr))
		}
		held := s.trx != nil || s.state.pins != 0 || t == toConn || x.stmt != nil && x.stmt.longOn != nil
		x.sent, x.preambleFailed, x.waited, x.upTo = false, false, false, 0
		b.node.Backend.Begin()
		b.set.commands.Add(1)
		s.shown.running.Store(b)
		if s.ctx.Err() != nil { // Since cut has looked for what runs.
			_ = b.Close()
		}
		err = s.run(b, x)
		s.shown.running.Store(nil)
		b.node.Backend.End()
		if err == nil {
			s.ran(b, x)
			if x.unreported != 0 && !x.failed {
				s.ask(b, x.unreported)
			}
			return nil
		}
		if x.wouldWrite {
			// The reader has refused it whole and goes on.
			t, x.failed, x.repeatable, x.wouldWrite, x.writes, x.opaque = toWriter, false, false, false, true, true
			b.Release()
			s.srv.metrics.hidden.Add(1)
			continue
		}
		if unprepared, ok := errors.AsType[*unpreparedError](err); ok {
			if t == toReader && b == s.reader {
				t = toWriter // A reader may not have seen the table yet.
				continue
			}
			return s.giveUp(x, unprepared.ServerError)
		}
		if _, ok := errors.AsType[*forgottenError](err); ok {
			delete(b.stmts, x.stmt.id)
			x.stmt.knownOn = nil
			b.Release()
			continue
		}
		again, err := s.failed(b, x, err, held, &w)
		if !again {
			return err
		}
		s.srv.metrics.retries.Add(1)
		if t == toReader && (x.preambleFailed || x.waitedOut) {
			t = toWriter // What the session has set can only be had where it was set.
		}
	}
}

// connFor is conn, but for an exchange that can only run on one conn.
func (s *session) connFor(t target, x *exchange, w *wait) (*backendConn, error) {
	if x.stmt != nil && x.stmt.longOn != nil {
		if b := x.stmt.longOn; (b == s.writer || b == s.reader) && !b.lost.Load() && (s.trx == nil || s.trx == b) {
			return b, nil
		}
		// Without the long data another value would be written.
		x.stmt.longOn = nil
		x.stmt.lostData = x.silent
		return nil, wire.NewError(codeLost, lostLongData)
	}
	if t == toConn {
		if b := x.conn; b != s.writer && b != s.reader || b.lost.Load() {
			return nil, lostError(b.node.Addr)
		}
		return x.conn, nil
	}
	return s.conn(t, w)
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
	if !x.began.IsZero() {
		b.usedAt = time.Now()
	}
	if x.longData {
		x.stmt.longOn = b
	}
	if x.upTo > 0 && !x.failed && !x.silent && x.waited {
		raise(&b.set.applied, x.upTo)
	}
	if x.silent {
		return
	}
	s.last = b
	if !x.failed {
		switch {
		case s.trx != nil && s.trx != b: // A cursor's rows, from another conn than the transaction's.
		case s.status&wire.StatusInTrans != 0:
			s.trx = b
		default:
			s.trx = nil
		}
		s.state.pins |= x.pins
		if x.unlocks {
			s.state.pins &^= pinGlobalLock | pinLockedTables
		}
	} else if x.opaque || s.answer.Results > 0 && s.answer.Status&wire.StatusInTrans != 0 {
		s.trx = b // An ERR packet does not say whether a transaction was left open: the next OK will.
	}
	s.tie(b, x)
	s.show(b)
}

// tie notes what x has left on b that cannot be had elsewhere.
func (s *session) tie(b *backendConn, x *exchange) {
	s.lostTies &^= tieLast
	if x.ties != 0 || s.answer.InsertID {
		if b == s.reader && x.ties != 0 {
			s.state.pins |= pinUnknown // In a read-only transaction on a reader: the session stays there.
		}
		s.ties |= x.ties
		if s.answer.InsertID {
			s.ties |= tieInsertID
		}
		s.lostTies &^= s.ties & tieInsertID
	}
	switch {
	case s.state.pins == 0:
		s.pinnedOn = nil
	case s.pinnedOn == nil:
		s.pinnedOn = b
	}
}

// failed sees to a command that b has failed: again says that it is to be tried once more. held says that it must not be.
func (s *session) failed(b *backendConn, x *exchange, err error, held bool, w *wait) (again bool, end error) {
	if _, ok := errors.AsType[*errSession](err); ok {
		s.drop(b)
		return false, err
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		if held || !s.pause(w) {
			return false, s.writeError(refused.ServerError)
		}
		s.drop(b)
		return true, nil
	}
	if b.run.Load() == runMoved {
		w.tries-- // Galley's own doing, once for each view.
	}
	neverSent := !x.sent || b.NeverSent(err)
	addr := b.node.Addr
	hadState := s.trx != nil && s.trx == b || s.state.pins != 0 && b == s.pinnedOn
	s.srv.lost(b, err)
	s.drop(b)
	switch {
	case x.forwarded && !s.answer.Boundary():
		return false, endSession(closeNodeLost, err)
	case !x.forwarded && !hadState && !held && w.tries < attempts-1 && x.cmd.Whole() && (neverSent || x.repeatable):
		return true, nil
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

func (s *session) writeError(e *wire.ServerError) error {
	if err := s.client.WritePacket(e.Append(nil)); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}

func (s *session) writeOK() error {
	s.scratch = s.scratch[:0]
	ok := wire.OK{Status: s.status &^ wire.StatusMoreResults}
	if err := s.client.WritePacket(ok.Append(s.scratch, 0, s.caps.Has(wire.ClientSessionTrack))); err != nil {
		return endSession(closeClientGone, err)
	}
	return nil
}

// cut ends whatever the session waits for: its client and its nodes. It is called from another goroutine when the session's life is over.
func (s *session) cut() {
	_ = s.client.Close()
	for _, b := range []*backendConn{s.shown.running.Load(), s.shown.writer.Load(), s.shown.reader.Load()} {
		if b != nil {
			_ = b.Close()
		}
	}
}

// close gives back all that the session holds.
func (s *session) close() {
	for _, b := range []*backendConn{s.writer, s.reader} {
		if b != nil {
			_ = b.Write([]byte{1, 0, 0, 0, wire.ComQuit})
			s.drop(b)
		}
	}
	s.client.Discard(len(s.client.Window()))
	s.client.Release()
	_ = s.client.Close()
}
