package mysql

import (
	"encoding/binary"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// statement is a prepared statement as the client knows it. On each backend conn that runs it, it is prepared there first.
type statement struct {
	id       uint32
	schema   string // The default schema when it was prepared.
	sql      []byte
	class    classify.Class
	params   int
	types    []byte       // The parameter types that were bound last: two bytes each.
	bound    uint64       // Counts bindings, so that a backend statement can tell whether it has the last one.
	longOn   *backendConn // Where long data was sent for the next execution.
	openOn   *backendConn // Where a cursor is open.
	known    *backendStmt // What knownOn, the conn that it ran on last, knows it as.
	knownOn  *backendConn
	lostData bool // Long data for the next execution was lost with its conn.
}

// backendStmt is a statement as one backend conn knows it.
type backendStmt struct {
	id    uint32
	bound uint64 // The binding that it has.
}

// lastPrepared is the statement id that stands for the one prepared last (MariaDB KB, "COM_STMT_EXECUTE": direct execution).
const lastPrepared = 0xffffffff

// execute is the fixed front of COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE: command, statement id, flags and (not for bulk) iteration count.
type executeParts struct {
	nullBitmap int // Offset of the NULL bitmap.
	flagAt     int // Offset of the new-parameters-bound flag.
	typesEnd   int // Offset behind the types, where they are sent; 0 otherwise.
}

// parseExecute finds the parameter types in a COM_STMT_EXECUTE payload (MY, "COM_STMT_EXECUTE"). ok is false where it is too short to be one.
func parseExecute(body []byte, params int) (e executeParts, ok bool) {
	if len(body) < 10 {
		return e, false
	}
	if params == 0 {
		return e, true
	}
	e.nullBitmap = 10
	e.flagAt = 10 + (params+7)/8
	if len(body) <= e.flagAt {
		return e, false
	}
	if body[e.flagAt] == 1 {
		e.typesEnd = e.flagAt + 1 + 2*params
		if len(body) < e.typesEnd {
			return e, false
		}
	}
	return e, true
}

// bind keeps the parameter types that an execution brings, and says whether the execution must be sent with the kept ones because the node has not seen them.
func (st *statement) bind(body []byte, known *backendStmt) (addTypes, ok bool) {
	if body[0] != wire.ComStmtExecute || st.params == 0 {
		return false, true // A bulk execution says with each call whether it brings types; drivers always do.
	}
	e, ok := parseExecute(body, st.params)
	if !ok {
		return false, false
	}
	if e.typesEnd > 0 {
		st.types = append(st.types[:0], body[e.flagAt+1:e.typesEnd]...)
		st.bound++
		known.bound = st.bound
		return false, true
	}
	if known.bound != st.bound && st.types != nil {
		known.bound = st.bound
		return true, true
	}
	return false, true
}

// appendWithTypes appends a COM_STMT_EXECUTE packet that carries the kept types.
func (st *statement) appendWithTypes(b, body []byte) []byte {
	at := 10 + (st.params+7)/8
	n := len(body) + len(st.types)
	b = append(b, byte(n), byte(n>>8), byte(n>>16), 0)
	b = append(b, body[:at]...)
	b = append(b, 1)
	b = append(b, st.types...)
	return append(b, body[at+1:]...)
}

// statementID reads the id from the payload of a command on a prepared statement.
func statementID(body []byte) (uint32, bool) {
	if len(body) < 5 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(body[1:]), true
}
