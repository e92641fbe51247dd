package mysql

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"galley/balancer"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// trxLog is what an open transaction has done so far: its statements, and a checksum of each answer, so that it can be run again where it is lost (replay.go). A session has one only
// while a transaction is open; it belongs to the session.
type trxLog struct {
	steps   []step
	text    []byte // The packets of all steps.
	refused hindrance
	wrote   bool
	more    bool // Some statement was more than a plain read: it may hold locks.
	ids     bool // Some answer had a last insert id.
	again   int  // How often it was rolled back in favour of another.
	lost    int  // How often its conn was lost.

	reads   bool              // It is on a reader.
	node    *balancer.Backend // Where it is.
	conf    int64             // The number of the group's view when it began.
	changes uint64            // What the session had set when it began.
	before  string            // SET TRANSACTION for it.

	hash maphash.Hash // Of the answer under way.
	id   uint64       // The last insert id in it.
	rows uint64       // The rows affected.
}

// step is one statement of a transaction.
type step struct {
	at       int64 // When it came, in microseconds; 0 where that does not matter.
	end      int   // Of its packet in the text.
	stmt     *statement
	sum      uint64
	insertID uint64
	leaves   ties
	several  bool // It may have made more than one id.
	asksID   bool // It depends on LAST_INSERT_ID().
}

// hindrance is why a transaction cannot be run again: a closed list, the label of the metric.
type hindrance byte

// The reasons.
const (
	hinderedNot       hindrance = iota
	hinderedOff                 // It is turned off.
	hinderedSize                // It has too many statements, or too long ones.
	hinderedPinned              // The session has state on its conn that cannot be set again.
	hinderedStatement           // A statement that may do anything, or not all of which is undone: procedures, functions, several statements, files, locks.
	hinderedVariables           // User variables.
	hinderedInsertID            // LAST_INSERT_ID() of before the transaction.
	hinderedCursor              // A cursor, or long data.
	hinderedEngines             // There are tables that are not transactional.
	hinderedSettings            // Something was set in it.
	hinderedError               // A statement has failed with an error that would not come again, or that has undone more than itself.
	hinderedAnswer              // Its answer has gone to the client in part.
	hinderedCommit              // Its COMMIT may have been applied.
	hindrances
)

// String gives the reason's word.
func (r hindrance) String() string {
	switch r {
	case hinderedOff:
		return "off"
	case hinderedSize:
		return "size"
	case hinderedPinned:
		return "pinned"
	case hinderedStatement:
		return "statement"
	case hinderedVariables:
		return "user_variables"
	case hinderedInsertID:
		return "last_insert_id"
	case hinderedCursor:
		return "cursor"
	case hinderedEngines:
		return "engines"
	case hinderedSettings:
		return "settings"
	case hinderedError:
		return "error"
	case hinderedAnswer:
		return "answer"
	case hinderedCommit:
		return "commit"
	case hinderedNot, hindrances:
	}
	return "none"
}

// keptText is the largest text that a log keeps for the next transaction, in bytes.
const keptText = 64 << 10

// beginKinds begin a transaction, also within another one.
const beginKinds = kindSet(1<<classify.Begin | 1<<classify.BeginReadOnly)

func newTrxLog() any { return &trxLog{} }

// startStep has x's answer summed up where it is, or may become, part of a transaction that could be run again.
func (s *session) startStep(b *backendConn, x *exchange) {
	x.log = nil
	if s.trx == nil {
		if s.log != nil {
			s.endLog()
		}
		if !beginKinds.has(x.of) && s.status&wire.StatusAutocommit != 0 || x.silent || x.prepared != nil || !s.srv.config().ReplaysOf(s.login.user) {
			return
		}
		s.beginLog(b)
	}
	if s.log == nil || s.log.refused != hinderedNot && !beginKinds.has(x.of) || x.keep != nil || x.silent || x.prepared != nil {
		return
	}
	x.log = s.log
	x.log.hash.Reset()
	x.log.id, x.log.rows = 0, 0
}

// beginLog begins the log of a transaction that may begin on b.
func (s *session) beginLog(b *backendConn) {
	log := s.srv.logs.Get().(*trxLog)
	*log = trxLog{steps: log.steps[:0], text: log.text[:0], hash: log.hash, node: b.node.Backend, conf: s.srv.cluster.View().ConfID, changes: s.state.changes, reads: b == s.reader.conn && b != s.writer.conn}
	if s.state.pins&pinTransaction != 0 {
		log.before = s.state.nextTransaction
	}
	s.log = log
}

// endLog forgets the log: its transaction is over.
func (s *session) endLog() {
	log := s.log
	if log == nil {
		return
	}
	s.log = nil
	clear(log.steps)
	if cap(log.text) > keptText {
		log.text = nil
	}
	s.srv.logs.Put(log)
}

// add takes a piece of the answer; ev and start are what the walk over it has found. What a server may say differently of the same answer is left out: status flags, warnings, what
// was set.
func (l *trxLog) add(win []byte, start int, ev wire.Event) {
	if ev != wire.EventStatus {
		_, _ = l.hash.Write(win)
		return
	}
	_, _ = l.hash.Write(win[:start])
	p := win[start+wire.HeaderLen:]
	if p[0] != 0 {
		return // The end of rows.
	}
	if ok, err := wire.ParseOK(p, true); err == nil {
		var counts [16]byte
		binary.LittleEndian.PutUint64(counts[:], ok.AffectedRows)
		binary.LittleEndian.PutUint64(counts[8:], ok.InsertID)
		_, _ = l.hash.Write(counts[:])
		l.rows, l.id = ok.AffectedRows, ok.InsertID
	}
}

// noteStep adds x, which b has answered, to the log.
func (s *session) noteStep(b *backendConn, x *exchange) {
	log := s.log
	switch {
	case log == nil:
		return
	case s.trx == nil:
		s.endLog()
		return
	case x.prepared != nil || x.keep != nil || s.trx != b:
		return
	}
	if x.commits && !x.failed && x.inTrx { // Another one has begun.
		summed := x.log != nil
		var sum trxLog
		if summed {
			sum = trxLog{hash: x.log.hash, id: x.log.id, rows: x.log.rows} // The log goes to another session, maybe.
		}
		s.endLog()
		s.beginLog(b)
		log = s.log
		if summed {
			log.hash, log.id, log.rows = sum.hash, sum.id, sum.rows
			x.log = log
		}
	}
	if log.refused != hinderedNot || log.setsVariables(x) {
		return
	}
	if log.refused = s.hindranceOf(x); log.refused != hinderedNot {
		return
	}
	s.appendStep(x)
}

// replayKinds are the statements that can be run again: all that they do is undone with their transaction, and all that it depends on is in the transaction or can be set.
const replayKinds = kindSet(1<<classify.Read | 1<<classify.ReadWriter | 1<<classify.DML | 1<<classify.Begin | 1<<classify.BeginReadOnly | 1<<classify.Savepoint | 1<<classify.Set | 1<<classify.Show | 1<<classify.Empty)

// onceOnly are facts of a statement by which it is not run again.
const onceOnly = classify.MultiStatement | classify.UnknownFunction | classify.UserLock | classify.ReleasesUserLock | classify.Sequence | classify.IntoOutfile | classify.TemporaryTable |
	classify.Locks | classify.SetPassword | classify.SetRole | classify.FoundRows | classify.RowCount | classify.Warnings | classify.Chain | classify.TransactionChars

// hindranceOf says why x, which has run in a transaction, cannot be run again.
func (s *session) hindranceOf(x *exchange) hindrance {
	switch {
	case x.log == nil || !x.cmd.Whole():
		return hinderedSize
	case s.state.pins != 0 || len(x.changes) > 0:
		return hinderedPinned
	case x.kind == wire.AnswerCursor || x.stmt != nil && x.stmt.longOn != nil:
		return hinderedCursor
	case !replayKinds.has(x.of) || x.onceOnly || x.opaque || x.fromFile:
		return hinderedStatement
	case x.assigns || (x.needs|x.leaves)&tieVariables != 0:
		return hinderedVariables
	case x.needs&tieInsertID != 0 && !x.log.ids:
		return hinderedInsertID
	case x.writes && s.srv.engines.Snapshot().Any():
		return hinderedEngines
	case x.failed && !repeats(x.code):
		return hinderedError
	}
	return hinderedNot
}

// repeats says whether an error comes again where the statement is run again, and undoes nothing but that statement.
func repeats(code uint16) bool {
	switch code {
	case codeDeadlock, codeRecordChanged, codeLockWaitTimeout, codeDuringCommit, codeInterrupted, codeStatementTimeout, codeConnectionKilled, codeServerShutdown, codeUnknownCommand:
		return false
	}
	return true
}

// appendStep adds x to the log. A prepared statement's execution is kept with its parameters' types, which the client sends only once.
func (s *session) appendStep(x *exchange) {
	log, packet := x.log, x.packet
	if st := x.stmt; st != nil {
		if e, ok := parseExecute(x.cmd.Body, st.params); ok && st.params > 0 && e.typesEnd == 0 && st.types != nil {
			packet = st.appendWithTypes(nil, x.cmd.Body)
		} else {
			packet = x.cmd.Packet
		}
	}
	c := s.srv.config()
	if len(log.steps) >= c.ReplayStatements || len(log.text)+len(packet) > int(c.ReplaySize) {
		log.refused = hinderedSize
		return
	}
	log.text = append(log.text, packet...)
	st := step{
		end: len(log.text), stmt: x.stmt, sum: log.hash.Sum64(), insertID: log.id, leaves: x.leaves &^ tieLast, asksID: x.needs&tieInsertID != 0,
		several: log.id != 0 && log.rows > 1,
	}
	switch {
	case !x.writes && !x.timely:
	case !x.began.IsZero():
		st.at = x.began.UnixMicro()
	default:
		st.at = time.Now().UnixMicro()
	}
	log.steps = append(log.steps, st)
	log.wrote = log.wrote || x.writes
	log.more = log.more || x.writes || !x.repeatable && !beginKinds.has(x.of) && x.of != classify.Empty
	log.ids = log.ids || log.id != 0
}
