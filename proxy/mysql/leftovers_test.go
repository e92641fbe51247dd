package mysql

import (
	"runtime"
	"strings"
	"testing"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// Tests that hold what a review of the sharing of conns found. A node has one conn in all of them, so that sessions must share it.

// resets counts the resets of n's conns.
func resets(n *mysqltest.Node) int { return count(n, wire.ComResetConnection) }

// TestNoResetOfWhatIsKept: the conn comes from a session that may have left user variables there. They are removed before the conn gets what only it can keep, never after.
func TestNoResetOfWhatIsKept(t *testing.T) {
	for name, c := range map[string]struct{ keep, then, end string }{
		"transaction":     {"BEGIN", "INSERT INTO t VALUES (1)", "ROLLBACK"},
		"read only":       {"START TRANSACTION READ ONLY /* galley:writer */", "CALL p()", "COMMIT"},
		"chain":           {"COMMIT AND CHAIN", "INSERT INTO t VALUES (1)", "ROLLBACK"},
		"temporary table": {"CREATE TEMPORARY TABLE x (a int)", "INSERT INTO x VALUES (1)", ""},
		"user lock":       {"SELECT GET_LOCK('a', 1)", "INSERT INTO t VALUES (1)", ""},
		"table lock":      {"LOCK TABLES t WRITE", "INSERT INTO t VALUES (1)", "UNLOCK TABLES"},
		"handler":         {"HANDLER t OPEN", "INSERT INTO t VALUES (1)", ""},
		"characteristics": {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "INSERT INTO t VALUES (1)", ""},
		"prepared text":   {"PREPARE s FROM 'SELECT 1'", "EXECUTE s", ""},
		"xa":              {"XA BEGIN 'a'", "INSERT INTO t VALUES (1)", ""},
		"global lock":     {"FLUSH TABLES WITH READ LOCK", "CALL p()", ""},
		"user variable":   {"SET @a = 1", "INSERT INTO t VALUES (@a)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 1, oneConn)
			dirty, cl := d.client(), d.client()
			dirty.result("INSERT INTO t VALUES (0)")
			cl.result(c.keep)
			before := resets(d.n[0])
			cl.result(c.then)
			if c.end != "" {
				cl.result(c.end)
			}
			if n := resets(d.n[0]) - before; n > 0 {
				t.Errorf("%d resets behind %s", n, c.keep)
			}
		})
	}
}

func TestNoResetWithoutAutocommit(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	dirty, c := d.client(), d.client()
	dirty.result("INSERT INTO t VALUES (0)")
	c.result("SET autocommit=0")
	c.result("SELECT 1") // Begins a transaction.
	before := resets(d.n[0])
	c.result("INSERT INTO t VALUES (1)")
	c.result("ROLLBACK")
	if n := resets(d.n[0]) - before; n > 0 {
		t.Errorf("%d resets in the transaction", n)
	}
}

func TestLongDataIsNotReset(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	dirty, c := d.client(), d.client()
	const sql = "INSERT INTO t VALUES (?)"
	st := c.prepare(sql)
	dirty.result("INSERT INTO t VALUES (0)")
	if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00long"); err != nil {
		t.Fatal(err)
	}
	c.command(wire.ComStmtReset, id(c.prepare("SELECT 1").ID)) // The long data has no answer.
	before := resets(d.n[0])
	c.execute(st, "")
	if n := resets(d.n[0]) - before; n > 0 {
		t.Errorf("%d resets between the long data and its execution", n)
	}
}

// TestUserVariablesAreAllKept: what a session sets on a conn that another has used is set beside what it had set before.
func TestUserVariablesAreAllKept(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	other, c := d.client(), d.client()
	c.result("SET @a = 1")
	other.result("INSERT INTO t VALUES (0)")
	c.result("SET @b = 2")
	other.result("INSERT INTO t VALUES (0)")
	d.n[0].Forget()
	c.result("SELECT @a, @b")
	if got := strings.Join(d.n[0].Texts(), "\n"); !strings.Contains(got, "@`a`=1") || !strings.Contains(got, "@`b`=2") {
		t.Errorf("before the variables are read:\n%s", got)
	}
}

func TestLiteralsOfNull(t *testing.T) {
	for _, kind := range []string{"INT", "INT UNSIGNED", "DOUBLE", "DECIMAL"} {
		if got := numberLiteral("", kind); !strings.HasPrefix(got, "CAST(NULL AS ") {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

// TestResetForgetsWhatWasLeft: what a session has left on conns before it was reset, or another user's, does not come back.
func TestResetForgetsWhatWasLeft(t *testing.T) {
	for name, reset := range map[string]func(*testClient){
		"COM_RESET_CONNECTION": func(c *testClient) { c.command(wire.ComResetConnection, "") },
		"COM_CHANGE_USER": func(c *testClient) {
			c.command(wire.ComChangeUser, "nopw\x00\x00app\x00\x2d\x00mysql_native_password\x00")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 1, oneConn)
			other, c := d.client(), d.client()
			c.result("SET @a = 1")
			c.result("INSERT INTO t VALUES (1)")
			reset(c)
			other.result("INSERT INTO t VALUES (0)")
			d.n[0].Forget()
			c.result("SELECT @a, LAST_INSERT_ID()")
			if got := strings.Join(d.n[0].Texts(), "\n"); strings.Contains(got, "@`a`=1") || strings.Contains(got, "last_insert_id=1") {
				t.Errorf("it got back what it had left before:\n%s", got)
			}
		})
	}
}

// TestResetSessionIsNotUpToDate: a conn that has the state of before a reset does not pass for one that has the present one.
func TestResetSessionIsNotUpToDate(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.result("SET max_statement_time=1")
	c.query("SELECT 1")
	c.command(wire.ComResetConnection, "")
	c.result("SET time_zone='+01:00'")
	for i := range 4 {
		c.result("SET sql_select_limit=" + strings.Repeat("9", i+1))
		sql := "SELECT a FROM t WHERE b = " + strings.Repeat("9", i+1)
		if i == 0 {
			continue
		}
		c.query(sql)
		if got := stateAt(d.n[1], sql); !strings.Contains(got, "time_zone=+01:00") || strings.Contains(got, "max_statement_time") {
			t.Errorf("a read had %q", got)
		}
	}
}

// TestBrokenWhileItsLeftOversAreRead: the conn is not used any more, and the statement runs once on another.
func TestBrokenWhileItsLeftOversAreRead(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	a, b := d.client(), d.client()
	a.result("INSERT INTO t VALUES (1)")
	d.n[0].Once(rescueCounts, mysqltest.Close())
	b.result("INSERT INTO t VALUES (2)")
	d.expectRan("INSERT INTO t VALUES (2)", 1)
	a.fails("SELECT LAST_INSERT_ID()", codeLost)
}

// TestFoundRowsOfAnother: preparing a statement takes a conn and leaves what FOUND_ROWS() is about, which is no longer there.
func TestFoundRowsOfAnother(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	a, b := d.client(), d.client()
	a.result("INSERT INTO t VALUES (1)")
	b.result("INSERT INTO t VALUES (2)")
	a.prepare("INSERT INTO t VALUES (?)")
	d.n[0].Forget()
	a.result("SELECT FOUND_ROWS()")
	d.expectRan("SELECT FOUND_ROWS()", 0)
}

// TestStatementsThatKeepSomethingStay: of too many statements on a conn none is closed that has a cursor or long data there.
func TestStatementsThatKeepSomethingStay(t *testing.T) {
	d := newDoor(t, 1, oneConn, func(c *config.MySQL) { c.Pool.MaxStatements = 2 })
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00long"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT 1", "SELECT 2", "SELECT 3"} {
		c.prepare(sql)
	}
	if got := c.execute(st, ""); got != "n1:long" {
		t.Errorf("executed with %q", got)
	}
}

// TestSequencesPin: LASTVAL() is about the conn, so that the session stays there and no other one comes there.
func TestSequencesPin(t *testing.T) {
	d := newDoor(t, 1)
	a, b := d.client(), d.client()
	a.result("SELECT NEXTVAL(s)")
	b.result("INSERT INTO t VALUES (1)")
	a.result("SELECT LASTVAL(s)")
	threads := map[string]uint32{}
	for _, cmd := range d.n[0].Commands() {
		threads[cmd.Text] = cmd.Thread
	}
	if threads["SELECT NEXTVAL(s)"] != threads["SELECT LASTVAL(s)"] || threads["INSERT INTO t VALUES (1)"] == threads["SELECT LASTVAL(s)"] {
		t.Errorf("ran on %v", threads)
	}
}

// TestReadersRefuseWritesWhateverIsSet: a session's own tx_read_only=OFF does not take the guard off its conn to a reader.
func TestReadersRefuseWritesWhateverIsSet(t *testing.T) {
	d := newDoor(t, 2)
	d.cluster.Update(func(v *cluster.View) { v.Nodes[1].Status.Server = mysqltest.Facts() })
	c := d.client()
	c.result("SET tx_read_only=0")
	c.query("SELECT 1")
	if got := stateAt(d.n[1], "SELECT 1"); !strings.Contains(got, "tx_read_only=ON") {
		t.Errorf("a read on a reader had %q", got)
	}
}

// TestRightsThatChange: a session that was there before shares conns as it did, and does not log in for each statement.
func TestRightsThatChange(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	c := d.client()
	c.result("INSERT INTO t VALUES (1)")
	row := mysqltest.NativeRow("app", "secret")
	row.Priv = strings.Replace(row.Priv, "{", `{"access":1,`, 1)
	d.accounts.Set(mysqltest.ImportAccounts(t, nil, row))
	sweep := func() {
		for _, set := range d.srv.conns.all() {
			set.sweep(d.accounts.Snapshot())
		}
	}
	sweep()
	before := d.n[0].Logins()
	for range 5 {
		c.result("INSERT INTO t VALUES (2)")
		sweep()
	}
	if got := d.n[0].Logins() - before; got != 1 {
		t.Errorf("%d logins for five statements", got)
	}
}

// TestShutdownAmidARescue: a node that hangs while galley asks what was left on a conn holds up nothing.
func TestShutdownAmidARescue(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	a, b := d.client(), d.client()
	a.result("INSERT INTO t VALUES (1)")
	d.n[0].On(rescueCounts, mysqltest.Hang())
	if err := b.Send(wire.ComQuery, "INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	d.n[0].Await(t, rescueCounts)
	d.stop()
	d.cut()
	d.served <- <-d.served // It ends.
}

// TestPreparedUnderOtherSettings: what a statement has come to mean by what its session has set since is not what the same text means to others.
func TestPreparedUnderOtherSettings(t *testing.T) {
	d := newDoor(t, 2, oneConn)
	a, b := d.client(), d.client()
	const sql = `SELECT "b" FROM t WHERE a = ?`
	var statements []mysqltest.Statement
	for _, c := range []*testClient{a, b} {
		c.result("SET sql_mode=''")
		statements = append(statements, c.prepare(sql)) // On the reader.
	}
	a.result("SET sql_mode='ANSI_QUOTES'")
	for i, c := range []*testClient{a, b} {
		c.result("BEGIN")
		c.execute(statements[i], "x")
		c.result("COMMIT")
	}
	if got := count(d.n[0], wire.ComStmtPrepare); got != 1 {
		t.Errorf("prepared %d times on the writer, want once, as both have prepared it", got)
	}
}

// TestUsersLimitIsFair: a session that waits for its user's limit gets a conn as soon as one of that user's is free, and no conn of another user is closed for it.
func TestUsersLimitIsFair(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.MaxPerUser, c.Pool.MaxPerNode = 1, 2 })
	one, other := d.client(), d.client(mysqltest.Login{User: "other", Password: "word"})
	one.result("BEGIN")
	other.result("INSERT INTO t VALUES (0)")
	tracking := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps}) // Another key.
	if err := tracking.Send(wire.ComQuery, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	for d.srv.conns.all()[0].waiting() == 0 {
		runtime.Gosched()
	}
	before := d.n[0].Logins()
	for range 3 {
		other.result("INSERT INTO t VALUES (0)")
	}
	if n := d.n[0].Logins() - before; n > 0 {
		t.Errorf("%d logins of another user meanwhile", n)
	}
	one.result("COMMIT")
	if _, err := tracking.Read(); err != nil {
		t.Error(err)
	}
}
