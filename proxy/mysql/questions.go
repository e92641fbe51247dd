package mysql

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unique"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// Statements that ask about the one before them.

// askBack sees to a statement about the one before it. Where the conn of that one is still the session's own and has all that is asked for, the statement runs there; else done is true
// if it was answered from what is known, or refused.
func (s *session) askBack(x *exchange, t target) (done bool, err error) {
	if on := s.last; on != nil && x.asks&s.after.kept == 0 && s.after.marked == nil && s.lastIs(t) && !s.lacks(on, x) {
		for _, sl := range s.slots() {
			if sl.conn == on && s.retake(sl) && (x.schemaFree || s.state.schema != "" || on.schema == "") {
				return false, nil
			}
		}
	}
	if !s.settleAfter() {
		return true, s.lostBefore(x)
	}
	s.last = nil
	s.after.kept = allParts
	return s.answerFrom(x)
}

// lacks says whether on has not what x sees beside what it asks for, or would have to prepare it as it was: to set that there would be another statement before it.
func (s *session) lacks(on *backendConn, x *exchange) bool {
	const left = tieVariables | tieInsertID
	if st := x.stmt; st != nil && on.stmts[st.key] == nil && (st.schema != on.schema || capture(on.vars, st.vars, s.srv.numeric) != "") {
		return true
	}
	return x.sees&left != 0 && (on.left != s.state.leftVersion || on.foreign&x.sees&left != 0)
}

// lastIs says whether a statement for t runs on the session's last conn, if that is the session's own.
func (s *session) lastIs(t target) bool {
	switch {
	case s.trx != nil:
		return s.trx == s.last
	case s.state.pins != 0 && s.pinnedOn != nil:
		return s.pinnedOn == s.last
	case t == toLast:
		return true
	case t == toReader:
		return s.last == s.reader.conn
	}
	return s.last == s.writer.conn
}

// answerFrom answers a statement about the one before it from what is known, or puts what is known into its text.
func (s *session) answerFrom(x *exchange) (done bool, err error) {
	tokens, ok := classify.Tokens(x.sql, s.mode())
	switch {
	case x.kind == wire.AnswerCursor || x.prepared != nil || x.stmt != nil && x.stmt.longOn != nil || x.lists && !ok:
	case x.lists && tokens[0].Is("get"):
		if text, ok := s.getDiagnostics(tokens); ok {
			s.askAs(x, text)
			return false, nil
		}
	case x.lists && len(tokens) > 5 && tokens[1].Is("count"):
		s.askAs(x, s.countOf(tokens[5].Is("errors")))
		return false, nil
	case x.lists:
		return s.showFrom(x, tokens)
	default:
		if text, ok := s.substitute(x.sql); ok {
			s.askAs(x, text)
			return false, nil
		}
	}
	return true, s.writeError(wire.NewError(codeNotSupported, "galley: this asks about the statement before, whose connection has gone to another session meanwhile: ask by SHOW WARNINGS, or FOUND_ROWS() or ROW_COUNT() in a statement of its own"))
}

// askAs has another text run in the place of x's.
func (s *session) askAs(x *exchange, text string) {
	if x.stmt == nil {
		x.rewrite(text)
		return
	}
	st := *x.stmt
	st.sql = []byte(text)
	st.key = stmtKey{text: unique.Make(text), private: &st}
	x.stmt = &st
}

// closeSubstitute closes what askAs has made of a prepared statement.
func (s *session) closeSubstitute(st *statement) {
	for _, sl := range s.slots() {
		if b := sl.holding(); b != nil {
			if known := b.stmts[st.key]; known != nil {
				b.closeStmt(st.key, known)
			}
		}
	}
}

// countOf asks for the number of warnings, or of errors, under the name and with the type that the server gives it.
func (s *session) countOf(errors bool) string {
	n, name := s.after.warnings, "warning_count"
	if errors {
		n, name = s.after.errors, "error_count"
	}
	return "SELECT NULLIF(" + strconv.Itoa(n) + "|0,NULL) AS `@@session." + name + "`"
}

// showFrom answers SHOW WARNINGS or SHOW ERRORS.
func (s *session) showFrom(x *exchange, tokens []classify.Token) (done bool, err error) {
	offset, limit := showLimit(tokens)
	onlyErrors := tokens[1].Is("errors")
	if s.after.warnings == 0 || s.after.shown == nil || onlyErrors && s.after.errors == 0 {
		s.askAs(x, "SHOW "+tokens[1].Text+" LIMIT 0")
		return false, nil
	}
	kept := keptAnswer{buf: s.after.shown}
	if !kept.split(s.caps.Has(wire.ClientDeprecateEOF)) || !kept.isRows() {
		return true, s.lostBefore(x)
	}
	out := bytes.Join(kept.head, nil)
	if !s.caps.Has(wire.ClientDeprecateEOF) {
		binary.LittleEndian.PutUint16(out[len(out)-2:], s.status)
	}
	seq := byte(len(kept.head))
	add := func(payload []byte) {
		seq++
		out = append(out, byte(len(payload)), byte(len(payload)>>8), byte(len(payload)>>16), seq)
		out = append(out, payload...)
	}
	for _, packet := range kept.rows {
		row, ok := values(packet)
		if !ok || onlyErrors && row[0].text != "Error" {
			continue
		}
		if offset > 0 {
			offset--
			continue
		}
		if limit--; limit < 0 {
			break
		}
		if payload := packet[wire.HeaderLen:]; x.stmt == nil {
			add(payload)
		} else {
			add(binaryWarning(row))
		}
	}
	if s.caps.Has(wire.ClientDeprecateEOF) {
		ok := wire.OK{Status: s.status}
		add(ok.Append(nil, gomysqlEOF, s.caps.Has(wire.ClientSessionTrack)))
	} else {
		add(wire.AppendEOF(nil, 0, s.status))
	}
	s.after.tellRows(-1)
	return true, s.client.Write(out)
}

// showLimit reads the LIMIT of SHOW WARNINGS.
func showLimit(tokens []classify.Token) (offset, limit int) {
	limit = 1 << 30
	if len(tokens) < 4 {
		return 0, limit
	}
	limit, _ = strconv.Atoi(tokens[3].Text)
	if len(tokens) > 5 {
		offset = limit
		limit, _ = strconv.Atoi(tokens[5].Text)
		if tokens[4].Is("offset") {
			offset, limit = limit, offset
		}
	}
	return offset, limit
}

// binaryWarning makes of a row of SHOW WARNINGS one of the binary protocol: a text, an INT and a text (MY, "Binary Protocol Resultset Row").
func binaryWarning(row []value) []byte {
	code, _ := strconv.ParseUint(row[1].text, 10, 32)
	out := append([]byte{0, 0}, gomysql.PutLengthEncodedString([]byte(row[0].text))...)
	out = binary.LittleEndian.AppendUint32(out, uint32(code))
	return append(out, gomysql.PutLengthEncodedString([]byte(row[2].text))...)
}

// getDiagnostics makes of GET DIAGNOSTICS a SET of what is known. The statements before may have left more than can be known: then ok is false.
func (s *session) getDiagnostics(tokens []classify.Token) (text string, ok bool) {
	r := &pinReader{tokens: tokens[1:]}
	r.skip("current")
	if !r.skip("diagnostics") {
		return "", false
	}
	var row []value
	if r.skip("condition") {
		n, ok := r.take(classify.TokenNumber, classify.TokenNumber)
		if !ok {
			return "", false
		}
		if row = s.condition(n); row == nil {
			return "", false
		}
	}
	text = "SET "
	for {
		name, ok := r.take(classify.TokenUserVariable, classify.TokenUserVariable)
		if !ok || !r.skip("=") {
			return "", false
		}
		item, ok := s.diagnosticsItem(r, row)
		if !ok {
			return "", false
		}
		text += "@" + quoteName(name) + "=" + item
		if r.ended() {
			return text, true
		}
		if !r.skip(",") {
			return "", false
		}
		text += ", "
	}
}

// diagnosticsItem gives the value of one item as a literal; row is the condition's, or nil.
func (s *session) diagnosticsItem(r *pinReader, row []value) (literal string, ok bool) {
	const text = "_utf8mb4 x'"
	switch {
	case row == nil && r.skip("number"):
		return "CAST(" + strconv.Itoa(s.after.warnings) + "|0 AS UNSIGNED)", true
	case row == nil && r.skip("row_count"):
		return strconv.FormatInt(s.after.rows, 10), true
	case row == nil:
		return "", false
	case r.skip("mysql_errno"):
		return "CAST(" + row[1].text + "|0 AS UNSIGNED)", true
	case r.skip("message_text"):
		return "CONVERT(" + text + hexOf(row[2].text) + "' USING utf8mb3)", true
	case r.skip("returned_sqlstate"):
		code, _ := strconv.ParseUint(row[1].text, 10, 16)
		state, known := gomysql.MySQLState[uint16(code)]
		return "CONVERT('" + state + "' USING utf8mb3)", known
	}
	return "", false
}

// condition gives what SHOW WARNINGS says of the condition with a number.
func (s *session) condition(number string) []value {
	n, err := strconv.Atoi(number)
	kept := keptAnswer{buf: s.after.shown}
	if err != nil || n < 1 || s.after.shown == nil || !kept.split(s.caps.Has(wire.ClientDeprecateEOF)) || n > len(kept.rows) {
		return nil
	}
	row, ok := values(kept.rows[n-1])
	if !ok || len(row) != 3 {
		return nil
	}
	return row
}

// hexOf gives a text's bytes as digits.
func hexOf(text string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		out = append(out, digits[text[i]>>4], digits[text[i]&15])
	}
	return string(out)
}

// lostBefore tells the client that what it asks about is lost.
func (s *session) lostBefore(x *exchange) error {
	s.lostTies, x.needs = s.lostTies|tieLast, x.needs|tieLast
	return s.refuseLost(x)
}

// substitute puts what is known into a statement's text, in the place of the calls that ask for it.
func (s *session) substitute(sql []byte) (string, bool) {
	calls := classify.Calls(sql, s.mode())
	if len(calls) == 0 {
		return "", false
	}
	text := classify.Rewrite(nil, sql, calls, func(c classify.SessionCall) (string, bool) {
		switch c.Name {
		case classify.CallFoundRows:
			return c.Literal(uint64(s.after.found)), true
		case classify.CallRowCount:
			return c.Literal(uint64(s.after.rows)), true
		case classify.CallWarningCount:
			return c.Literal(uint64(s.after.warnings)), true
		case classify.CallErrorCount:
			return c.Literal(uint64(s.after.errors)), true
		case classify.CallConnectionID, classify.CallLastInsertID, classify.CallPseudoThreadID, classify.CallInsertIDVariable:
		}
		return "", false
	})
	return string(text), true
}
