package mysql

import (
	"testing"

	"galley/proxy/mysql/wire"
)

// TestCursorIsOfTheSameStatement: where a statement is known already, a cursor is opened over that one, and it is the session's own from then on.
func TestCursorIsOfTheSameStatement(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t")
	c.execute(st)
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openCursor(c); err != nil {
		t.Fatal(err)
	}
	c.command(wire.ComStmtReset, id(st.ID))
	c.execute(st)
	if n := count(d.n[1], wire.ComStmtPrepare); n != 1 {
		t.Errorf("prepared %d times", n)
	}
}

// TestCursorOnTheWriterKeepsReadsThere: a session with a cursor on the writer waits for no reader, as those who have all conns to readers may be waiting for the writer.
func TestCursorOnTheWriterKeepsReadsThere(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t FOR UPDATE")
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openCursor(c); err != nil {
		t.Fatal(err)
	}
	if got := c.query("SELECT 1"); got != "n1" {
		t.Errorf("beside the cursor a read on %q", got)
	}
	c.command(wire.ComStmtReset, id(st.ID))
	if got := c.query("SELECT 2"); got != "n2" {
		t.Errorf("after the cursor on %q", got)
	}
}
