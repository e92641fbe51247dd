package mysql

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func replaying(c *config.MySQL) {
	c.TransactionReplay, c.ReplaySize, c.ReplayStatements, c.DeadlockRetries = true, 1<<20, 100, 3
}

// replayDoor is a door that runs transactions again, before three nodes, whose answers to SELECT a are the same.
func replayDoor(t *testing.T, change ...func(*config.MySQL)) (*door, *testClient) {
	t.Helper()
	d := newSocketDoor(t, 3, append([]func(*config.MySQL){replaying}, change...)...)
	for _, n := range d.n {
		n.On("SELECT a", mysqltest.Table("one", "two"))
	}
	d.cluster.Set(d.n[0], d.n[2])
	return d, d.client()
}

// dies is a node that is lost with the statement; another is the writer then.
func (d *door) dies() mysqltest.Reply {
	return func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Set(d.n[1], d.n[2])
		return errors.New("gone")
	}
}

// outcome is how often transactions were run again, by result.
func (d *door) outcome(r replayResult) uint64 { return d.srv.metrics.replays[r].Load() }

var stampText = regexp.MustCompile(`timestamp=[0-9.]+`)

// texts is what has reached the node, without the digits of times.
func texts(n *mysqltest.Node) string {
	return stampText.ReplaceAllString(strings.Join(n.Texts(), "; "), "timestamp=T")
}

// TestATransactionGoesOnElsewhere: whatever statement was under way, the client sees nothing.
func TestATransactionGoesOnElsewhere(t *testing.T) {
	for _, begin := range []string{"BEGIN", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SET autocommit=0"} {
		for _, at := range []string{"SELECT a FROM t", "SELECT a FROM t FOR UPDATE", "INSERT INTO t VALUES (2)", "SAVEPOINT s", "ROLLBACK TO s"} {
			t.Run(begin+", "+at, func(t *testing.T) {
				d, c := replayDoor(t)
				c.result(begin)
				c.result("INSERT INTO t VALUES (1)")
				c.result("SELECT a FROM u")
				d.n[0].On(at, d.dies())
				c.result(at)
				c.result("COMMIT")
				d.expectRan(at, 1, 1, 0)
				d.expectRan("COMMIT", 0, 1, 0)
				want := "INSERT INTO t VALUES (1); SELECT @@insert_id; SELECT a FROM u; SET SESSION timestamp=DEFAULT, insert_id=DEFAULT; " + at + "; COMMIT"
				got := texts(d.n[1])
				if got = strings.Replace(got, "insert_id=DEFAULT; SELECT a FROM u; ", "SELECT a FROM u; ", 1); !strings.HasSuffix(strings.Replace(got, "SET SESSION SELECT a", "SELECT a", 1), want) {
					t.Errorf("the new writer got %s", got)
				}
				if d.outcome(replayDone) != 1 {
					t.Error("not counted")
				}
			})
		}
	}
}

// TestIDsAndTimesAreTheSameAgain: each statement gets the id and the time that it had, and nothing of it stays.
func TestIDsAndTimesAreTheSameAgain(t *testing.T) {
	d, c := replayDoor(t)
	for range 4 {
		c.result("INSERT INTO t VALUES (0)")
	}
	c.result("BEGIN")
	r := c.result("INSERT INTO t VALUES (1)")
	if r.Last().OK.InsertID != 5 {
		t.Fatalf("the first got %d", r.Last().OK.InsertID)
	}
	c.result("SELECT a, LAST_INSERT_ID()")
	d.n[0].On("UPDATE t", d.dies())
	c.result("UPDATE t SET a=1")
	c.result("COMMIT")
	want := "BEGIN; SET SESSION timestamp=T, insert_id=5; INSERT INTO t VALUES (1); SELECT @@insert_id; SET SESSION insert_id=DEFAULT; SELECT a, LAST_INSERT_ID(); " +
		"SET SESSION timestamp=DEFAULT, insert_id=DEFAULT; UPDATE t SET a=1; COMMIT"
	if got := texts(d.n[1]); !strings.HasSuffix(got, want) {
		t.Errorf("the new writer got\n%s, want\n%s", got, want)
	}
}

// TestACommitIsNotRepeated unless it surely was not applied.
func TestACommitIsNotRepeated(t *testing.T) {
	for name, reply := range map[string]mysqltest.Reply{
		"closed": mysqltest.Close(), "shutdown": mysqltest.FailAndClose(1053, "Server shutdown in progress"), "cut": mysqltest.Cut(3, mysqltest.Usual()),
		"unknown fate": mysqltest.Fail(1180, "Got error 6 during COMMIT; Primary Component lost"),
	} {
		t.Run(name, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
			d.n[0].On("COMMIT", func(co *mysqltest.Conn, cmd *mysqltest.Command) error {
				d.cluster.Set(d.n[1], d.n[2])
				return reply(co, cmd)
			})
			if _, err := c.Query("COMMIT"); err == nil {
				t.Error("no error")
			}
			d.expectRan("INSERT INTO t VALUES (1)", 1, 0, 0)
			d.expectRan("COMMIT", 1, 0, 0)
		})
	}
	for name, lose := range map[string]func(d *door){
		"not ready": func(d *door) {
			d.n[0].On("COMMIT", func(co *mysqltest.Conn, _ *mysqltest.Command) error {
				d.cluster.Set(d.n[1], d.n[2])
				co.Err(1047, notPrepared)
				return nil
			})
		},
		"closed before": func(d *door) { d.cluster.Set(d.n[1], d.n[2]); d.n[0].CloseConns() },
	} {
		t.Run(name, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
			lose(d)
			pastIdleCheck(t)
			c.result("COMMIT")
			d.expectRan("INSERT INTO t VALUES (1)", 1, 1, 0)
			if d.n[1].Ran("COMMIT") != 1 {
				t.Error("not committed")
			}
		})
	}
	t.Run("nothing but read", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("SELECT a FROM t")
		d.n[0].On("COMMIT", d.dies())
		d.n[1].On("SELECT a FROM t", mysqltest.Table("others", "have", "changed it"))
		c.result("COMMIT")
		d.expectRan("SELECT a FROM t", 1, 0, 0)
		d.expectRan("COMMIT", 1, 1, 0)
		if got := c.query("SELECT 1"); got == "n1" {
			t.Error("then on the lost node")
		}
	})
	t.Run("nothing written, and locks held", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("SELECT a FROM t FOR UPDATE")
		d.n[0].On("COMMIT", d.dies())
		c.result("COMMIT")
		d.expectRan("SELECT a FROM t FOR UPDATE", 1, 1, 0)
		d.expectRan("COMMIT", 1, 1, 0)
	})
	t.Run("a rollback", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[0].On("ROLLBACK", d.dies())
		c.result("ROLLBACK")
		d.expectRan("INSERT INTO t VALUES (1)", 1, 0, 0)
	})
}

// TestOtherAnswers: where an answer is not the same again the client is told of a deadlock, and goes on.
func TestOtherAnswers(t *testing.T) {
	for name, reply := range map[string]mysqltest.Reply{
		"other rows": mysqltest.Table("one", "three"), "fewer rows": mysqltest.Table("one"), "an error": mysqltest.Fail(1146, "Table 't' doesn't exist"), "no rows": mysqltest.Done(),
	} {
		t.Run(name, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
			c.result("SELECT a FROM t")
			d.n[1].Once("SELECT a FROM t", reply)
			d.n[0].On("UPDATE t", d.dies())
			c.fails("UPDATE t SET a=1", codeDeadlock)
			d.expectRan("UPDATE t SET a=1", 1, 0, 0)
			d.expectRan("ROLLBACK", 0, 1, 0)
			if got := c.query("SELECT 1"); got != "n3" {
				t.Errorf("then a read ran on %s: the session is still in a transaction", got)
			}
			c.result("BEGIN")
			c.result("UPDATE t SET a=2")
			c.result("COMMIT")
			d.expectRan("UPDATE t SET a=2", 0, 1, 0)
			if d.outcome(replayDiverged) != 1 || d.outcome(replayDone) != 0 {
				t.Error("not counted")
			}
		})
	}
}

// TestRolledBackTransactionsRunAgain: where another write came first, also at COMMIT.
func TestRolledBackTransactionsRunAgain(t *testing.T) {
	for _, at := range []string{"UPDATE t SET a=1", "SELECT a FROM t FOR UPDATE", "COMMIT"} {
		t.Run(at, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("BEGIN")
			c.result("INSERT INTO t VALUES (1)")
			c.result("SELECT a FROM u")
			d.n[0].Once(at, mysqltest.Fail(1213, deadlockText))
			c.result(at)
			if at != "COMMIT" {
				c.result("COMMIT")
			}
			d.expectRan("INSERT INTO t VALUES (1)", 2, 0, 0)
			d.expectRan("ROLLBACK", 1, 0, 0)
			if d.outcome(replayDone) != 1 {
				t.Error("not counted")
			}
		})
	}
	t.Run("while it runs again", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[1].Once("INSERT", mysqltest.Fail(1213, deadlockText))
		d.n[0].Once("UPDATE", d.dies())
		c.result("UPDATE t SET a=1")
		c.result("COMMIT")
		d.expectRan("INSERT INTO t VALUES (1)", 1, 2, 0)
		d.expectRan("ROLLBACK", 0, 1, 0)
	})
	t.Run("for ever", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[0].On("COMMIT", mysqltest.Fail(1213, deadlockText))
		c.fails("COMMIT", 1213)
		d.expectRan("COMMIT", 4, 0, 0)
		c.result("ROLLBACK")
	})
	t.Run("1180", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[0].On("COMMIT", mysqltest.Fail(1180, "Got error 149 \"Lock deadlock; Retry transaction\" during COMMIT"))
		c.fails("COMMIT", 1180)
		d.expectRan("COMMIT", 1, 0, 0)
	})
	t.Run("after an error the client has seen", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		c.result("INSERT INTO t VALUES (1)")
		d.n[0].Once("UPDATE u", mysqltest.Fail(1205, "Lock wait timeout exceeded"))
		c.fails("UPDATE u SET a=1", 1205)
		d.n[0].On("COMMIT", mysqltest.Fail(1213, deadlockText))
		c.fails("COMMIT", 1213)
		d.expectRan("COMMIT", 1, 0, 0)
	})
}

// TestNeverReplayed: these transactions end with the lost-connection error, as without replay.
func TestNeverReplayed(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string
		in     string
		why    hindrance
	}{
		{"a procedure", nil, "CALL p()", hinderedStatement},
		{"a function of the cluster's own", nil, "SELECT f()", hinderedStatement},
		{"several statements", nil, "SELECT a; SELECT a", hinderedStatement},
		{"a user lock", nil, "SELECT GET_LOCK('a', 1)", hinderedPinned},
		{"a released lock", nil, "SELECT RELEASE_LOCK('a')", hinderedPinned},
		{"a temporary table", nil, "CREATE TEMPORARY TABLE x (a INT)", hinderedPinned},
		{"a temporary table before", []string{"CREATE TEMPORARY TABLE x (a INT)"}, "INSERT INTO t VALUES (1)", hinderedPinned},
		{"a user variable", nil, "SET @a=1", hinderedVariables},
		{"a user variable that is read", nil, "INSERT INTO t VALUES (@a)", hinderedVariables},
		{"a user variable in a select", nil, "SELECT a FROM t INTO @a", hinderedVariables},
		{"the last insert id of before", []string{"INSERT INTO t VALUES (0)"}, "INSERT INTO u VALUES (LAST_INSERT_ID())", hinderedInsertID},
		{"found rows", nil, "SELECT a, FOUND_ROWS()", hinderedStatement},
		{"a file", nil, "SELECT a FROM t INTO OUTFILE '/tmp/x'", hinderedStatement},
		{"a sequence", nil, "SELECT NEXTVAL(s)", hinderedPinned},
		{"a setting", nil, "SET sql_mode=ANSI", hinderedSettings},
		{"another schema", nil, "USE other", hinderedStatement},
		{"prepared in text", nil, "PREPARE s FROM 'SELECT 1'", hinderedPinned},
		{"an error that may not come again", nil, "INSERT INTO locked VALUES (1)", hinderedError},
		{"too long", nil, "INSERT INTO t VALUES ('" + strings.Repeat("x", 500) + "')", hinderedSize},
		{"too many", []string{"SELECT a", "SELECT a", "SELECT a", "SELECT a"}, "SELECT a", hinderedSize},
		{"the time", []string{"SET timestamp=1"}, "SELECT a", hinderedPinned},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, cl := replayDoor(t, func(c *config.MySQL) { c.ReplaySize, c.ReplayStatements = 400, 5 })
			d.n[0].On("UPDATE", mysqltest.Done()) // Without an id.
			d.n[0].On("INSERT INTO locked", mysqltest.Fail(1205, "Lock wait timeout exceeded"))
			if len(c.before) == 1 {
				cl.result(c.before[0])
			}
			cl.result("BEGIN")
			if len(c.before) > 1 {
				for _, sql := range c.before {
					cl.result(sql)
				}
			}
			cl.result("UPDATE t SET a=1")
			_, _ = cl.Query(c.in)
			d.n[0].On("DELETE", d.dies())
			cl.fails("DELETE FROM t", codeLost)
			cl.ended()
			d.expectRan("DELETE FROM t", 1, 0, 0)
			var why []string
			for r := range hindrances {
				if d.srv.metrics.refused[r].Load() > 0 {
					why = append(why, r.String())
				}
			}
			if !slices.Equal(why, []string{c.why.String()}) {
				t.Errorf("refused for %v, want %s", why, c.why)
			}
		})
	}
}

// TestNeverReplayedWith: what is under way when the node is lost, and must not run again.
func TestNeverReplayedWith(t *testing.T) {
	for sql, why := range map[string]hindrance{
		"CALL p()": hinderedCommit, "CREATE TABLE x (a INT)": hinderedCommit, "SET autocommit=1": hinderedCommit, "COMMIT": hinderedCommit, "BEGIN": hinderedCommit,
		"COMMIT AND CHAIN": hinderedCommit, "SELECT f()": hinderedCommit,
	} {
		t.Run(sql, func(t *testing.T) {
			d, c := replayDoor(t)
			c.result("START TRANSACTION")
			c.result("INSERT INTO t VALUES (1)")
			d.n[0].On(sql, d.dies())
			c.fails(sql, codeLost)
			c.ended()
			d.expectRan(sql, 1, 0, 0)
			if d.srv.metrics.refused[why].Load() != 1 {
				t.Error("not counted")
			}
		})
	}
	t.Run("rows that have gone to the client", func(t *testing.T) {
		d, c := replayDoor(t)
		c.result("BEGIN")
		d.n[0].Once("SELECT a", mysqltest.Cut(answerLength(t, mysqltest.Table("one", "two"))-3, mysqltest.Table("one", "two")))
		if _, err := c.Query("SELECT a"); err == nil {
			t.Error("no error")
		}
		d.expectRan("SELECT a", 1, 0, 0)
	})
	t.Run("turned off", func(t *testing.T) {
		for _, off := range []func(*config.MySQL){
			func(c *config.MySQL) { c.TransactionReplay = false },
			func(c *config.MySQL) { c.Limits = []config.Limit{{User: "app", NoReplay: true}} },
		} {
			d, c := replayDoor(t, off)
			c.result("BEGIN")
			d.n[0].On("UPDATE", d.dies())
			c.fails("UPDATE t SET a=1", codeLost)
			c.ended()
		}
	})
}

// TestPreparedStatementsInATransaction: their parameters' types come only once, and must go with each.
func TestPreparedStatementsInATransaction(t *testing.T) {
	d, c := replayDoor(t)
	c.result("BEGIN")
	const sql = "INSERT INTO t VALUES (?)"
	st, err := c.Prepare(sql)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(st, "one"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"two", "three"} {
		if value == "three" {
			d.n[0].On(sql, d.dies())
		}
		if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(false, 0, value)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	c.result("COMMIT")
	d.expectRan(sql, 3, 3, 0)
}

// TestReadOnlyTransactionsGoOnOnAnotherReader, with what SET TRANSACTION has said for others.
func TestReadOnlyTransactionsGoOnOnAnotherReader(t *testing.T) {
	d, c := replayDoor(t)
	c.result("START TRANSACTION READ ONLY")
	c.result("SELECT a FROM t")
	d.n[2].On("SELECT a FROM u", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Set(d.n[0], d.n[1])
		return errors.New("gone")
	})
	c.result("SELECT a FROM u")
	c.result("COMMIT")
	d.expectRan("SELECT a FROM u", 0, 1, 1)

	c.result("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
	c.result("BEGIN")
	c.result("SELECT a FROM t")
	d.n[1].Forget()
	d.n[0].On("SELECT a FROM u", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Set(d.n[1], d.n[1])
		return errors.New("gone")
	})
	c.result("SELECT a FROM u")
	if got := texts(d.n[1]); !strings.HasSuffix(got, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT a FROM t; SELECT a FROM u") {
		t.Errorf("the new writer got %s", got)
	}
}

// TestAReplayThatIsLostToo is begun again on the next writer; without one the client is told.
func TestAReplayThatIsLostToo(t *testing.T) {
	d, c := replayDoor(t)
	c.result("BEGIN")
	c.result("SELECT a FROM t")
	d.n[0].On("UPDATE", d.dies())
	d.n[1].On("SELECT a", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Set(d.n[2], d.n[2])
		return errors.New("gone")
	})
	c.result("UPDATE t SET a=1")
	d.expectRan("UPDATE t SET a=1", 1, 0, 1)

	d, c = replayDoor(t, func(c *config.MySQL) { c.WaitForNode = 1 })
	c.result("BEGIN")
	c.result("SELECT a FROM t")
	d.n[0].On("UPDATE", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.cluster.Set(nil, d.n[2])
		return errors.New("gone")
	})
	c.fails("UPDATE t SET a=1", codeDeadlock)
	if got := c.query("SELECT 1"); got != "n3" {
		t.Errorf("then a read ran on %s", got)
	}
	if d.outcome(replayNoNode) != 1 {
		t.Error("not counted")
	}
}
