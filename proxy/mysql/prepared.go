package mysql

import (
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// statementCommand runs the commands on prepared statements. The client's statement ids are galley's; each backend conn has its own, made when it first runs the statement.
func (s *session) statementCommand(x *exchange) error {
	if x.cmd.Body[0] == wire.ComStmtPrepare {
		return s.prepare(x)
	}
	st := s.statement(x.cmd.Body)
	switch x.cmd.Body[0] {
	case wire.ComStmtClose:
		s.closeStatement(st)
		return nil
	case wire.ComStmtSendLongData:
		return s.longData(x, st)
	}
	if st == nil {
		return s.unknownStatement(x.cmd)
	}
	switch x.cmd.Body[0] {
	case wire.ComStmtFetch:
		return s.fetch(x, st)
	case wire.ComStmtReset:
		return s.resetStatement(x, st)
	default:
		return s.executeStatement(x, st)
	}
}

// statement finds the statement that a command names, or nil.
func (s *session) statement(body []byte) *statement {
	id, ok := statementID(body)
	if !ok {
		return nil
	}
	if id == lastPrepared {
		if id = s.prepared; id == 0 {
			return nil
		}
	}
	if s.lastStmt == nil || s.lastStmt.id != id {
		s.lastStmt = s.stmts[id]
	}
	return s.lastStmt
}

func (s *session) unknownStatement(cmd *wire.Command) error {
	name := map[byte]string{wire.ComStmtFetch: "mysqld_stmt_fetch", wire.ComStmtReset: "mysqld_stmt_reset"}[cmd.Body[0]]
	if name == "" {
		name = "mysqld_stmt_execute"
	}
	id, _ := statementID(cmd.Body)
	if _, err := s.client.StreamRest(cmd, func([]byte) error { return nil }); err != nil {
		return endSession(closeClientGone, err)
	}
	return s.writeError(wire.NewError(codeUnknownStatement, "Unknown prepared statement handler (%d) given to %s", id, name))
}

// maxStatements bounds the prepared statements of a session: the server's own max_prepared_stmt_count is this for all sessions together.
const maxStatements = 16382

// prepare runs COM_STMT_PREPARE on the conn where the statement would run now.
func (s *session) prepare(x *exchange) error {
	s.prepared = 0
	if !x.cmd.Whole() {
		if _, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil }); err != nil {
			return endSession(closeClientGone, err)
		}
		return s.writeError(wire.NewError(codePacketTooLarge, "galley: a statement to be prepared may have %d bytes at most (mysql.max_statement_buffer)", s.srv.config().MaxAllowedBuffer))
	}
	st := &statement{sql: append([]byte(nil), x.cmd.Body[1:]...), schema: s.state.schema, vars: s.state.vars}
	if len(s.stmts) >= maxStatements {
		return s.writeError(wire.NewError(1461, "Can't create more than max_prepared_stmt_count statements (current value: %d)", maxStatements))
	}
	if st.class = classify.Statement(st.sql, s.mode()); st.class.Flags.Has(classify.ConnectionID) {
		st.class = s.identify(x, &st.class)
		st.sql = append(st.sql[:0], x.cmd.Body[1:]...)
	}
	st.key = s.keyIn(st.schema, st.sql)
	if s.issued++; s.issued == lastPrepared {
		s.issued = 1
	}
	st.id = s.issued // Also where preparing fails: a conn may remember the id.
	t, _ := route(&st.class, s.situationOf(st, st.sql))
	if t == toNode {
		t = toReader
	}
	if st.schema == "" && schemaless(&st.class, st.sql) {
		st.bare, st.key.private = true, st
		x.changes = []pinChange{{hold: st.holdOf()}}
		if t == toReader {
			t = toWriter
		}
		x.forWriter = s.onReader()
	}
	x.kind, x.prepared, x.repeatable, x.explains, x.atomic = wire.AnswerPrepare, st, true, true, true
	x.found, x.rows = fateKept, fateKept
	if e := effectsOf(&st.class, st.sql); (e.needs|e.leaves)&tieVariables != 0 {
		x.sees = tieVariables                             // The columns have the variables' types.
		x.leaves = e.leaves & (tieVariables | tieUnknown) // The server makes, as NULL, those that are to be set.
		s.collect()
	}
	if err := s.execute(t, x); err != nil || x.failed || st.id == 0 {
		return err
	}
	if !x.noted {
		return nil // The client was told of an error.
	}
	s.prepared = st.id
	if s.stmts == nil {
		s.stmts = map[uint32]*statement{}
	}
	s.stmts[st.id] = st
	return nil
}

// executeStatement runs COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE.
func (s *session) executeStatement(x *exchange, st *statement) error {
	if st.longOn != nil && !s.holds(st.longOn) || st.lostData {
		return s.longDataLost(x, st)
	}
	x.stmt = st
	if st.class.Kind == classify.Kill {
		if done, err := s.kill(x, st.sql); done || err != nil {
			return err
		}
	}
	t, reason, err := s.place(x, &st.class, st.sql)
	if err != nil {
		return err
	}
	if t == toNode {
		t = toReader
	}
	x.kind = wire.AnswerQuery
	if x.cmd.Body[0] == wire.ComStmtExecute && len(x.cmd.Body) > 5 && x.cmd.Body[5] != 0 && st.class.Kind != classify.Call {
		x.kind = wire.AnswerCursor
		st.key.private = st
	}
	if x.asks != 0 {
		if done, err := s.askBack(x, t); done || err != nil {
			return err
		}
	}
	if st.longOn != nil {
		x.repeatable = false // The long data is there and nowhere else.
	}
	if err := s.closeCursor(st); err != nil {
		return err
	}
	before := st.types
	err = s.answerStatement(t, x, &st.class)
	if x.refused == codeUnsupportedPS && x.cmd.Body[0] == wire.ComStmtBulkExecute {
		s.unbind(st, before)
	}
	if err == nil && x.answered && x.kind == wire.AnswerCursor && s.last != nil && !x.failed && s.answer.Status&wire.StatusCursorExists != 0 {
		st.openOn = s.last
		s.last.cursors++
	}
	if x.stmt != st {
		s.closeSubstitute(x.stmt)
	}
	s.dropLongData(st)
	s.count(x, reason, t)
	return err
}

// readyStatement sees to it that b has x's statement and gives the packet to be sent. The statement is prepared on b first where b does not know it.
func (s *session) readyStatement(b *backendConn, x *exchange) error {
	st := x.stmt
	known := b.known(st.key)
	if known == nil && st.key.private != nil {
		known = b.adopt(st)
	}
	if known != nil && known.types != nil && st.types == nil && st.key.private == nil && !st.bringsTypes(x.cmd.Body) {
		st.key.private, known = st, nil // Another session has bound types there, and this one none: it must not run with those.
	}
	if known == nil {
		id, err := s.prepareAs(b, st)
		if err != nil {
			return err
		}
		known = b.addStatement(st.key, id, s.srv.config().Pool.MaxStatements)
	}
	putID(x.cmd.Body, known.id)
	x.packet = x.cmd.Packet
	if addTypes, ok := st.bind(x.cmd.Body, known); !ok || !addTypes {
		return nil
	}
	// Of a command that is not whole this is the front; the header counts all of it.
	n := wire.PayloadLen(x.cmd.Packet) + len(st.types)
	if n >= wire.MaxPayload {
		return wire.NewError(codePacketTooLarge, "galley: an execution of 16 MiB or more must bring its parameter types: its node is another one than before")
	}
	x.packet = st.appendWithTypes(nil, x.cmd.Body)
	wire.PutHeader(x.packet, n, 0)
	return nil
}

// unbind takes back the types of a bulk execution which the node has refused before it looked at them.
func (s *session) unbind(st *statement, before []byte) {
	st.types = before
	for _, sl := range s.slots() {
		if b := sl.holding(); b != nil && b.stmts[st.key] != nil {
			b.stmts[st.key].types = nil
		}
	}
}

func putID(body []byte, id uint32) {
	body[1], body[2], body[3], body[4] = byte(id), byte(id>>8), byte(id>>16), byte(id>>24)
}

// prepareIn prepares a statement in the schema that was the default one when the client prepared it: its names belong there. What runs next on b sets the session's schema again.
func (b *backendConn) prepareIn(schema string, sql []byte) (id uint32, err error) {
	if schema != "" && schema != b.schema {
		if err := b.command(wire.ComInitDB, schema); err != nil {
			return 0, err
		}
		b.schema = schema
	}
	return b.prepare(sql)
}

// prepare prepares sql on b and drops the answer's definitions.
func (b *backendConn) prepare(sql []byte) (id uint32, err error) {
	b.out = wire.AppendCommand(b.out[:0], wire.ComStmtPrepare, sql)
	if err := b.Write(b.out); err != nil {
		return 0, err
	}
	var a wire.Answer
	a.Start(wire.AnswerPrepare, b.caps)
	for !a.Done {
		win := b.Window()
		n, ev, err := a.Walk(win)
		if err != nil {
			return 0, err
		}
		switch ev {
		case wire.EventError:
			refused := wire.ParseErr(win[a.LastStart+wire.HeaderLen : n])
			b.Discard(n)
			return 0, refused
		case wire.EventHead:
			p := win[a.LastStart+wire.HeaderLen:]
			id = uint32(p[1]) | uint32(p[2])<<8 | uint32(p[3])<<16 | uint32(p[4])<<24
		case wire.EventMore, wire.EventStatus, wire.EventInFile, wire.EventDone:
		}
		b.Discard(n)
		if ev == wire.EventMore && !a.Done {
			if err := b.Fill(); err != nil {
				return 0, err
			}
		}
	}
	return id, nil
}

// longData passes COM_STMT_SEND_LONG_DATA on to where the statement will run next; it has no answer.
func (s *session) longData(x *exchange, st *statement) error {
	if st == nil {
		_, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil })
		if err != nil {
			return endSession(closeClientGone, err)
		}
		return nil
	}
	t, _ := route(&st.class, s.situationOf(st, st.sql))
	if t == toNode {
		t = toReader
	}
	if st.lostData {
		x.stmt = st
		if _, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil }); err != nil {
			return endSession(closeClientGone, err)
		}
		return nil
	}
	st.key.private = st
	x.silent, x.stmt, x.noData = true, st, true
	x.longData = true
	return s.execute(t, x)
}

// longDataLost answers an execution whose long data went to a conn that is gone: without it another value would be written.
func (s *session) longDataLost(x *exchange, st *statement) error {
	s.dropLongData(st)
	st.lostData = false
	if _, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil }); err != nil {
		return endSession(closeClientGone, err)
	}
	return s.writeError(lost(lostLongData))
}

const lostLongData = "Lost connection to server during query (galley: the node that had this statement's long data went away; the statement was not run)"

// fetch runs COM_STMT_FETCH where the cursor is open.
func (s *session) fetch(x *exchange, st *statement) error {
	b := st.openOn
	if b == nil {
		return s.writeError(wire.NewError(1421, "The statement (%d) has no open cursor", st.id))
	}
	if !s.holds(b) {
		st.openOn = nil
		return s.writeError(lostError(b.node.Addr))
	}
	x.kind, x.conn, x.stmt, x.noData = wire.AnswerRows, b, st, true
	err := s.execute(toConn, x)
	if err == nil && x.answered && !x.failed && s.answer.Status&wire.StatusLastRowSent != 0 && st.openOn != nil {
		st.openOn.cursors-- // The node has closed it.
		st.openOn = nil
	}
	return err
}

// resetStatement runs COM_STMT_RESET: long data and the cursor are dropped.
func (s *session) resetStatement(_ *exchange, st *statement) error {
	st.lostData = false
	s.after.tellRows(0)
	if err := s.closeCursor(st); err != nil {
		return err
	}
	if b := st.longOn; b != nil {
		s.dropLongData(st)
		if err := s.resetOn(b, st); err != nil {
			return err
		}
	}
	return s.writeOK()
}

// dropLongData forgets that there is long data for the next execution.
func (s *session) dropLongData(st *statement) {
	if st.longOn != nil {
		st.longOn.longs--
		st.longOn = nil
	}
}

// closeCursor closes st's cursor on its conn.
func (s *session) closeCursor(st *statement) error {
	b := st.openOn
	if b == nil {
		return nil
	}
	b.cursors--
	st.openOn = nil
	return s.resetOn(b, st)
}

// resetOn runs COM_STMT_RESET on b.
func (s *session) resetOn(b *backendConn, st *statement) error {
	known := b.stmts[st.key]
	if known == nil || !s.holds(b) {
		return nil
	}
	err := b.Write([]byte{5, 0, 0, 0, wire.ComStmtReset, byte(known.id), byte(known.id >> 8), byte(known.id >> 16), byte(known.id >> 24)})
	if err == nil {
		err = b.swallow(wire.AnswerSingle)
	}
	if err != nil && !isRefusal(err) {
		s.srv.lost(b, err)
		return s.lostIdle(b)
	}
	return nil
}

// closeStatement forgets st; COM_STMT_CLOSE has no answer. Conns keep what others may use too.
func (s *session) closeStatement(st *statement) {
	if st == nil {
		return
	}
	delete(s.stmts, st.id)
	if st.bare {
		s.state.release(st.holdOf(), false)
	}
	if s.lastStmt = nil; s.prepared == st.id {
		s.prepared = 0
	}
	if st.openOn != nil {
		st.openOn.cursors--
	}
	on := [...]*backendConn{st.longOn, st.openOn}
	s.dropLongData(st)
	st.openOn = nil
	for _, b := range on {
		if b == nil || !s.holds(b) {
			continue
		}
		if known := b.stmts[st.key]; known != nil {
			b.closeStmt(st.key, known)
		}
	}
}
