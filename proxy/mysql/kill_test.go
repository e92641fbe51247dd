package mysql

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

func TestConnectionID(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	text := fmt.Sprintf("CAST(%d AS UNSIGNED)", c.Greeting.ThreadID)
	for sql, want := range map[string]string{
		"SELECT CONNECTION_ID()":                    "SELECT " + text + " AS `CONNECTION_ID()`",
		"INSERT INTO t VALUES (CONNECTION_ID())":    "INSERT INTO t VALUES (" + text + ")",
		"SELECT a FROM t WHERE b = CONNECTION_ID()": "SELECT a FROM t WHERE b = " + text,
		"SELECT 'CONNECTION_ID()'":                  "SELECT 'CONNECTION_ID()'",
	} {
		c.result(sql)
		if n := d.ran(want); n[0]+n[1] != 1 {
			t.Errorf("%s did not become %s", sql, want)
		}
	}
	c.query("SELECT CONNECTION_ID()")
	st, err := c.Prepare("UPDATE t SET a = CONNECTION_ID()")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(st); err != nil {
		t.Fatal(err)
	}
	d.expectRan("UPDATE t SET a = "+text, 1, 0)
	c.result("PREPARE p FROM 'SELECT CONNECTION_ID()'")
	d.expectRan("PREPARE p FROM 'SELECT CONNECTION_ID()'", 1, 0)
	c.result("SET pseudo_thread_id = 7")
	c.query("SELECT CONNECTION_ID()") // Its own.
	d.expectRan("SELECT CONNECTION_ID()", 1, 0)
}

func TestKillForms(t *testing.T) {
	start := func(t *testing.T) (d *door, c, target *testClient, id uint32) {
		t.Helper()
		d = newSocketDoor(t, 2)
		d.n[0].On("UPDATE", mysqltest.Hang())
		c, target = d.client(), d.client()
		return d, c, target, target.Greeting.ThreadID
	}
	evaluates := func(d *door, to uint32) { d.n[0].On("SELECT (", mysqltest.Table(fmt.Sprint(to))) }
	for _, sql := range []string{"KILL QUERY @a", "KILL SOFT QUERY %d", "KILL QUERY %d + 0", "prepared KILL QUERY %d", "prepared KILL QUERY ?"} {
		t.Run(sql, func(t *testing.T) {
			d, c, target, id := start(t)
			answer := asking(target, "UPDATE t SET a = 1")
			d.n[0].Await(t, "UPDATE t SET a = 1")
			if strings.Contains(sql, "@a") || strings.Contains(sql, "+") {
				evaluates(d, id)
			}
			text, prepared := strings.CutPrefix(strings.ReplaceAll(sql, "%d", fmt.Sprint(id)), "prepared ")
			if prepared {
				st, err := c.Prepare(text)
				if err != nil {
					t.Fatal(err)
				}
				var params []string
				if st.Params > 0 {
					params = []string{fmt.Sprint(id)}
				}
				if _, err := c.Execute(st, params...); err != nil {
					t.Fatal(err)
				}
			} else {
				c.result(text)
			}
			if err := <-answer; !mysqltest.IsError(err, 1317) {
				t.Errorf("the killed statement: %v", err)
			}
			target.query("SELECT 1")
		})
	}
	t.Run("of another galley", func(*testing.T) {
		_, c, _, _ := start(t)
		msg := c.fails(fmt.Sprintf("KILL %d", uint32(firstConnectionID|7<<instanceShift|1)), 1094)
		if !strings.Contains(msg, "instance_id 7") {
			t.Errorf("told %q", msg)
		}
	})
	t.Run("NULL", func(*testing.T) {
		d, c, _, _ := start(t)
		d.n[0].On("SELECT (", mysqltest.Fail(1054, "Unknown column 'x'"))
		c.fails("KILL x", 1054)
	})
	t.Run("what the node knows", func(t *testing.T) {
		d, c, _, _ := start(t)
		evaluates(d, 5)
		c.fails("KILL 2 + 3", 1094)
		d.expectRan("KILL 2 + 3", 1, 0)
	})
}

func TestKillWaiting(t *testing.T) {
	full := func(c *config.MySQL) {
		c.Pool = config.Pool{Multiplex: true, MaxPerNode: 1, MaxWaiting: 10, Opening: 1, WaitForConnection: time.Hour, IdleTime: time.Minute, Lifetime: time.Hour, MaxStatements: 10}
	}
	for name, test := range map[string]struct {
		change func(*config.MySQL)
		block  func(d *door)
	}{
		"for a node":       {func(*config.MySQL) {}, func(d *door) { d.cluster.Set(nil, d.n[1]) }},
		"for a connection": {full, func(d *door) { d.client().result("BEGIN") }},
		"for its turn": {func(c *config.MySQL) { c.MaxInFlight, c.Pool.WaitForConnection = 1, time.Hour }, func(d *door) {
			d.n[0].On("INSERT", mysqltest.Hang())
			asking(d.client(), "INSERT INTO t VALUES (1)")
		}},
	} {
		for _, form := range []string{"KILL %d", "KILL QUERY %d"} {
			t.Run(name+", "+form, func(t *testing.T) {
				synctest.Test(withAccounts(t), func(t *testing.T) {
					d := newDoor(t, 2, test.change)
					c, target := d.client(), d.client()
					test.block(d)
					synctest.Wait()
					answer := asking(target, "UPDATE t SET a = 1")
					synctest.Wait()
					began := time.Now()
					c.result(fmt.Sprintf(form, target.Greeting.ThreadID))
					err := <-answer
					if killed := mysqltest.IsError(err, 1317); err == nil || killed != strings.Contains(form, "QUERY") || time.Since(began) != 0 {
						t.Errorf("the killed session: %v after %s", err, time.Since(began))
					}
					d.expectRan("UPDATE t SET a = 1", 0, 0)
				})
			})
		}
	}
}

func TestKillQueryID(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	const ask = "SELECT ID FROM information_schema.PROCESSLIST WHERE QUERY_ID = 7"
	d.n[0].On("SELECT ID FROM", mysqltest.Table())
	d.n[1].On("SELECT ID FROM", mysqltest.Table())
	if msg := c.fails("KILL QUERY ID 7", 1957); msg != "Unknown query id: 7" {
		t.Errorf("told %q", msg)
	}
	d.n[1].On(ask, mysqltest.Table("12"))
	d.n[1].On("KILL SOFT QUERY ID 7", mysqltest.Done())
	c.result("KILL SOFT QUERY ID 7")
	d.expectRan("KILL SOFT QUERY ID 7", 0, 1)
	d.n[0].On(ask, mysqltest.Table("15"))
	if msg := c.fails("KILL QUERY ID 7", 1235); !strings.Contains(msg, d.n[0].Addr+" and "+d.n[1].Addr) {
		t.Errorf("told %q", msg)
	}
}

func TestKillUser(t *testing.T) {
	d := newSocketDoor(t, 2)
	d.n[0].On("UPDATE", mysqltest.Hang())
	for _, n := range d.n {
		n.On("SELECT ID, HOST", mysqltest.Table())
	}
	c, target, idle := d.client(), d.client(), d.client()
	other := d.client(mysqltest.Login{User: "other", Password: "word"})
	other.fails("KILL USER app", 1095)
	answer := asking(target, "UPDATE t SET a = 1")
	d.n[0].Await(t, "UPDATE t SET a = 1")
	c.result("KILL QUERY USER 'app'@'%'")
	if err := <-answer; !mysqltest.IsError(err, 1317) {
		t.Errorf("the killed statement: %v", err)
	}
	d.n[1].On("SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = 'app'", func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Rows([]string{"ID", "HOST"}, []string{"77", "10.0.0.1:44"})
		return nil
	})
	d.n[1].On("KILL 77", mysqltest.Done())
	r := c.result("KILL USER app@'%'")
	if r.Sets[0].OK.AffectedRows != 4 {
		t.Errorf("%d were killed", r.Sets[0].OK.AffectedRows)
	}
	d.expectRan("KILL 77", 0, 1)
	for _, gone := range []*testClient{c, target, idle} {
		gone.ended()
	}
	other.query("SELECT 1")
}

func TestParameterNumber(t *testing.T) {
	tests := []struct {
		typ  byte
		p    string
		want uint64
		ok   bool
	}{
		{1, "\x07", 7, true},
		{2, "\x01\x01", 257, true},
		{3, "\x01\x00\x00\x80", 1<<31 + 1, true},
		{8, "\x01\x00\x00\x80\x00\x00\x00\x00", 1<<31 + 1, true},
		{253, "\x0a2147483650", 1<<31 + 2, true},
		{246, "\x012", 2, true},
		{253, "\x01x", 0, false},
		{5, "12345678", 0, false},
		{3, "\x01", 0, false},
		{253, "\x09x", 0, false},
		{253, "\xfb", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parameterNumber(tt.typ, []byte(tt.p)); got != tt.want || ok != tt.ok {
			t.Errorf("type %d %q: %d, %v", tt.typ, tt.p, got, ok)
		}
	}
}

// FuzzKeptAnswer holds for any bytes: no panic, and all packets are within them, in order.
func FuzzKeptAnswer(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x01\x01\x02\x00\x00\x02ab\x05\x00\x00\x03\xfe\x00\x00\x02\x00\x02\x00\x00\x04\x01x\x05\x00\x00\x05\xfe\x00\x00\x02\x00"), false)
	f.Add([]byte("\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"), true)
	f.Add([]byte("\x09\x00\x00\x01\xff\x00\x00#HY000"), true)
	f.Fuzz(func(t *testing.T, buf []byte, deprecateEOF bool) {
		k := keptAnswer{buf: buf}
		if !k.split(deprecateEOF) {
			return
		}
		n := len(k.end)
		for _, some := range [][][]byte{k.head, k.rows} {
			for _, p := range some {
				n += len(p)
			}
		}
		if n != len(buf) {
			t.Errorf("%q has %d bytes in its packets", buf, n)
		}
		for _, p := range k.rows {
			values(p)
		}
		if k.refused() != nil && k.isRows() {
			t.Errorf("%q is rows and an error", buf)
		}
	})
}
