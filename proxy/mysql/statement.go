package mysql

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unique"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// statement is a prepared statement as the client knows it. On each backend conn that runs it, it is prepared there first.
type statement struct {
	id       uint32
	key      stmtKey
	schema   string     // The default schema when it was prepared.
	bare     bool       // It was prepared without one and would see another: see schemaless.
	vars     []variable // What the session had set then.
	sql      []byte
	class    classify.Class
	params   int
	types    []byte       // The parameter types that were bound last: two bytes each.
	longOn   *backendConn // Where long data was sent for the next execution.
	openOn   *backendConn // Where a cursor is open.
	lostData bool         // Long data for the next execution was lost with its conn.
}

// stmtKey is what a conn knows a statement by: sessions that prepare the same text in the same circumstances share one. One that keeps something on its conn, a cursor or long
// data, has it for itself.
type stmtKey struct {
	text    unique.Handle[string]
	private *statement
}

// keepsOn says whether the statement has something on b that would be lost with it there.
func (k stmtKey) keepsOn(b *backendConn) bool {
	return k.private != nil && (k.private.longOn == b || k.private.openOn == b || k.private.bare)
}

// keyIn makes the key of a text: how it is understood depends on the schema, and on what the session has set.
func (s *session) keyIn(schema string, sql []byte) stmtKey {
	var b strings.Builder
	b.WriteString(schema)
	for _, name := range captured() {
		value, set := s.state.value(name)
		b.WriteByte(0)
		if set {
			b.WriteByte(1)
		}
		b.WriteString(value)
	}
	b.WriteByte(0)
	b.Write(sql)
	return stmtKey{text: unique.Make(b.String())}
}

// backendStmt is a statement as one backend conn knows it.
type backendStmt struct {
	id    uint32
	types []byte // The parameter types that it has.
	used  uint64 // When it was last used, in uses of its conn.
}

// known finds a statement on b.
func (b *backendConn) known(key stmtKey) *backendStmt {
	st := b.stmts[key]
	if st != nil {
		b.uses++
		st.used = b.uses
	}
	return st
}

// adopt makes st's own on b what b knew for all sessions, if there is such a statement: it has seen whatever happened since it was prepared. One with another's types it must not be.
func (b *backendConn) adopt(st *statement) *backendStmt {
	shared := stmtKey{text: st.key.text}
	known := b.stmts[shared]
	if known == nil || known.types != nil && st.types == nil {
		return nil
	}
	delete(b.stmts, shared)
	b.stmts[st.key] = known
	return b.known(st.key)
}

// addStatement notes under which id the node knows a statement. Of too many the one unused for longest is closed.
func (b *backendConn) addStatement(key stmtKey, id uint32, limit int) *backendStmt {
	if b.stmts == nil {
		b.stmts = map[stmtKey]*backendStmt{}
	}
	if old := b.stmts[key]; old != nil {
		b.closeStmt(key, old)
	}
	for len(b.stmts) >= limit {
		var oldest stmtKey
		var least *backendStmt
		for k, st := range b.stmts {
			if (least == nil || st.used < least.used) && !k.keepsOn(b) {
				oldest, least = k, st
			}
		}
		if least == nil {
			break
		}
		b.closeStmt(oldest, least)
	}
	b.uses++
	st := &backendStmt{id: id, used: b.uses}
	b.stmts[key] = st
	return st
}

// closeStmt closes a statement on b; COM_STMT_CLOSE has no answer.
func (b *backendConn) closeStmt(key stmtKey, st *backendStmt) {
	delete(b.stmts, key)
	if err := b.Write([]byte{5, 0, 0, 0, wire.ComStmtClose, byte(st.id), byte(st.id >> 8), byte(st.id >> 16), byte(st.id >> 24)}); err != nil {
		b.lost.Store(true)
	}
}

// lastPrepared is the statement id that stands for the one prepared last (MariaDB KB, "COM_STMT_EXECUTE": direct execution).
const lastPrepared = 0xffffffff

// executeParts is where an execution says which types its parameters have.
type executeParts struct {
	flagAt   int  // Offset of the byte that says whether types are sent.
	flag     byte // The bit in it.
	typesAt  int  // Offset of the types, or of what follows where there are none.
	typesEnd int  // Offset behind the types, where they are sent; 0 otherwise.
}

// bulkTypes is the flag of COM_STMT_BULK_EXECUTE that types are sent (KB, "COM_STMT_BULK_EXECUTE").
const bulkTypes = 128

// parseExecute finds the parameter types in the payload of COM_STMT_EXECUTE (MY; behind 10 bytes the NULL bitmap, then the flag) or of COM_STMT_BULK_EXECUTE
// (KB; two bytes of flags behind the statement's id). ok is false where it is too short to be one.
func parseExecute(body []byte, params int) (e executeParts, ok bool) {
	if len(body) == 0 {
		return e, false
	}
	e.flag, e.flagAt = 1, 10+(params+7)/8
	e.typesAt = e.flagAt + 1
	if body[0] == wire.ComStmtBulkExecute {
		e.flag, e.flagAt, e.typesAt = bulkTypes, 5, 7
	}
	if len(body) < e.typesAt {
		return e, false
	}
	if body[e.flagAt]&e.flag != 0 {
		e.typesEnd = e.typesAt + 2*params
	}
	return e, len(body) >= e.typesEnd
}

// bringsTypes says whether an execution says which types its parameters have.
func (st *statement) bringsTypes(body []byte) bool {
	e, ok := parseExecute(body, st.params)
	return ok && e.typesEnd > 0
}

// bind keeps the parameter types that an execution brings, and says whether the execution must be sent with the kept ones because the node has not seen them.
func (st *statement) bind(body []byte, known *backendStmt) (addTypes, ok bool) {
	if st.params == 0 {
		return false, true
	}
	e, ok := parseExecute(body, st.params)
	if !ok {
		return false, false
	}
	if e.typesEnd > 0 {
		if types := body[e.typesAt:e.typesEnd]; !bytes.Equal(types, st.types) {
			st.types = bytes.Clone(types)
		}
		known.types = st.types
		return false, true
	}
	if st.types != nil && !bytes.Equal(known.types, st.types) {
		known.types = st.types
		return true, true
	}
	return false, true
}

// appendWithTypes appends the packet of an execution that bind said to send with the kept types.
func (st *statement) appendWithTypes(b, body []byte) []byte {
	e, _ := parseExecute(body, st.params)
	n := len(body) + len(st.types)
	b = append(b, byte(n), byte(n>>8), byte(n>>16), 0)
	front := len(b)
	b = append(b, body[:e.typesAt]...)
	b[front+e.flagAt] |= e.flag
	b = append(b, st.types...)
	return append(b, body[e.typesAt:]...)
}

// statementID reads the id from the payload of a command on a prepared statement.
func statementID(body []byte) (uint32, bool) {
	if len(body) < 5 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(body[1:]), true
}
