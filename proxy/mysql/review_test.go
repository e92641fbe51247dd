package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// Tests that hold what a review of the door found. Here: what only one conn has is never replaced by something else.

// causally is the configuration in which reads see all acknowledged writes.
func causally(c *config.MySQL) { c.Consistency = config.Consistent }

// leavesTransaction fails as a procedure does that has begun a transaction and written in it.
func leavesTransaction(c *mysqltest.Conn, _ *mysqltest.Command) error {
	c.Status |= wire.StatusInTrans
	c.Err(1644, "Unhandled user-defined exception condition")
	return nil
}

// lose has the node close its conns, and waits until the door can see it.
func lose(t *testing.T, n *mysqltest.Node) {
	t.Helper()
	n.CloseConns()
	pastIdleCheck(t)
}

func TestTransactionLeftOpenByAFailure(t *testing.T) {
	const multi = "BEGIN; INSERT INTO t VALUES (1); NONSENSE"
	for name, fail := range map[string]func(*testClient){
		"CALL":     func(c *testClient) { c.fails("CALL p()", 1644) },
		"function": func(c *testClient) { c.fails("SELECT f()", 1644) },
		"prepared": func(c *testClient) {
			st := c.prepare("CALL p()")
			_, err := c.Execute(st)
			c.failed("executing CALL", err, 1644)
		},
		"several": func(c *testClient) { c.fails(multi, 1064) },
	} {
		start := func(t *testing.T) (*door, *testClient) {
			t.Helper()
			d := newSocketDoor(t, 2)
			d.n[0].On("CALL p()", leavesTransaction)
			d.n[0].On("SELECT f()", leavesTransaction)
			c := d.client()
			c.query("SELECT 0")
			fail(c)
			return d, c
		}
		t.Run(name+", goes on", func(t *testing.T) {
			_, c := start(t)
			for _, sql := range []string{"SELECT 1", "SELECT 2"} {
				if got := c.query(sql); got != "n1" {
					t.Errorf("%s on %s: it does not see what the session has written", sql, got)
				}
			}
			c.result("COMMIT")
			if got := c.query("SELECT 3"); got != "n2" {
				t.Errorf("after COMMIT on %s", got)
			}
		})
		for _, next := range []string{"COMMIT", "SELECT 1", "INSERT INTO t VALUES (2)", "BEGIN", "ROLLBACK"} {
			t.Run(name+", is lost, then "+next, func(t *testing.T) {
				d, c := start(t)
				lose(t, d.n[0])
				c.fails(next, codeLost)
				c.ended()
				d.expectRan(next, 0, 0)
			})
		}
	}
}

// TestFailureThatLeavesNoTransaction: the answer to the next statement tells, and reads are spread again.
func TestFailureThatLeavesNoTransaction(t *testing.T) {
	d := newDoor(t, 2)
	d.n[0].On("CALL p()", mysqltest.Fail(1305, "PROCEDURE p does not exist"))
	c := d.client()
	c.fails("CALL p()", 1305)
	c.query("SELECT 1")
	if got := c.query("SELECT 2"); got != "n2" {
		t.Errorf("the second read on %s", got)
	}
}

// schemasOf gives the schema in which each command of a kind with this text ran.
func schemasOf(n *mysqltest.Node, com byte, text string) (schemas []string) {
	for _, c := range n.Commands() {
		if c.Com == com && c.Text == text {
			schemas = append(schemas, c.Schema)
		}
	}
	return schemas
}

func TestPreparedAgainInItsSchema(t *testing.T) {
	for _, sql := range []string{"SELECT a FROM t WHERE b = ?", "INSERT INTO t VALUES (?)"} {
		t.Run(sql, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
			c.result("UPDATE t SET a = 0")
			st := c.prepare(sql)
			c.result("USE other")
			lose(t, d.n[0])
			c.result("BEGIN") // On a conn of the writer that does not know the statement.
			c.execute(st, "x")
			c.execute(st, "y")
			c.result("INSERT INTO t VALUES (2)")
			c.result("COMMIT")
			prepared := schemasOf(d.n[0], wire.ComStmtPrepare, sql)
			if prepared[len(prepared)-1] != "app" {
				t.Errorf("prepared in %q", prepared)
			}
			if got := schemasOf(d.n[0], wire.ComStmtExecute, sql); !slices.Equal(got, []string{"other", "other"}) {
				t.Errorf("executed in %q", got)
			}
			if got := schemasOf(d.n[0], wire.ComQuery, "INSERT INTO t VALUES (2)"); !slices.Equal(got, []string{"other"}) {
				t.Errorf("the statement after it in %q", got)
			}
			c.query("SELECT 3")
			if got := schemasOf(d.n[1], wire.ComQuery, "SELECT 3"); !slices.Equal(got, []string{"other"}) {
				t.Errorf("a read after it in %q", got)
			}
		})
	}
}

// TestPreparedAgainWhereItsSchemaIsGone: the client has the error, nothing runs, and the session goes on in its own schema.
func TestPreparedAgainWhereItsSchemaIsGone(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.query("SELECT 1")
	const sql = "SELECT a FROM t WHERE b = ?"
	st := c.prepare(sql)
	c.result("USE other")
	d.n[0].DropSchema("app")
	c.result("BEGIN")
	_, err := c.Execute(st, "x")
	c.failed("executing", err, 1049)
	c.result("INSERT INTO t VALUES (1)")
	d.expectRan(sql, 0, 0)
	if got := schemasOf(d.n[0], wire.ComQuery, "INSERT INTO t VALUES (1)"); !slices.Equal(got, []string{"other"}) {
		t.Errorf("the next statement in %q", got)
	}
}

// losses are the ways in which a session's conn to the writer can be gone.
func losses() map[string]func(*testing.T, *door, *testClient) {
	return map[string]func(*testing.T, *door, *testClient){
		"closed while idle": func(t *testing.T, d *door, _ *testClient) {
			t.Helper()
			lose(t, d.n[0])
		},
		"lost under a statement": func(_ *testing.T, d *door, c *testClient) {
			d.n[0].Once("UPDATE lost", mysqltest.CloseReset())
			c.fails("UPDATE lost SET a = 1", codeLost)
		},
		"another writer": func(_ *testing.T, d *door, _ *testClient) { d.cluster.Set(d.n[2], d.n[1]) },
	}
}

func TestStateOfALostConnIsNotReplaced(t *testing.T) {
	for _, c := range []struct {
		made  string // What the session does first.
		needs []string
		other []string // What goes on without it.
	}{
		{
			"SET @a=41+1",
			[]string{"INSERT INTO t VALUES (@a)", "SELECT @a", "SET @b=@a", "SET @a=1, @b=@a", "CALL p()", "SELECT f(1)", "SELECT 1; SELECT 2"},
			[]string{"INSERT INTO t VALUES (1)", "SELECT 1", "SET @c=1", "SET sql_mode=''", "BEGIN", "SELECT LAST_INSERT_ID()", "SELECT * FROM t FOR UPDATE"},
		},
		{
			"INSERT INTO t VALUES (0)",
			[]string{"INSERT INTO t VALUES (LAST_INSERT_ID())", "SELECT LAST_INSERT_ID()", "SET @b=LAST_INSERT_ID()", "CALL p()"},
			[]string{"INSERT INTO t VALUES (1)", "SELECT 1", "SELECT @a", "SET @a=1", "UPDATE t SET a = 1", "COMMIT"},
		},
	} {
		for how, loss := range losses() {
			for _, sql := range c.needs {
				if how == "another writer" {
					continue // Nothing is lost: TestStateGoesToAnotherWriter.
				}
				t.Run(c.made+", "+how+", "+sql, func(t *testing.T) {
					d := newSocketDoor(t, 3)
					cl := d.client()
					cl.result(c.made)
					loss(t, d, cl)
					cl.fails(sql, codeLost)
					cl.ended()
					d.expectRan(sql, 0, 0, 0)
				})
			}
			for _, sql := range c.other {
				t.Run(c.made+", "+how+", but "+sql, func(t *testing.T) {
					d := newSocketDoor(t, 3)
					cl := d.client()
					cl.result(c.made)
					loss(t, d, cl)
					cl.result(sql)
					if times := d.ran(sql); times[0]+times[1]+times[2] != 1 {
						t.Errorf("ran %v times", times)
					}
				})
			}
		}
	}
}

// TestStateGoesToAnotherWriter: user variables and the last insert id are read from the old writer's conn and set on the new one's.
func TestStateGoesToAnotherWriter(t *testing.T) {
	d := newSocketDoor(t, 3)
	c := d.client()
	c.result("SET @a=42")
	c.result("INSERT INTO t VALUES (0)")
	d.cluster.Set(d.n[2], d.n[1])
	if got := c.query("SELECT @a, LAST_INSERT_ID()"); got != "n3" {
		t.Errorf("on %s", got)
	}
	if got := d.n[2].Texts(); !slices.Contains(got, "SET @`a`=42, last_insert_id=1") {
		t.Errorf("the new writer was sent %q", got)
	}
}

// TestStateOfALostConnInAPreparedStatement: the statement's text counts, whichever command runs it.
func TestStateOfALostConnInAPreparedStatement(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	c.result("SET @a=41+1")
	st := c.prepare("INSERT INTO t VALUES (@a)")
	lose(t, d.n[0])
	_, err := c.Execute(st)
	c.failed("executing", err, codeLost)
	c.ended()
	d.expectRan("INSERT INTO t VALUES (@a)", 0, 0)
}

func TestNewStateAfterALoss(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	c.result("SET @a=42")
	c.result("INSERT INTO t VALUES (1)")
	lose(t, d.n[0])
	c.result("SET @a=1")
	c.result("INSERT INTO t VALUES (2)")
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("a read on %s", got)
	}
	c.fails("SELECT @b", codeLost) // Galley cannot know that only @a was lost and is set again.
	c.ended()
}

// TestLoginMakesALostStateGood: a session that begins anew has nothing to lose.
func TestLoginMakesALostStateGood(t *testing.T) {
	for name, again := range map[string]func(*testClient){
		"reset": func(c *testClient) { c.command(wire.ComResetConnection, "") },
		"change of user": func(c *testClient) {
			c.command(wire.ComChangeUser, changeUser("other", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "word"), ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client()
			c.result("SET @a=42")
			lose(t, d.n[0])
			c.result("INSERT INTO t VALUES (1)")
			again(c)
			c.query("SELECT @a")
			c.query("SELECT LAST_INSERT_ID()")
		})
	}
}

// executeLast sends an execution of the statement prepared last.
func executeLast(c *testClient) error {
	c.tb.Helper()
	if err := c.Send(wire.ComStmtExecute, id(lastPrepared)+"\x00\x01\x00\x00\x00"); err != nil {
		c.tb.Fatal(err)
	}
	_, err := c.Read()
	return err
}

func TestLastPreparedAfterAFailure(t *testing.T) {
	const good = "INSERT INTO t VALUES (5)"
	for name, fail := range map[string]func(*testClient){
		"refused": func(c *testClient) {
			if _, err := c.Prepare("INSERT INTO bad VALUES (5)"); !mysqltest.IsError(err, 1146) {
				c.tb.Errorf("preparing: %v", err)
			}
		},
		"too large": func(c *testClient) {
			if _, err := c.Prepare("INSERT INTO t VALUES ('" + strings.Repeat("x", 100<<10) + "')"); !mysqltest.IsError(err, codePacketTooLarge) {
				c.tb.Errorf("preparing: %v", err)
			}
		},
		"no node": func(c *testClient) {
			c.door.cluster.Set(nil)
			if _, err := c.Prepare("INSERT INTO t VALUES (6)"); !mysqltest.IsError(err, codeUnknownCommand) {
				c.tb.Errorf("preparing: %v", err)
			}
			c.door.cluster.Set(c.door.n[0], c.door.n[1])
		},
		"reset": func(c *testClient) { c.command(wire.ComResetConnection, "") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2, func(c *config.MySQL) { c.MaxAllowedBuffer, c.WaitForNode = 32<<10, 0 })
			for _, n := range d.n {
				n.On("PREPARE INSERT INTO bad", mysqltest.Fail(1146, "Table 'bad' doesn't exist"))
			}
			c := d.client()
			st := c.prepare(good)
			if err := executeLast(c); err != nil {
				t.Fatal(err)
			}
			fail(c)
			c.failed("executing the last one", executeLast(c), codeUnknownStatement)
			d.expectRan(good, 1, 0)
			if name != "reset" {
				c.execute(st) // By its own id it is there.
			}
			c.prepare("INSERT INTO t VALUES (7)")
			if err := executeLast(c); err != nil {
				t.Error(err)
			}
			d.expectRan("INSERT INTO t VALUES (7)", 1, 0)
		})
	}
}

func TestLongDataThatIsLost(t *testing.T) {
	for name, loss := range map[string]func(*testing.T, *door, func()){
		"idle": func(t *testing.T, d *door, send func()) {
			t.Helper()
			send()
			_ = d.client().query("SELECT 1") // The data is there by now, or soon.
			lose(t, d.n[0])
			lose(t, d.n[1])
		},
		"no node": func(_ *testing.T, d *door, send func()) {
			d.cluster.Set(nil)
			for _, n := range d.n {
				n.CloseConns()
			}
			send()
		},
		"another node": func(_ *testing.T, d *door, send func()) {
			send()
			for _, n := range d.n {
				n.Kill()
			}
			for _, n := range d.n {
				n.Revive()
			}
		},
		"in between": func(t *testing.T, d *door, send func()) {
			t.Helper()
			send()
			lose(t, d.n[0])
			lose(t, d.n[1])
			send() // The second part reaches a conn without the first.
		},
	} {
		for _, sql := range []string{"INSERT INTO t VALUES (?)", "SELECT a FROM t WHERE b = ?"} {
			t.Run(name+" "+sql, func(t *testing.T) {
				d := newSocketDoor(t, 2, func(c *config.MySQL) { c.WaitForNode = 0 })
				c := d.client()
				st := c.prepare(sql)
				c.execute(st, "before")
				loss(t, d, func() {
					if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00long"); err != nil {
						t.Fatal(err)
					}
					if err := c.Send(wire.ComPing, ""); err != nil { // Its answer shows that galley has done with it.
						t.Fatal(err)
					}
					if _, err := c.Read(); err != nil {
						t.Fatal(err)
					}
				})
				d.cluster.Set(d.n[0], d.n[1])
				before := d.ran(sql)
				_, err := c.Execute(st, "short")
				c.failed("executing", err, codeLost)
				if after := d.ran(sql); !slices.Equal(before, after) {
					t.Errorf("ran %v times, then %v", before, after)
				}
				c.execute(st, "whole") // The next one brings all of its values.
				after := d.ran(sql)
				if after[0]+after[1] != before[0]+before[1]+1 {
					t.Errorf("in the end ran %v times", after)
				}
			})
		}
	}
}

// TestLongDataForgottenByReset: COM_STMT_RESET drops long data, lost or not.
func TestLongDataForgottenByReset(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	st := c.prepare("INSERT INTO t VALUES (?)")
	if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00long"); err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 1")
	lose(t, d.n[0])
	c.command(wire.ComStmtReset, id(st.ID))
	c.execute(st, "short")
	d.expectRan("INSERT INTO t VALUES (?)", 1, 0)
}

// TestHeldElsewhere: a cursor or long data on a reader does not make galley forget the transaction that is open on the writer.
func TestHeldElsewhere(t *testing.T) {
	const sql = "SELECT a FROM t WHERE b = ?"
	start := func(t *testing.T) (*door, *testClient) {
		t.Helper()
		d := newSocketDoor(t, 2)
		return d, d.client()
	}
	check := func(t *testing.T, d *door, c *testClient) {
		t.Helper()
		if got := c.query("SELECT 2"); got != "n1" {
			t.Errorf("a read in the transaction on %s", got)
		}
		lose(t, d.n[0])
		c.fails("COMMIT", codeLost)
		c.ended()
	}
	t.Run("cursor", func(t *testing.T) {
		d, c := start(t)
		st := c.prepare("SELECT a FROM t")
		if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		if err := c.Send(wire.ComStmtFetch, id(st.ID)+"\x01\x00\x00\x00"); err != nil {
			t.Fatal(err)
		}
		var set mysqltest.Set
		if err := c.ReadRows(&set); err != nil || len(set.Rows) != 1 {
			t.Fatalf("fetching: %v, %+v", err, set)
		}
		check(t, d, c)
	})
	t.Run("long data", func(t *testing.T) {
		d, c := start(t)
		st := c.prepare(sql)
		if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00long"); err != nil {
			t.Fatal(err)
		}
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		r, err := c.Execute(st, "x")
		if err == nil && !strings.HasPrefix(r.Value(), "n1") {
			t.Errorf("the read ran on %s, outside of the transaction", r.Value())
		}
		check(t, d, c)
	})
}

// TestFoundRowsOfAnotherNode: what FOUND_ROWS() and ROW_COUNT() give is put into the text where the statement before ran elsewhere, also of a prepared statement.
func TestFoundRowsOfAnotherNode(t *testing.T) {
	const calc = "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"
	for sql, want := range map[string]string{
		"INSERT INTO t VALUES (FOUND_ROWS())": "INSERT INTO t VALUES (CAST(1|0 AS SIGNED))",
		"SET @n=FOUND_ROWS()":                 "SET @n=CAST(1|0 AS SIGNED)",
		"INSERT INTO t VALUES (ROW_COUNT())":  "INSERT INTO t VALUES (CAST(-1|0 AS SIGNED))",
		"UPDATE t SET a = FOUND_ROWS()":       "UPDATE t SET a = CAST(1|0 AS SIGNED)",
	} {
		for _, change := range [][]func(*config.MySQL){nil, {causally}} {
			d := newSocketDoor(t, 2, change...)
			c := d.client()
			if got := c.query(calc); got != "n2" {
				t.Fatalf("%s on %s", calc, got)
			}
			c.result(sql)
			d.expectRan(want, 1, 0)
			st := c.prepare(sql)
			c.query(calc)
			d.n[0].Forget()
			if _, err := c.Execute(st); err != nil {
				t.Errorf("%s, prepared: %v", sql, err)
			}
			d.expectRan(want, 1, 0)
			if got := c.query("SELECT FOUND_ROWS()"); got == "" {
				t.Errorf("no FOUND_ROWS()")
			}
			c.query(calc + " FOR UPDATE") // On the writer.
			d.n[0].Forget()
			c.result(sql)
			d.expectRan(sql, 1, 0)
		}
	}
}
