package mysql

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestIdleConnsClosedByTheNode: what a node closes while nothing is under way costs the client nothing, and nothing runs twice.
func TestIdleConnsClosedByTheNode(t *testing.T) {
	for name, end := range map[string]func(*mysqltest.Node){"closed": (*mysqltest.Node).CloseConns, "reset": (*mysqltest.Node).ResetConns} {
		t.Run(name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client()
			c.query("SELECT 1")
			c.result("INSERT INTO t VALUES (0)")
			for i := range 20 {
				end(d.n[0])
				end(d.n[1])
				pastIdleCheck(t)
				read, write := fmt.Sprintf("SELECT 1%03d", i), fmt.Sprintf("INSERT INTO t VALUES (1%03d)", i)
				c.result(write)
				if got := c.query(read); got != "n2" {
					t.Errorf("%s on %s", read, got)
				}
				d.expectRan(write, 1, 0)
				d.expectRan(read, 0, 1)
			}
		})
	}
}

// pastIdleCheck waits until conns are old enough to be looked at before a write.
func pastIdleCheck(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(2 * idleCheckAfter)
	<-timer.C
}

// TestIdleConnsClosedInATransaction: a transaction that is gone with its node ends the session, with the error of a lost connection.
func TestIdleConnsClosedInATransaction(t *testing.T) {
	for name, begin := range map[string]string{"transaction": "BEGIN", "temporary table": "CREATE TEMPORARY TABLE x (a INT)", "locks": "LOCK TABLES t READ"} {
		for _, sql := range []string{"INSERT INTO t VALUES (1)", "SELECT 1", "COMMIT"} {
			t.Run(name+", then "+sql, func(t *testing.T) {
				d := newSocketDoor(t, 2)
				c := d.client()
				c.result(begin)
				d.n[0].CloseConns()
				pastIdleCheck(t)
				c.fails(sql, codeLost)
				c.ended()
				d.expectRan(sql, 0, 0)
			})
		}
	}
}

// lossCase is a way in which a node is lost under a statement.
type lossCase struct {
	name  string
	reply mysqltest.Reply
}

func lossCases() []lossCase {
	return []lossCase{
		{"closed before the answer", mysqltest.Close()},
		{"reset before the answer", mysqltest.CloseReset()},
		{"in the answer's first header", mysqltest.Cut(3, mysqltest.Usual())},
		{"in the answer's first packet", mysqltest.Cut(4, mysqltest.Usual())},
	}
}

// TestWriteLostWhileItRuns: the client is told once that it may have run, it is not run again, and the session goes on.
func TestWriteLostWhileItRuns(t *testing.T) {
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "SELECT f(1) FROM t FOR UPDATE", "CALL p()", "SELECT f(1)", "COMMIT", "SET GLOBAL x=1"} {
		for _, c := range lossCases() {
			t.Run(sql+" "+c.name, func(t *testing.T) {
				d := newSocketDoor(t, 2)
				cl := d.client()
				d.n[0].On(sql, c.reply)
				d.n[1].On(sql, c.reply)
				cl.fails(sql, codeLost)
				d.expectRan(sql, 1, 0)
				if got := cl.query("SELECT 2"); got != "n2" {
					t.Errorf("then %q", got)
				}
				cl.result("INSERT INTO t VALUES (2)")
			})
		}
	}
}

// TestReadLostWhileItRuns: a read is run again elsewhere, and has one answer.
func TestReadLostWhileItRuns(t *testing.T) {
	for _, c := range lossCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			cl := d.client()
			d.n[1].Once("SELECT 1", c.reply)
			if got := cl.query("SELECT 1"); got != "n2" {
				t.Errorf("answered by %q", got)
			}
			d.expectRan("SELECT 1", 0, 2)
			if len(d.cluster.Probes()) == 0 {
				t.Error("the node was not probed")
			}
			if got := cl.query("SELECT 2"); got != "n2" {
				t.Errorf("then %q", got)
			}
		})
	}
}

func TestReadGoesToAnotherNodeWhenItsOwnIsDown(t *testing.T) {
	d := newSocketDoor(t, 3)
	c := d.client()
	first := c.query("SELECT 1")
	down, other := d.n[1], d.n[2]
	if first == "n3" {
		down, other = other, down
	}
	down.On("SELECT 2", func(*mysqltest.Conn, *mysqltest.Command) error {
		go down.Kill()
		d.cluster.Set(d.n[0], other)
		return errors.New("gone")
	})
	if got := c.query("SELECT 2"); got != other.Name {
		t.Errorf("on %s", got)
	}
}

// TestAReadIsNotTriedForEver: where each run breaks the node, the client gets the error after a few.
func TestAReadIsNotTriedForEver(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	d.n[1].On("SELECT 1", mysqltest.Close())
	c.fails("SELECT 1", codeLost)
	if n := d.n[1].Ran("SELECT 1"); n != attempts {
		t.Errorf("ran %d times", n)
	}
	c.query("SELECT 2")
}

// TestLostAmongRows: once rows have gone to the client, nothing is run again. Between packets an ERR packet tells; within one only the end of the connection can.
func TestLostAmongRows(t *testing.T) {
	table := mysqltest.Table("one", "two", "three")
	whole := answerLength(t, table)
	for cut := 1; cut < whole; cut++ {
		d := newDoor(t, 2)
		c := d.client()
		d.n[1].Once("SELECT 1", mysqltest.Cut(cut, table))
		r, err := c.Query("SELECT 1")
		n := d.n[1].Ran("SELECT 1")
		var refused *wire.ServerError
		switch {
		case err == nil:
			// Cut before anything whole had come: it was run again.
			if n != 2 || len(r.Sets) != 1 {
				t.Errorf("cut at %d of %d: %d runs, %+v", cut, whole, n, r)
			}
		case errors.As(err, &refused):
			if refused.Code != codeLost || n != 1 {
				t.Errorf("cut at %d: %v after %d runs", cut, err, n)
			}
			if got := c.query("SELECT 2"); got != "n2" {
				t.Errorf("cut at %d: then %q", cut, got)
			}
		default:
			if n != 1 {
				t.Errorf("cut at %d: %d runs", cut, n)
			}
		}
	}
}

// answerLength is how many bytes an answer has.
func answerLength(t *testing.T, reply mysqltest.Reply) int {
	t.Helper()
	n := mysqltest.NewNode(t, "measure", 9)
	n.On("SELECT 1", reply)
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(wire.ComQuery, "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	total := 0
	for eofs := 0; eofs < 2; {
		p, err := c.Packet()
		if err != nil {
			t.Fatal(err)
		}
		total += wire.HeaderLen + len(p)
		if p[0] == 0xfe {
			eofs++
		}
	}
	return total
}

// TestLostInATransaction: the lost-connection error at whatever statement, and the session ends: the client must not go on as if the rest were one transaction.
func TestLostInATransaction(t *testing.T) {
	for _, begin := range []string{"BEGIN", "START TRANSACTION READ ONLY", "SET autocommit=0", "CREATE TEMPORARY TABLE x (a INT)"} {
		for _, sql := range []string{"SELECT 1", "INSERT INTO t VALUES (1)", "COMMIT"} {
			t.Run(begin+" "+sql, func(t *testing.T) {
				d := newSocketDoor(t, 2)
				c := d.client()
				c.result(begin)
				if begin == "SET autocommit=0" {
					c.result("INSERT INTO t VALUES (0)")
				}
				for _, n := range d.n {
					n.On(sql, mysqltest.Close())
				}
				c.fails(sql, codeLost)
				c.ended()
				if got := d.ran(sql); got[0]+got[1] != 1 {
					t.Errorf("ran %v times", got)
				}
			})
		}
	}
}

// TestRefusals: what a node says in place of running a statement, and whether the statement is tried elsewhere (again) or the client gets the error.
func TestRefusals(t *testing.T) {
	const unprepared = "WSREP has not yet prepared node for application use"
	const readOnly = "The MariaDB server is running with the --read-only option so it cannot execute this statement"
	for _, c := range []struct {
		name, sql string
		code      uint16
		message   string
		again     bool
	}{
		{"a read on a node that is not ready", "SELECT 1", 1047, unprepared, true},
		{"a write on a node that is not ready", "INSERT INTO t VALUES (1)", 1047, unprepared, true},
		{"CALL on a node that is not ready", "CALL p()", 1047, unprepared, false},
		{"COMMIT on a node that is not ready", "COMMIT", 1047, unprepared, false},
		{"a function on a node that is not ready", "SELECT f()", 1047, unprepared, false},
		{"another 1047", "INSERT INTO t VALUES (1)", 1047, "Unknown command", false},
		{"a write on a read-only node", "INSERT INTO t VALUES (1)", 1290, readOnly, true},
		{"another option", "INSERT INTO t VALUES (1)", 1290, "The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement", false},
		{"a read at a shutdown", "SELECT 1", 1053, "Server shutdown in progress", true},
		{"a write at a shutdown", "INSERT INTO t VALUES (1)", 1053, "Server shutdown in progress", false},
		{"a read whose connection is killed", "SELECT 1", 1927, "Connection was killed", true},
		{"a write whose connection is killed", "INSERT INTO t VALUES (1)", 1927, "Connection was killed", false},
		{"a read that waits too long", "SELECT 1", 1205, "Lock wait timeout exceeded; try restarting transaction", false},
		{"a deadlock", "INSERT INTO t VALUES (1)", 1213, "Deadlock found when trying to get lock; try restarting transaction", false},
		{"a syntax error", "SELECT 1", 1064, "You have an error in your SQL syntax", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newSocketDoor(t, 3)
			d.cluster.Set(d.n[0], d.n[1])
			cl := d.client()
			switchOver := func(co *mysqltest.Conn, _ *mysqltest.Command) error {
				co.Err(c.code, c.message)
				if c.again {
					d.cluster.Set(d.n[2], d.n[2])
				}
				return nil
			}
			d.n[0].On(c.sql, switchOver)
			d.n[1].On(c.sql, switchOver)
			r, err := cl.Query(c.sql)
			total := 0
			for _, n := range d.ran(c.sql) {
				total += n
			}
			if c.again {
				if err != nil || d.n[2].Ran(c.sql) != 1 || total != 2 {
					t.Errorf("%v, ran %v", err, d.ran(c.sql))
				}
				return
			}
			if msg := cl.failed(c.sql, err, c.code); msg != c.message || total != 1 {
				t.Errorf("%q, ran %d times, %+v", msg, total, r)
			}
			cl.query("SELECT 2") // The session goes on.
		})
	}
}

// TestRefusalsWithStateAreTheClients: there nothing is retried.
func TestRefusalsWithStateAreTheClients(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	c.result("CREATE TEMPORARY TABLE x (a INT)")
	d.n[0].On("INSERT", mysqltest.Fail(1047, "WSREP has not yet prepared node for application use"))
	c.fails("INSERT INTO t VALUES (1)", 1047)
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
	d.n[0].On("SELECT 1", mysqltest.Fail(1053, "Server shutdown in progress"))
	c.fails("SELECT 1", 1053)
	d.expectRan("SELECT 1", 1, 0)
}

// TestRefusalEndsATransaction: a node that is leaving keeps the transaction open, and the session's next BEGIN would commit what its client was told had failed.
func TestRefusalEndsATransaction(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	c.result("BEGIN")
	d.n[0].On("COMMIT", mysqltest.Fail(1047, "WSREP has not yet prepared node for application use"))
	c.fails("COMMIT", codeLost)
	d.expectRan("COMMIT", 1, 0)
	c.ended()
}

// TestMultiStatementsAreNotTriedAgain: a part of them may have run.
func TestMultiStatementsAreNotTriedAgain(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	const sql = "SELECT 1; INSERT INTO t VALUES (1)"
	d.n[0].On("INSERT", mysqltest.Fail(1047, "WSREP has not yet prepared node for application use"))
	c.fails(sql, 1047)
	d.expectRan(sql, 1, 0)
	d.n[0].On(sql, mysqltest.Close())
	c.fails(sql, codeLost)
	d.expectRan(sql, 2, 0)
}

// TestHiddenWrite: what is a read by its text and would write is refused by a reader, and runs on the writer.
func TestHiddenWrite(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	d.n[1].On("SELECT a FROM view", mysqltest.Fail(codeReadOnlyTrx, "Cannot execute statement in a READ ONLY transaction"))
	if got := c.query("SELECT a FROM view"); got != "n1" {
		t.Errorf("on %q", got)
	}
	d.expectRan("SELECT a FROM view", 1, 1)
	c.result("START TRANSACTION READ ONLY")
	c.fails("SELECT a FROM view", codeReadOnlyTrx) // There it is the client's own wish.
	d.expectRan("SELECT a FROM view", 1, 2)
	c.result("COMMIT")
	// Having run on the writer it may have written: it is not run twice.
	s := newSocketDoor(t, 2)
	c = s.client()
	s.n[1].On("SELECT a FROM view", mysqltest.Fail(codeReadOnlyTrx, "Cannot execute statement in a READ ONLY transaction"))
	s.n[0].On("SELECT a FROM view", mysqltest.Close())
	c.fails("SELECT a FROM view", codeLost)
	s.expectRan("SELECT a FROM view", 1, 1)
}

// TestUnknownFate: a node that left the primary component while it committed does not know; the client is told as much as with a lost connection.
func TestUnknownFate(t *testing.T) {
	for _, begin := range []string{"", "BEGIN"} {
		d := newDoor(t, 2)
		c := d.client()
		sql := "INSERT INTO t VALUES (1)"
		if begin != "" {
			c.result(begin)
			sql = "COMMIT"
		}
		d.n[0].On(sql, mysqltest.Fail(1180, "Got error 6 \"Transport endpoint is not connected\" during COMMIT; Primary Component lost"))
		c.fails(sql, codeLost)
		d.expectRan(sql, 1, 0)
	}
}

// TestReadsMoveOffANodeThatHangs: a read whose node is no reader any more is answered by another; a write waits for its node.
func TestReadsMoveOffANodeThatHangs(t *testing.T) {
	d := newSocketDoor(t, 3)
	d.cluster.Set(d.n[0], d.n[1])
	c, writes, rows := d.client(), d.client(), d.client()
	gate := make(chan struct{})
	d.n[1].On("SELECT 1", mysqltest.Hang())
	d.n[1].On("SELECT rows", mysqltest.Slowly(gate, "a", "b"))
	d.n[0].On("INSERT", mysqltest.After(gate, mysqltest.Done()))
	answer, written := asking(c, "SELECT 1"), asking(writes, "INSERT INTO t VALUES (1)")
	if err := rows.Send(wire.ComQuery, "SELECT rows"); err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Packet(); err != nil { // Its answer has begun.
		t.Fatal(err)
	}
	d.n[1].Await(t, "SELECT 1")
	d.n[0].Await(t, "INSERT INTO t VALUES (1)")
	d.cluster.Set(d.n[2], d.n[2])
	answered(t, answer)
	d.expectRan("SELECT 1", 0, 1, 1)
	close(gate)
	if err := <-written; err != nil {
		t.Errorf("the write: %v", err)
	}
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0, 0)
	d.expectRan("SELECT rows", 0, 1, 0)
}

// TestReadsMoveAsOftenAsTheViewChanges: each move is galley's own doing, and not what attempts counts.
func TestReadsMoveAsOftenAsTheViewChanges(t *testing.T) {
	d := newSocketDoor(t, 3)
	d.cluster.Set(d.n[0], d.n[1])
	c := d.client()
	d.n[1].On("SELECT 1", mysqltest.Hang())
	d.n[2].On("SELECT 1", mysqltest.Hang())
	answer := asking(c, "SELECT 1")
	for range 2 * attempts {
		d.n[1].Await(t, "SELECT 1")
		d.n[1].Forget()
		d.cluster.Set(d.n[0], d.n[2])
		d.n[2].Await(t, "SELECT 1")
		d.n[2].Forget()
		d.cluster.Set(d.n[0], d.n[1])
	}
	d.n[1].Await(t, "SELECT 1")
	d.cluster.Set(d.n[0], d.n[0])
	answered(t, answer)
}

// TestErrorAmongRows is forwarded as it is.
func TestErrorAmongRows(t *testing.T) {
	for name, caps := range map[string]wire.Capability{"plain": mysqltest.PlainCaps, "tracking": mysqltest.TrackingCaps} {
		d := newDoor(t, 2)
		c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
		d.n[1].Once("SELECT 1", mysqltest.ErrorAmongRows(1317, "Query execution was interrupted", "a", "b"))
		r, err := c.Query("SELECT 1")
		c.failed("SELECT 1", err, 1317)
		if len(r.Sets) != 1 || len(r.Sets[0].Rows) != 2 {
			t.Errorf("%s: %+v", name, r)
		}
		d.expectRan("SELECT 1", 0, 1)
		c.query("SELECT 2")
	}
}
