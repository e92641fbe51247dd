package mysql

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestSessionStateInAReadOnlyTransaction: what the session has on its conn to the writer can be asked for in the transaction.
func TestSessionStateInAReadOnlyTransaction(t *testing.T) {
	for _, made := range []string{"SET @a=1", "INSERT INTO t VALUES (1)", "SELECT 1 INTO @a"} {
		d := newDoor(t, 2)
		c := d.client()
		c.query("SELECT 1")
		c.result(made)
		for _, sql := range []string{"START TRANSACTION READ ONLY", "SELECT @a", "SELECT LAST_INSERT_ID()", "COMMIT"} {
			if got := c.on(sql); got != "n1" {
				t.Errorf("%s, then %s on %s", made, sql, got)
			}
		}
		if got := c.query("SELECT 2"); got != "n2" {
			t.Errorf("after the transaction on %s", got)
		}
	}
}

// TestStateMadeOnAReader: what a read-only transaction on a reader makes goes with the session.
func TestStateMadeOnAReader(t *testing.T) {
	start := func(t *testing.T, made string) (*door, *testClient) {
		t.Helper()
		d := newSocketDoor(t, 3)
		d.cluster.Set(d.n[0], d.n[1])
		c := d.client()
		for _, sql := range []string{"START TRANSACTION READ ONLY", made, "COMMIT"} {
			if got := c.on(sql); got != "n2" {
				t.Fatalf("%s on %s", sql, got)
			}
		}
		return d, c
	}
	t.Run("a variable", func(t *testing.T) {
		d, c := start(t, "SET @b=1")
		if got := c.query("SELECT 1"); got != "n2" {
			t.Errorf("a read on %s", got)
		}
		if got := c.query("SELECT @b"); got != "n1" {
			t.Errorf("SELECT @b on %s", got)
		}
		if got := d.n[0].Texts(); !slices.Contains(got, "SET @`b`=1") {
			t.Errorf("the writer was sent %q", got)
		}
	})
	t.Run("a variable that is lost", func(t *testing.T) {
		d, c := start(t, "SET @b=1+0")
		lose(t, d.n[1])
		c.fails("SELECT @b", codeLost)
		c.ended()
	})
}

// TestLeavingAReadOnlyTransaction: what ends it by beginning something else runs where it belongs.
func TestLeavingAReadOnlyTransaction(t *testing.T) {
	const update = "UPDATE t SET a = 1"
	for _, c := range []struct{ next, on string }{
		{"BEGIN", "n1"},
		{"START TRANSACTION", "n1"},
		{"START TRANSACTION READ ONLY", "n2"},
		{"CREATE TABLE x (a INT)", "n1"},
		{"LOCK TABLES t WRITE", "n1"},
		{"BEGIN; " + update, "n1"},
	} {
		t.Run(c.next, func(t *testing.T) {
			d := newDoor(t, 2)
			cl := d.client()
			if got := cl.on("START TRANSACTION READ ONLY"); got != "n2" {
				t.Fatalf("the transaction on %s", got)
			}
			cl.query("SELECT 1")
			d.n[1].Forget()
			if got := cl.on(c.next); got != c.on {
				t.Errorf("%s on %s", c.next, got)
			}
			if got := d.n[1].Texts(); len(got) == 0 || got[0] != "COMMIT" {
				t.Errorf("the reader's transaction was not ended: %q", got)
			}
			if c.on == "n2" {
				return
			}
			if got := cl.on(update); got != "n1" {
				t.Errorf("the write on %s", got)
			}
			cl.result("COMMIT")
			d.expectRan("COMMIT", 1, 1)
		})
	}
}

// TestLeavingALostReadOnlyTransaction: it had nothing to lose.
func TestLeavingALostReadOnlyTransaction(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	c.result("START TRANSACTION READ ONLY")
	lose(t, d.n[1])
	c.result("BEGIN")
	c.result("INSERT INTO t VALUES (1)")
	c.result("COMMIT")
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
}

// TestAReaderThatRefusesTheLogin: a schema, an account or a right may be too new for it.
func TestAReaderThatRefusesTheLogin(t *testing.T) {
	for _, code := range []uint16{1049, 1045, 1044} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client()
			d.n[1].RefuseLogins(wire.NewError(code, "too new"))
			if got := c.query("SELECT 1"); got != "n1" {
				t.Errorf("a read on %s", got)
			}
			if got := c.query("/* galley:node=n2:3306 */ SELECT 2"); got != "n1" {
				t.Errorf("a read with a hint on %s", got)
			}
			if got := c.on("START TRANSACTION READ ONLY"); got != "n1" {
				t.Errorf("a transaction on %s", got)
			}
			c.result("COMMIT")
			st := c.prepare("SELECT a FROM t WHERE b = ?")
			if got := c.execute(st, "x"); got != "n1" {
				t.Errorf("a prepared read on %s", got)
			}
			d.n[1].RefuseLogins(nil)
			if got := c.query("SELECT 3"); got != "n2" {
				t.Errorf("then on %s", got)
			}
		})
	}
	t.Run("all nodes", func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		for _, n := range d.n {
			n.RefuseLogins(wire.NewError(1045, "Access denied"))
		}
		c.fails("SELECT 1", 1045)
	})
}

// fetchRows sends COM_STMT_FETCH and reads its answer.
func fetchRows(c *testClient, st mysqltest.Statement) error {
	c.tb.Helper()
	if err := c.Send(wire.ComStmtFetch, id(st.ID)+"\x01\x00\x00\x00"); err != nil {
		c.tb.Fatal(err)
	}
	var set mysqltest.Set
	return c.ReadRows(&set)
}

func TestFetchOnALostConn(t *testing.T) {
	for _, noticed := range []bool{false, true} {
		d := newSocketDoor(t, 2)
		c := d.client()
		st := c.prepare("SELECT a FROM t")
		if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := openCursor(c); err != nil {
			t.Fatal(err)
		}
		if err := fetchRows(c, st); err != nil {
			t.Fatal(err)
		}
		lose(t, d.n[1])
		if noticed {
			c.query("SELECT 1") // Opens another conn.
		}
		c.failed("fetching", fetchRows(c, st), codeLost)
		if err := fetchRows(c, st); !mysqltest.IsError(err, codeLost) && !mysqltest.IsError(err, 1421) {
			t.Errorf("fetching again: %v", err)
		}
		if got := count(d.n[1], wire.ComStmtFetch) + count(d.n[0], wire.ComStmtFetch); got != 1 {
			t.Errorf("%d fetches have reached the nodes", got)
		}
		if got := c.query("SELECT 2"); got != "n2" {
			t.Errorf("then on %s", got)
		}
		c.execute(st)
	}
}

// TestHiddenWriteUnderAHint: a view with side effects is refused by a reader's conn and runs on the writer.
func TestHiddenWriteUnderAHint(t *testing.T) {
	const sql = "/* galley:node=n2:3306 */ SELECT a FROM view"
	d := newDoor(t, 3)
	c := d.client()
	for i := range d.n[1:] {
		d.n[1+i].On(sql, mysqltest.Fail(codeReadOnlyTrx, "Cannot execute statement in a READ ONLY transaction"))
	}
	for i := range 3 {
		if got := c.query(sql); got != "n1" {
			t.Errorf("on %s", got)
		}
		d.expectRan(sql, i+1, i+1, 0)
	}
	if got := c.query("/* galley:node=n2:3306 */ SELECT 1"); got != "n2" {
		t.Errorf("another read on %s", got)
	}
}

// TestSequenceOfALostLoad: the error comes under the number that is next in the conversation, wherever in the file the node was lost.
func TestSequenceOfALostLoad(t *testing.T) {
	const sql = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"
	for parts := range 5 {
		for lost := range parts + 2 {
			d := newSocketDoor(t, 2)
			reply := mysqltest.AskFile("f", func([]byte) {})
			if lost > parts {
				reply = mysqltest.Cut(0, reply) // When all of the file has come.
			}
			d.n[0].On(sql, reply)
			nc := d.raw()
			c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(wire.ComQuery, sql); err != nil {
				t.Fatal(err)
			}
			if p, err := c.Packet(); err != nil || p[0] != 0xfb {
				t.Fatalf("%q, %v in place of a request for the file", p, err)
			}
			for i := range parts + 1 {
				if i == lost {
					lose(t, d.n[0])
				}
				part := make([]byte, 100)
				if i == parts {
					part = nil
				}
				if err := c.WritePacket(part); err != nil {
					t.Fatal(err)
				}
			}
			var head [wire.HeaderLen]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				t.Fatal(err)
			}
			body := make([]byte, wire.PayloadLen(head[:]))
			if _, err := io.ReadFull(nc, body); err != nil {
				t.Fatal(err)
			}
			// 0 is the statement, 1 the request, then the file's packets and the empty one.
			if want := byte(2 + parts + 1); head[3] != want || body[0] != 0xff || wire.ParseErr(body).Code != codeLost {
				t.Errorf("%d packets, lost before packet %d: packet %d is %q, want error %d as packet %d", parts, lost, head[3], body, codeLost, want)
			}
			if r, err := c.Query("SELECT 1"); err != nil || r.Value() != "n2" {
				t.Errorf("then %v on %q", err, r.Value())
			}
		}
	}
}

// superRow is an account with the global privilege SUPER.
func superRow() mysqltest.AccountRow {
	row := mysqltest.NativeRow("root", "top")
	return mysqltest.AccountRow{User: row.User, Host: row.Host, Priv: `{"access":32768,` + row.Priv[len(`{"access":0,`):]}
}

func TestKillOfAnotherSession(t *testing.T) {
	set := mysqltest.ImportAccounts(t, []cluster.ConfiguredAccount{}, mysqltest.NativeRow("app", "secret"), mysqltest.NativeRow("other", "word"), superRow())
	start := func(t *testing.T) (d *door, own, other, super *testClient) {
		t.Helper()
		d = newSocketDoor(t, 2)
		d.accounts.Set(set)
		return d, d.client(), d.client(mysqltest.Login{User: "other", Password: "word"}), d.client(mysqltest.Login{User: "root", Password: "top"})
	}
	number := func(c *testClient) uint32 { return c.Greeting.ThreadID }
	t.Run("unknown thread", func(t *testing.T) {
		d, own, _, _ := start(t)
		target := d.client()
		d.n[0].On("KILL", mysqltest.Fail(1094, "Unknown thread id")) // It has gone by itself.
		d.n[0].On("INSERT", mysqltest.Hang())
		answer := asking(target, "INSERT INTO t VALUES (1)")
		d.n[0].Await(t, "INSERT INTO t VALUES (1)")
		own.result(fmt.Sprintf("KILL %d", number(target)))
		if err := <-answer; err == nil {
			t.Error("the killed session has an answer")
		}
	})
	t.Run("all threads unknown", func(t *testing.T) {
		d, own, other, super := start(t)
		for _, n := range d.n {
			n.On("KILL", mysqltest.Fail(1094, "Unknown thread id"))
		}
		target := d.client()
		target.query("SELECT 1")
		other.fails(fmt.Sprintf("KILL %d", number(target)), 1095)
		target.query("SELECT 2")
		super.result(fmt.Sprintf("KILL %d", number(target)))
		target.ended()
		target = d.client()
		target.query("SELECT 3")
		own.result(fmt.Sprintf("KILL %d", number(target)))
		target.ended()
	})
	t.Run("idle without conns", func(t *testing.T) {
		d, own, other, super := start(t)
		for _, killer := range []*testClient{super, own} {
			target := d.client()
			other.fails(fmt.Sprintf("KILL %d", number(target)), 1095)
			target.command(wire.ComPing, "")
			killer.result(fmt.Sprintf("KILL %d", number(target)))
			target.ended()
		}
		target := d.client()
		if err := super.Send(wire.ComProcessKill, string(binary.LittleEndian.AppendUint32(nil, number(target)))); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Read(); err != nil {
			t.Fatal(err)
		}
		target.ended()
	})
}

// TestChangeUserAfterASwitch: the challenge that the client was asked to answer anew is the first one, which it uses for COM_CHANGE_USER.
func TestChangeUserAfterASwitch(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Plugin: "caching_sha2_password"})
	if c.Switched != "mysql_native_password" {
		t.Fatalf("switched to %q", c.Switched)
	}
	for range 2 {
		c.command(wire.ComChangeUser, changeUser("other", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "word"), ""))
		c.query("SELECT 1")
		if rows := d.srv.Sessions(1); rows[0].User != "other" {
			t.Errorf("the session is %q's", rows[0].User)
		}
	}
	if err := c.Send(wire.ComChangeUser, changeUser("app", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "word"), "")); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read()
	c.failed("a wrong password", err, 1045)
	c.query("SELECT 1")
}

// TestTransactionStateAtTheEndOfRows: in a transaction the server marks the end of the rows of every read of a table or variable. That is no state of the session.
func TestTransactionStateAtTheEndOfRows(t *testing.T) {
	for _, sql := range []string{"SELECT @@port, 1", "SELECT a FROM t FOR UPDATE", "SELECT LAST_INSERT_ID()", "SELECT a FROM t"} {
		d := newDoor(t, 2)
		for _, n := range d.n {
			n.On(sql, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
				c.Track(wire.TrackTransaction, "T____S__")
				c.Rows([]string{"a"}, []string{"x"})
				return nil
			})
		}
		c := d.client()
		for _, step := range []struct{ sql, on string }{
			{"START TRANSACTION READ ONLY", "n2"}, {sql, "n2"}, {"BEGIN", "n1"}, {sql, "n1"}, {"UPDATE t SET a = 1", "n1"}, {"COMMIT", "n1"}, {"SELECT 1", "n2"},
		} {
			if got := c.on(step.sql); got != step.on {
				t.Errorf("%s: %s on %s, want %s", sql, step.sql, got, step.on)
			}
		}
	}
}

// TestFoundRowsOfALostConn: the number is gone with the conn, and no other is given.
func TestFoundRowsOfALostConn(t *testing.T) {
	for _, sql := range []string{"SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "INSERT INTO t VALUES (FOUND_ROWS())"} {
		d := newSocketDoor(t, 2)
		c := d.client()
		c.query("SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1")
		lose(t, d.n[1])
		if _, err := c.Query(sql); err == nil {
			t.Errorf("%s has an answer: ran %v", sql, d.ran(sql))
		}
		d.expectRan(sql, 0, 0)
	}
}
