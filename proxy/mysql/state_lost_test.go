package mysql

import (
	"slices"
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
