package mysql

import (
	"testing"
	"testing/synctest"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
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

// TestAQuestionIsAlwaysAnswered also where the node refuses to say what galley asks for.
func TestAQuestionIsAlwaysAnswered(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		c.result("INSERT INTO t VALUES (1)")
		d.n[1].On(rescueCounts, mysqltest.Fail(1317, "Query execution was interrupted"))
		c.result("SELECT 1 UNION SELECT 2")
		answer := asking(c, "SHOW WARNINGS")
		synctest.Wait()
		select {
		case err := <-answer:
			if !mysqltest.IsError(err, codeLost) {
				t.Error(err)
			}
		default:
			t.Error("no answer")
		}
	})
}

// TestAnExecutionThatIsGivenUpOpensNoCursor, whatever the answer before it was: its session would keep a conn from others.
func TestAnExecutionThatIsGivenUpOpensNoCursor(t *testing.T) {
	d := newDoor(t, 2, func(c *config.MySQL) { c.WaitForNode = 0 })
	c := d.client()
	first, second := c.prepare("SELECT a FROM t"), c.prepare("SELECT b FROM t FOR UPDATE")
	if err := c.Send(wire.ComStmtExecute, first.ExecuteBody(true, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openCursor(c); err != nil {
		t.Fatal(err)
	}
	d.cluster.Set(nil, d.n[1])
	if err := c.Send(wire.ComStmtExecute, second.ExecuteBody(true, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read()
	c.failed("an execution without a writer", err, codeUnknownCommand)
	c.command(wire.ComStmtReset, id(first.ID))
	c.query("SELECT 1")
	until(t, "all conns are idle", func() bool {
		open, idle := 0, 0
		for _, set := range d.srv.conns.all() {
			o, i, _ := set.counts()
			open, idle = open+o, idle+i
		}
		return open == idle
	})
}

// TestNoReaderIsWaitedForWithAConnToTheWriter: nor where the session has one to a reader that it is just leaving.
func TestNoReaderIsWaitedForWithAConnToTheWriter(t *testing.T) {
	d := newDoor(t, 3)
	c := d.client()
	onWriter, onReader := c.prepare("SELECT a FROM t FOR UPDATE"), c.prepare("SELECT a FROM t")
	for _, st := range []mysqltest.Statement{onReader, onWriter} { // In this order: the second would stay beside the first.
		if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := openCursor(c); err != nil {
			t.Fatal(err)
		}
	}
	other := d.n[2]
	if other.Ran("SELECT a FROM t") > 0 {
		other = d.n[1]
	}
	d.cluster.Set(d.n[0], other)
	if err := c.Send(wire.ComStmtExecute, onReader.ExecuteBody(true, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); err != nil {
		t.Fatal(err)
	}
	if other.Ran("SELECT a FROM t") != 0 {
		t.Error("it has run on another reader")
	}
}
