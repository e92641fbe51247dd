//go:build e2e

package e2e

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"galley/proxy/mysql/wire"
)

// stepKind is what command a step is.
type stepKind int

const (
	stepQuery stepKind = iota
	stepPrepare
	stepExecute
	stepBulk
	stepLongData
	stepResetStatement
	stepFetch
	stepClose
	stepInitDB
	stepFieldList
	stepPing
	stepSetOption
	stepResetConnection
	stepChangeUser
	stepReconnect
)

// String names the command.
func (k stepKind) String() string {
	return [...]string{
		"query", "prepare", "execute", "bulk execute", "long data", "reset statement", "fetch", "close", "init db", "field list", "ping", "set option",
		"reset connection", "change user", "reconnect",
	}[k]
}

// step is one command of a session. It does not depend on the answers before it, so that steps can be left out of a session that is to be made smaller.
type step struct {
	kind    stepKind
	sql     string // Also a schema, a table, long data.
	slot    int    // Of a prepared statement: a client's handle, whatever the server's id.
	number  int    // Rows to fetch, the parameter of long data, the option, the charset.
	cursor  bool
	types   bool
	params  []param
	rows    [][]param // Of a bulk execution.
	account account
	schema  string
}

// String is a step as a reader can repeat it by hand.
func (st *step) String() string {
	switch st.kind { //nolint:exhaustive // the others look alike
	case stepQuery:
		return st.sql + ";"
	case stepPrepare:
		return fmt.Sprintf("/* prepare #%d */ %s;", st.slot, st.sql)
	case stepExecute, stepBulk:
		var params []string
		for _, row := range append([][]param{st.params}, st.rows...) {
			var values []string
			for _, p := range row {
				values = append(values, p.String())
			}
			params = append(params, strings.Join(values, ", "))
		}
		return fmt.Sprintf("/* %s #%d cursor=%t types=%t */ (%s)", st.kind, st.slot, st.cursor, st.types, strings.Join(params, "; "))
	case stepChangeUser:
		return fmt.Sprintf("/* change user */ %s, schema %q, charset %d", st.account.user, st.schema, st.number)
	case stepReconnect:
		return fmt.Sprintf("/* reconnect */ schema %q", st.schema)
	default:
		return fmt.Sprintf("/* %s #%d %d */ %q", st.kind, st.slot, st.number, st.sql)
	}
}

// The types of parameters (MySQL's enum_field_types).
const (
	typeTiny       = 1
	typeShort      = 2
	typeLong       = 3
	typeFloat      = 4
	typeDouble     = 5
	typeNull       = 6
	typeLongLong   = 8
	typeDate       = 10
	typeTime       = 11
	typeDatetime   = 12
	typeNewDecimal = 246
	typeBlob       = 252
	typeVarString  = 253
	unsigned       = 0x80
)

// param is a value of a prepared statement's parameter.
type param struct {
	kind  byte
	flag  byte
	null  bool
	long  bool // It has been sent as long data.
	value string
	n     int64
	f     float64
}

// String shows the value.
func (p param) String() string {
	switch {
	case p.null:
		return fmt.Sprintf("NULL(%d)", p.kind)
	case p.long:
		return "long data"
	case p.kind == typeFloat || p.kind == typeDouble:
		return fmt.Sprintf("%g(%d)", p.f, p.kind)
	case p.kind == typeBlob || p.kind == typeVarString || p.kind == typeNewDecimal:
		return fmt.Sprintf("%q(%d)", p.value, p.kind)
	default:
		return fmt.Sprintf("%d(%d)", p.n, p.kind)
	}
}

// append appends the value as the binary protocol has it (MariaDB KB, "COM_STMT_EXECUTE").
func (p param) append(b []byte) []byte {
	switch p.kind {
	case typeNull:
		return b
	case typeTiny:
		return append(b, byte(p.n))
	case typeShort:
		return binary.LittleEndian.AppendUint16(b, uint16(p.n))
	case typeLong:
		return binary.LittleEndian.AppendUint32(b, uint32(p.n))
	case typeLongLong:
		return binary.LittleEndian.AppendUint64(b, uint64(p.n))
	case typeFloat:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(p.f)))
	case typeDouble:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(p.f))
	case typeDate:
		return append(b, 4, 0xe0, 0x07, byte(1+p.n&7), byte(1+p.n&15))
	case typeDatetime:
		return append(b, 11, 0xe0, 0x07, byte(1+p.n&7), byte(1+p.n&15), byte(p.n&15), byte(p.n&31), 59, 0x40, 0xe2, 0x01, 0)
	case typeTime:
		return append(b, 8, byte(p.n&1), 1, 0, 0, 0, byte(p.n&15), byte(p.n&31), 7)
	default:
		b = wire.AppendLenenc(b, uint64(len(p.value)))
		return append(b, p.value...)
	}
}

// execution is what follows the id in COM_STMT_EXECUTE.
func (st *step) execution() []byte {
	b := []byte{0, 1, 0, 0, 0}
	if st.cursor {
		b[0] = 1
	}
	if len(st.params) == 0 {
		return b
	}
	nulls := make([]byte, (len(st.params)+7)/8)
	for i, p := range st.params {
		if p.null {
			nulls[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, nulls...)
	if st.types {
		b = append(b, 1)
		for _, p := range st.params {
			b = append(b, p.kind, p.flag)
		}
	} else {
		b = append(b, 0)
	}
	for _, p := range st.params {
		if !p.null && !p.long {
			b = p.append(b)
		}
	}
	return b
}

// bulk is what follows the id in COM_STMT_BULK_EXECUTE (MariaDB KB); the types always come along.
func (st *step) bulk() []byte {
	b := []byte{128, 0}
	for _, p := range st.rows[0] {
		b = append(b, p.kind, p.flag)
	}
	for _, row := range st.rows {
		for _, p := range row {
			if p.null {
				b = append(b, 1)
				continue
			}
			b = p.append(append(b, 0))
		}
	}
	return b
}
