package mysqltest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"galley/proxy/mysql/wire"
)

// stmt is a prepared statement of one connection.
type stmt struct {
	id     uint32
	text   string
	params int
	types  string // The parameter types that have been bound.
	long   []byte
	cursor []string // Values of the rows that a cursor has still to give.
	open   bool
}

// statement finds the statement that a command names.
func (c *Conn) statement(body []byte) *stmt {
	if len(body) < 5 {
		return nil
	}
	return c.stmts[binary.LittleEndian.Uint32(body[1:])]
}

func (c *Conn) prepared(cmd *Command) error {
	if cmd.Com == wire.ComStmtPrepare {
		if reply := c.Node.take("PREPARE " + cmd.Text); reply != nil {
			return reply(c, cmd)
		}
		c.Prepare(cmd.Text)
		return nil
	}
	st := c.statement(cmd.Body)
	switch cmd.Com {
	case wire.ComStmtClose:
		if st != nil {
			delete(c.stmts, st.id)
		}
		return nil
	case wire.ComStmtSendLongData:
		if st != nil {
			st.long = append(st.long, cmd.Body[7:]...)
		}
		return nil
	}
	if st == nil {
		c.Err(1243, fmt.Sprintf("Unknown prepared statement handler (%d) given to the node", binary.LittleEndian.Uint32(cmd.Body[1:])))
		return nil
	}
	switch cmd.Com {
	case wire.ComStmtReset:
		st.long, st.open, st.cursor = nil, false, nil
		c.OK(wire.OK{})
		return nil
	case wire.ComStmtFetch:
		return c.fetch(st, cmd)
	}
	return c.execute(st, cmd)
}

// Prepare answers COM_STMT_PREPARE. A statement has a parameter for each question mark, and a column if it is a SELECT.
func (c *Conn) Prepare(text string) {
	c.nextStmt++
	st := &stmt{id: c.nextStmt, text: text, params: strings.Count(text, "?")}
	c.stmts[st.id] = st
	columns := 0
	if strings.HasPrefix(strings.ToUpper(text), "SELECT") {
		columns = 1
	}
	b := binary.LittleEndian.AppendUint32([]byte{0}, st.id)
	b = put16(put16(b, columns), st.params)
	c.packet(append(b, 0, 0, 0))
	for _, n := range []int{st.params, columns} {
		for range n {
			c.packet(definition("?"))
		}
		if n > 0 && !c.Caps.Has(wire.ClientDeprecateEOF) {
			c.packet(wire.AppendEOF(nil, 0, c.status()))
		}
	}
}

// bound takes the parameter types of an execution, single or in bulk; false is one that has none, now or before.
func (st *stmt) bound(body []byte) bool {
	flag, at, types := byte(1), 10+(st.params+7)/8, 11+(st.params+7)/8
	if body[0] == wire.ComStmtBulkExecute {
		flag, at, types = 128, 5, 7
	}
	if len(body) <= at {
		return false
	}
	if body[at]&flag != 0 {
		if len(body) < types+2*st.params {
			return false
		}
		st.types = string(body[types : types+2*st.params])
	}
	return st.types != ""
}

func (c *Conn) execute(st *stmt, cmd *Command) error {
	if st.params > 0 && !st.bound(cmd.Body) {
		c.Err(1210, "Incorrect arguments to mysqld_stmt_execute")
		return nil
	}
	cmd.Types = st.types
	long := st.long
	st.long, st.open = nil, false
	if reply := c.Node.take(st.text); reply != nil {
		c.Binary = true
		defer func() { c.Binary = false }()
		return reply(c, cmd)
	}
	c.Binary = true
	defer func() { c.Binary = false }()
	if !strings.HasPrefix(strings.ToUpper(st.text), "SELECT") {
		return c.query(cmd)
	}
	c.implicit(true)
	if cmd.Com == wire.ComStmtExecute && cmd.Body[5]&1 != 0 { // CURSOR_TYPE_READ_ONLY.
		st.open, st.cursor = true, []string{c.Node.Name, "second", "third"}
		c.head([]string{"a"})
		c.endWith(wire.StatusCursorExists)
		return nil
	}
	value := c.Node.Name
	if long != nil {
		value += ":" + string(long)
	}
	c.Rows([]string{"a"}, []string{value})
	return nil
}

// fetch gives rows of an open cursor.
func (c *Conn) fetch(st *stmt, cmd *Command) error {
	if !st.open {
		c.Err(1421, fmt.Sprintf("The statement (%d) has no open cursor.", st.id))
		return nil
	}
	c.Binary = true
	defer func() { c.Binary = false }()
	n := min(int(binary.LittleEndian.Uint32(cmd.Body[5:])), len(st.cursor))
	for _, v := range st.cursor[:n] {
		c.Row([]string{v})
	}
	st.cursor = st.cursor[n:]
	status := wire.StatusCursorExists
	if len(st.cursor) == 0 {
		status, st.open = wire.StatusLastRowSent, false
	}
	c.endWith(status)
	return nil
}
