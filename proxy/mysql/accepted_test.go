package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestSetIsAnsweredAsBefore: a SET that a node has accepted is answered by galley, and what it sets holds where the session goes on.
func TestSetIsAnsweredAsBefore(t *testing.T) {
	d := newDoor(t, 2)
	const sql = "SET sql_mode = 'ANSI_QUOTES', time_zone = '+03:00'"
	for i := range 4 {
		c := d.client()
		ok := c.result(sql).Sets[0].OK
		if ok.Status&wire.StatusAnsiQuotes == 0 {
			t.Errorf("connection %d: status %x", i, ok.Status)
		}
		if got := c.query("SELECT @@sql_mode"); got != "ANSI_QUOTES" {
			t.Errorf("connection %d: sql_mode %q on a reader", i, got)
		}
		c.result("INSERT INTO t VALUES (1)")
		if got := c.query("/* galley:writer */ SELECT @@time_zone"); got != "+03:00" {
			t.Errorf("connection %d: time_zone %q on the writer", i, got)
		}
		c.Close()
		plain := d.client()
		plain.query("SELECT 1")
		if row := plain.result("SELECT @@time_zone").Sets[0].Rows[0]; strings.Contains(string(row), "+03:00") {
			t.Errorf("connection %d: another session has its time_zone", i)
		}
		plain.Close()
	}
	d.expectRan(sql, 1, 0)
	d.client(mysqltest.Login{Caps: mysqltest.TrackingCaps}).result(sql)
	d.expectRan(sql, 2, 0) // It asks to be told.
	c := d.client()
	c.result("BEGIN")
	c.result(sql)
	d.expectRan(sql, 3, 0)
}

// TestSetThatIsNotRemembered: what a node refuses, warns of, or what may differ each time, is asked of a node each time.
func TestSetThatIsNotRemembered(t *testing.T) {
	d := newDoor(t, 1)
	d.n[0].On("SET sql_mode='bad'", mysqltest.Fail(1231, "no such mode"))
	texts := []string{"SET time_zone=@@global.time_zone", "SET time_zone=DEFAULT", "SET SESSION sql_mode = Default", "SET group_concat_max_len=5", "SET @a=1, sql_mode=''", "SET GLOBAL time_zone='+01:00'"}
	for range 3 {
		c := d.client()
		for _, sql := range texts {
			c.result(sql)
		}
		c.fails("SET sql_mode='bad'", 1231)
		c.Close()
	}
	for _, sql := range append(texts, "SET sql_mode='bad'") {
		if got := len(slices.DeleteFunc(d.n[0].Texts(), func(text string) bool { return !strings.Contains(text, sql[len("SET "):]) })); got < 3 {
			t.Errorf("%s ran %d times", sql, got)
		}
	}
}

// TestSchemaChosenFirst: a schema that is chosen before anything else is checked as that of a login is.
func TestSchemaChosenFirst(t *testing.T) {
	d := newDoor(t, 2)
	chosen := func() int { return count(d.n[0], wire.ComInitDB) }
	choose := func(c *testClient, schema string, code uint16) {
		t.Helper()
		if err := c.Send(wire.ComInitDB, schema); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); code == 0 && err != nil || code != 0 && !mysqltest.IsError(err, code) {
			t.Errorf("COM_INIT_DB %s: %v, want error %d", schema, err, code)
		}
	}
	choose(d.client(), "app", 0)
	d.n[0].Forget()
	c := d.client()
	choose(c, "app", 0)
	if chosen() != 0 {
		t.Error("a schema that is known to be good was asked for again")
	}
	c.result("SELECT 'from app'")
	c.result("INSERT INTO from_app VALUES (1)")
	for _, text := range []string{"SELECT 'from app'", "INSERT INTO from_app"} {
		if got := d.schemasOf(text); len(got) != 1 || got[0] != "app" {
			t.Errorf("%s: schemas %q", text, got)
		}
	}

	before := chosen()
	later := d.client()
	later.result("INSERT INTO app.t VALUES (1)")
	choose(later, "app", 0)
	if chosen() == before {
		t.Error("behind a statement the schema was not asked for")
	}
	choose(later, "gone", 0)
	d.n[0].DropSchema("gone")
	d.n[1].DropSchema("gone")
	d.client().result("DROP DATABASE gone")
	choose(d.client(), "gone", 1049)
}

// TestStatusOfAnAnswer: what the status says of one answer, as that no index was used, is not said again by what galley answers behind it.
func TestStatusOfAnAnswer(t *testing.T) {
	d := newDoor(t, 1)
	d.n[0].On("SELECT 'scan'", func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		was := c.Status
		c.Status |= 0x20 | 0x800 // No index was used, and it was slow.
		c.Rows([]string{"a"}, []string{"1"})
		c.Status = was
		return nil
	})
	c := d.client()
	for range 2 {
		for _, sql := range []string{"SET NAMES utf8mb4", "SET sql_mode='NO_ZERO_DATE'"} {
			if got := c.result("SELECT 'scan'").Last().OK.Status; got != wire.StatusAutocommit|0x20|0x800 {
				t.Errorf("status %#x of the read", got)
			}
			if got := c.result(sql).Last().OK.Status; got != wire.StatusAutocommit {
				t.Errorf("%s: status %#x", sql, got)
			}
		}
		c.result("SELECT 'scan'")
		if err := c.Send(wire.ComPing, ""); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Read(); err != nil || r.Last().OK.Status != wire.StatusAutocommit {
			t.Errorf("ping: %v, %v", r, err)
		}
	}
}
