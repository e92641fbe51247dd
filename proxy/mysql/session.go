package mysql

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
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
	peer   proxy.Peer // Who is at the other side of client.
	caps   wire.Capability
	scr    [wire.ScrambleLen]byte

	transport transport // How client's packets come.

	login     login               // What a backend conn logs in with; its schema is the state's.
	account   *cluster.Account    // As which the client is logged in; nil before.
	accounts  *cluster.AccountSet // In which it was looked for last.
	access    uint64              // The account's global privileges, as the server's bits.
	state     state
	status    uint16        // Of the last OK or EOF.
	loginMode classify.Mode // As long as the session has not set its own.
	reading   reading

	writer, reader slot
	trx            *backendConn  // Where the open transaction is.
	locks          *backendConn  // Left open for what is locked there: see leaving.go.
	pinnedOn       *backendConn  // Where what the pins stand for is.
	seen           bool          // It is on a reader, and elsewhere must find again what it has found there.
	log            *trxLog       // Of the open transaction; nil where there is none, or where it is not run again.
	last           *backendConn  // Where the last command ran; nil where that conn has gone.
	readerView     *cluster.View // The view in which reader was found good.
	hintNode       string
	multiplex      bool
	schemaFree     bool // What asks for a conn is the same under every schema.
	choosing       bool // It chooses one.
	waiter         waiter

	stmts    map[uint32]*statement
	lastStmt *statement // The one used last.
	issued   uint32     // The id given out last.
	prepared uint32     // The id of the one prepared last.

	failedChanges int // Of COM_CHANGE_USER.

	reads uint32 // Counts statements, for the sample of those that are timed.

	after    after // What the last statement has left.
	lostTies ties  // What was on a conn that is lost.
	hasTies  bool  // It has user variables, or an insert id.
	strayed  bool  // A routine may have set variables without the server reporting it.

	rescued  atomic.Bool
	rescueMu sync.Mutex
	rescues  []*rescue
	over     atomic.Bool   // It asks for nothing any more.
	epoch    atomic.Uint32 // Another one after each reset: what was left before is nobody's.

	halt     chan struct{} // KILL QUERY, for a statement that waits.
	overtime atomic.Uint64 // The activity whose statement is killed for its time.

	answer  wire.Answer
	scratch []byte
	kept    []byte

	spot     place // In the line of those who wait for a node.
	standing bool  // It stands there.

	wrote     uint64 // The number of its last write.
	level     string // Its consistency, as levelBy says for levelUser.
	levelBy   *config.MySQL
	levelUser string

	shown sessionShown
}

// sessionShown is what the status page reads of a session while it runs.
type sessionShown struct {
	busy    activity
	swept   lasting
	since   time.Time
	addr    string
	user    atomic.Pointer[string]
	schema  atomic.Pointer[string]
	node    atomic.Pointer[cluster.Node] // Where the last command ran.
	running atomic.Pointer[backendConn]  // Where one runs now.
	pins    atomic.Uint32
	inTrans atomic.Bool
	waiting atomic.Bool
	held    atomic.Bool // A limit keeps its statement waiting.

	login       atomic.Pointer[login] // Set when the client has logged in.
	waitTimeout atomic.Int64          // In seconds, as the session has set it; 0 is the cluster's.
	writing     writing
}

// serve runs the session until it ends and says why it did.
func (s *session) serve() error {
	s.multiplex = s.srv.config().Pool.Multiplex
	var cmd wire.Command // One for all, as it escapes.
	for {
		if err := s.client.ReadCommand(&cmd, int(s.srv.config().MaxAllowedBuffer)); err != nil {
			return s.readEnd(err)
		}
		if !s.shown.busy.begin(cmd.Body[0]) {
			return endSession(s.stopReason(), context.Cause(s.ctx))
		}
		s.srv.sleepers.stir(s)
		err := s.command(&cmd)
		if err == nil {
			s.letGo()
		}
		s.stepOut()
		s.leaveGate()
		s.shown.busy.end()
		if err != nil {
			return err
		}
		if s.srv.stopping.Err() != nil && s.trx == nil {
			return endSession(closeShutdown, nil)
		}
	}
}

// readEnd says what it means that no command could be read.
func (s *session) readEnd(err error) error {
	switch {
	case s.ctx.Err() != nil || s.srv.stopping.Err() != nil:
		return endSession(s.stopReason(), context.Cause(s.ctx))
	case errors.Is(err, wire.ErrMalformed):
		_ = s.writeError(wire.NewError(codeMalformed, "Malformed communication packet"))
		return endSession(closeBadPacket, err)
	default:
		return endSession(closeClientGone, err)
	}
}

func (s *session) stopReason() closeReason {
	switch cause := context.Cause(s.ctx); {
	case errors.Is(cause, errKilled):
		return closeKilled
	case errors.Is(cause, errWaitTimeout):
		return closeWaitTimeout
	case errors.Is(cause, errSlowClient):
		return closeSlowClient
	case errors.Is(cause, errClientGone):
		return closeClientGone
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
		s.after.tellRows(0)
		return s.writeOK()
	case wire.ComInitDB:
		return s.initDB(&x)
	case wire.ComFieldList:
		x.kind, x.repeatable, x.lists = wire.AnswerRows, true, true // The warnings stay.
		return s.execute(s.homeTarget(toReader), &x)
	case wire.ComProcessInfo:
		return s.processInfo(&x)
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
	return situation{inTransaction: s.trx != nil, status: s.status, pins: s.state.pins, tied: s.hasTies || s.lostTies&^tieLast != 0, stay: s.read().stay, readOnlyReaders: s.srv.config().ReadOnlyTransactionsOnReaders}
}

// mode is how the next statement's text is to be read.
func (s *session) mode() classify.Mode {
	r := s.read()
	if r.ownMode && s.state.pins&pinUnknown == 0 {
		return r.mode | r.quoting | s.srv.modeOfNodes()
	}
	return r.mode | quotingOf(s.status) | s.srv.modeOfNodes()
}

func (s *session) read() *reading {
	if s.reading.changes != s.state.changes {
		s.reading = s.state.read(s.loginMode)
	}
	return &s.reading
}

// query runs COM_QUERY.
func (s *session) query(x *exchange) error {
	if done, err := s.knownHere(x); done {
		return err
	}
	class := classify.Class{Kind: classify.Other}
	if x.cmd.Whole() {
		class = classify.Statement(x.cmd.Body[1:], s.mode())
	}
	if class.Flags.Has(classify.ConnectionID) {
		class = s.identify(x, &class)
	}
	if class.Kind == classify.Kill {
		if done, err := s.kill(x, x.cmd.Body[1:]); done || err != nil {
			return err
		}
	}
	if class.Kind == classify.Set && class.Flags.Has(classify.UnscopedVariable) {
		s.scope(x)
	}
	if done, err := s.setNamesHere(x, &class, x.cmd.Body[1:]); done {
		return err
	}
	if done, err := s.setHere(x, &class, x.cmd.Body[1:]); done {
		return err
	}
	t, reason, err := s.place(x, &class, x.cmd.Body[1:])
	if err != nil {
		return err
	}
	if t == toNode {
		s.hintNode = string(x.cmd.Body[1+class.HintStart : 1+class.HintEnd])
	}
	x.kind = wire.AnswerQuery
	s.noteSchemaFree(x)
	if x.asks != 0 {
		if done, err := s.askBack(x, t); done || err != nil {
			return err
		}
	}
	if class.Kind == classify.SetGlobal {
		x.defined = s.srv.known.forget
	}
	err = s.answerStatement(t, x, &class)
	s.count(x, reason, t)
	if err == nil {
		s.learnSet(x)
	}
	if err == nil && x.answered && !x.failed && class.Flags.Has(classify.Release) {
		return endSession(closeQuit, nil) // COMMIT RELEASE: the server closes the connection, and so does galley.
	}
	return err
}

// place decides where a statement runs, and notes in x what matters for its run. Its error ends the session.
func (s *session) place(x *exchange, class *classify.Class, sql []byte) (target, routeReason, error) {
	x.classed(class, sql)
	s.clock(x)
	if s.read().stay && x.reads {
		x.needs, x.sees = x.needs|tieInsertID, x.sees|tieInsertID // With sql_auto_is_null IS NULL means it.
	}
	if x.needs|x.sees != 0 || s.lostTies != 0 {
		s.collect()
	}
	if err := s.refuseLost(x); err != nil {
		return toWriter, routeWrite, err
	}
	s.leaveReader(class)
	x.unreported = unreportedIn(class, sql)
	begun, stays := s.hidden(x, class, sql)
	x.changes = append(s.pinChanges(x, class), begun...)
	s.constantsOf(x, class)
	if x.defined = s.defines(class, sql); dropsSchema(class, sql) {
		x.defined = s.srv.schemas.before(x.defined)
	}
	x.forWriter = s.onReader() && forWriter(class, sql, x.changes)
	now := s.situationOf(x.stmt, sql)
	now.stay = now.stay || stays
	t, reason := route(class, now)
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
func (x *exchange) classed(c *classify.Class, sql []byte) {
	x.of, x.flags, x.sql = c.Kind, c.Flags, sql
	x.repeatable, x.locking = repeatable(c), lockingRead(c)
	x.level = c.Consistency
	x.atomic = atomicKind(c)
	x.explains = explainsStateChange(c)
	x.unlocks = c.Kind == classify.UnlockTables
	x.reads = readKinds.has(c.Kind) && !mayWrite(c)
	x.temporary = c.Flags.Has(classify.TemporarySettings)
	x.writes, x.noData = mayWrite(c), !seesData(c)
	x.effects = effectsOf(c, sql)
	x.commits = endsTransaction(c) || c.Flags.Has(classify.Chain)
	x.onceOnly, x.timely = c.Flags.Has(onceOnly), c.Flags.Has(classify.NonDeterministic)
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

// cut ends whatever the session waits for: its client and its node. It is called from another goroutine when the session's life is over.
func (s *session) cut() {
	_ = s.client.Close()
	if b := s.shown.running.Load(); b != nil {
		b.set.cutOf(s, b)
	}
	s.wake()
}

// close gives back all that the session holds.
func (s *session) close() {
	s.leaveUser()
	s.stepOut()
	s.over.Store(true)
	s.letAllGo()
	_ = s.client.Flush()
	s.client.Discard(len(s.client.Window()))
	s.client.Release()
	_ = s.client.Close()
}
