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

// prepare runs COM_STMT_PREPARE on the conn where the statement would run now.
func (s *session) prepare(x *exchange) error {
	s.prepared = 0
	if !x.cmd.Whole() {
		if _, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil }); err != nil {
			return endSession(closeClientGone, err)
		}
		return s.writeError(wire.NewError(codePacketTooLarge, "galley: a statement to be prepared may have %d bytes at most (mysql.max_statement_buffer)", s.srv.config().MaxAllowedBuffer))
	}
	st := &statement{sql: append([]byte(nil), x.cmd.Body[1:]...), schema: s.state.schema}
	if st.class = classify.Statement(st.sql, s.mode()); st.class.Flags.Has(classify.ConnectionID) {
		st.class = s.identify(x, &st.class)
		st.sql = append(st.sql[:0], x.cmd.Body[1:]...)
	}
	if s.issued++; s.issued == lastPrepared {
		s.issued = 1
	}
	st.id = s.issued // Also where preparing fails: a conn may remember the id.
	t, _ := route(&st.class, s.situationOf(st, st.sql))
	if t == toNode {
		t = toReader
	}
	x.kind, x.prepared, x.repeatable, x.explains, x.atomic = wire.AnswerPrepare, st, true, true, true
	if err := s.execute(t, x); err != nil || x.failed || st.id == 0 {
		return err
	}
	if st.knownOn == nil {
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
	if lost := st.longOn != nil && st.longOn != s.writer && st.longOn != s.reader; lost || st.lostData {
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
	if refused, err := s.refuseElsewhere(x, &st.class, t); refused || err != nil {
		return err
	}
	x.kind = wire.AnswerQuery
	if x.cmd.Body[0] == wire.ComStmtExecute && len(x.cmd.Body) > 5 && x.cmd.Body[5] != 0 && st.class.Kind != classify.Call {
		x.kind = wire.AnswerCursor
	}
	if st.longOn != nil {
		x.repeatable = false // The long data is there and nowhere else.
	}
	s.closeCursor(st)
	err = s.answerStatement(t, x, &st.class)
	if err == nil && x.kind == wire.AnswerCursor && s.last != nil && !x.failed && s.answer.Status&wire.StatusCursorExists != 0 {
		st.openOn = s.last
		s.last.cursors++
	}
	st.longOn = nil
	s.count(x, reason, t)
	return err
}

// readyStatement sees to it that b has x's statement and gives the packet to be sent. The statement is prepared on b first where b does not know it.
func (s *session) readyStatement(b *backendConn, x *exchange) error {
	st := x.stmt
	known := st.known
	if st.knownOn != b {
		known = b.stmts[st.id]
	}
	if known == nil {
		id, err := b.prepareIn(st.schema, st.sql)
		if err != nil {
			return err
		}
		known = b.addStatement(st.id, id)
	}
	st.known, st.knownOn = known, b
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
	x.silent, x.stmt, x.noData = true, st, true
	x.longData = true
	return s.execute(t, x)
}

// longDataLost answers an execution whose long data went to a conn that is gone: without it another value would be written.
func (s *session) longDataLost(x *exchange, st *statement) error {
	st.longOn, st.lostData = nil, false
	if _, err := s.client.StreamRest(x.cmd, func([]byte) error { return nil }); err != nil {
		return endSession(closeClientGone, err)
	}
	return s.writeError(wire.NewError(codeLost, lostLongData))
}

const lostLongData = "Lost connection to server during query (galley: the node that had this statement's long data went away; the statement was not run)"

// fetch runs COM_STMT_FETCH where the cursor is open.
func (s *session) fetch(x *exchange, st *statement) error {
	b := st.openOn
	if b == nil || b != s.writer && b != s.reader {
		if b != nil {
			st.openOn = nil
			return s.writeError(lostError(b.node.Addr))
		}
		if b = s.writer; b == nil {
			b = s.reader
		}
		if b == nil || b.stmts[st.id] == nil {
			return s.writeError(wire.NewError(1421, "The statement (%d) has no open cursor.", st.id))
		}
	}
	x.kind, x.conn, x.stmt, x.noData = wire.AnswerRows, b, st, true
	err := s.execute(toConn, x)
	if err == nil && s.answer.Status&wire.StatusLastRowSent != 0 {
		s.closeCursor(st)
	}
	return err
}

// resetStatement runs COM_STMT_RESET: long data and the cursor are dropped wherever they are.
func (s *session) resetStatement(x *exchange, st *statement) error {
	s.closeCursor(st)
	st.longOn, st.lostData = nil, false
	for _, b := range []*backendConn{s.writer, s.reader} {
		if b == nil || b.stmts[st.id] == nil || b.lost.Load() {
			continue
		}
		putID(x.cmd.Body, b.stmts[st.id].id)
		err := b.Write(x.cmd.Packet)
		if err == nil {
			err = b.swallow(wire.AnswerSingle)
		}
		if err != nil && !isRefusal(err) {
			s.srv.lost(b, err)
			if err := s.lostIdle(b); err != nil {
				return err
			}
		}
	}
	return s.writeOK()
}

func (s *session) closeCursor(st *statement) {
	if st.openOn != nil {
		st.openOn.cursors--
		st.openOn = nil
	}
}

// closeStatement forgets st on both conns; COM_STMT_CLOSE has no answer.
func (s *session) closeStatement(st *statement) {
	if st == nil {
		return
	}
	s.closeCursor(st)
	delete(s.stmts, st.id)
	if s.lastStmt = nil; s.prepared == st.id {
		s.prepared = 0
	}
	for _, b := range []*backendConn{s.writer, s.reader} {
		if b == nil || b.stmts[st.id] == nil || b.lost.Load() {
			continue
		}
		id := b.stmts[st.id].id
		delete(b.stmts, st.id)
		if err := b.Write([]byte{5, 0, 0, 0, wire.ComStmtClose, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}); err != nil {
			b.lost.Store(true)
		}
	}
}
