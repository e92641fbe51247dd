package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

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

// TestPreparedOnAnotherNode: a statement that a node has refused to prepare, as it is not ready, is the session's once another has prepared it.
func TestPreparedOnAnotherNode(t *testing.T) {
	for _, sql := range []string{"SELECT a FROM t", "INSERT INTO t VALUES (1)"} {
		d := newDoor(t, 2)
		for _, n := range d.n {
			n.Once("PREPARE "+sql, mysqltest.Fail(codeUnknownCommand, notPrepared+" use"))
		}
		c := d.client()
		c.execute(c.prepare(sql))
	}
}
