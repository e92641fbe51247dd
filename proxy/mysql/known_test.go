package mysql

import (
	"testing"

	"galley/proxy/mysql/mysqltest"
)

func TestAsksVariable(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT @@sql_mode":                 true,
		"select @@SESSION.sql_mode":         true,
		"Select @@local.Sql_Mode":           true,
		"SELECT @@version_comment":          true,
		"SELECT @@GLOBAL.sql_mode":          false,
		"SELECT @@sql_mode ":                false,
		"SELECT @@sql_mode, @@version":      false,
		"SELECT @@sql_mode LIMIT 1":         false,
		"SELECT @@hostname":                 false,
		"SELECT @@server_id":                false,
		"SELECT @@timestamp":                false,
		"SELECT @@tx_read_only":             false,
		"SELECT @@insert_id":                false,
		"SELECT @@session.":                 false,
		"SELECT @@":                         false,
		"SELECT @sql_mode":                  false,
		"SELECT  @@sql_mode":                false,
		"/* galley:n2 */ SELECT @@sql_mode": false,
		"":                                  false,
	} {
		if got := asksVariable([]byte(sql)); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

const asksMode = "SELECT @@sql_mode"

// TestKnownAnswers: what a node has told one session is told to another under the same settings, and to no other.
func TestKnownAnswers(t *testing.T) {
	d := newDoor(t, 1)
	on := func(mode string) { d.n[0].On(asksMode, mysqltest.Table(mode)) }
	on("STRICT_TRANS_TABLES")
	asked := 0
	expect := func(c *testClient, want string, asks int) {
		t.Helper()
		asked += asks
		if got := c.query(asksMode); got != want || d.n[0].Ran(asksMode) != asked {
			t.Errorf("%q and %d questions, want %q and %d", got, d.n[0].Ran(asksMode), want, asked)
		}
	}
	c, other := d.client(), d.client()
	expect(c, "STRICT_TRANS_TABLES", 1)
	expect(other, "STRICT_TRANS_TABLES", 0)
	other.result("SELECT FOUND_ROWS()")
	d.expectRan("SELECT FOUND_ROWS()", 0)                                                                                      // Galley has put the number into it.
	expect(d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps}), "STRICT_TRANS_TABLES", 1) // Its answers look otherwise.

	on("ANSI")
	other.result("SET sql_mode='ANSI'")
	expect(other, "ANSI", 1)
	expect(c, "STRICT_TRANS_TABLES", 0)

	c.result("SET GLOBAL sql_mode='ANSI'")
	expect(d.client(), "ANSI", 1)
	expect(d.client(), "ANSI", 0)

	on("NONE")
	d.srv.tick.Add(1)
	expect(d.client(), "NONE", 1)
	expect(d.client(), "NONE", 0)
}

// TestNotKnown: a session that has something about which galley knows too little asks its node.
func TestNotKnown(t *testing.T) {
	for name, before := range map[string]string{
		"transaction": "BEGIN", "no autocommit": "SET autocommit=0", "routine": "CALL p()", "pin": "SELECT GET_LOCK('a', 1)",
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 1)
			d.n[0].On(asksMode, mysqltest.Table("x"))
			c := d.client()
			c.query(asksMode)
			c.result(before)
			c.query(asksMode)
			d.expectRan(asksMode, 2)
		})
	}
	t.Run("error", func(t *testing.T) {
		d := newDoor(t, 1)
		d.n[0].On(asksMode, mysqltest.Fail(1193, "Unknown system variable"))
		c := d.client()
		c.fails(asksMode, 1193)
		c.fails(asksMode, 1193)
		d.expectRan(asksMode, 2)
	})
}

// TestLessonOfBefore: an answer that was under way when somebody changed the variables is not kept.
func TestLessonOfBefore(t *testing.T) {
	var k knownAnswers
	_, turn, _ := k.find([]byte("a"), 0)
	l := &lesson{key: "a", turn: turn}
	k.forget()
	k.add(l, knownAnswer{packets: []byte{1}})
	if _, _, ok := k.find([]byte("a"), 0); ok {
		t.Error("an old answer is kept")
	}
	_, l.turn, _ = k.find([]byte("a"), 0)
	k.add(l, knownAnswer{packets: []byte{1}})
	if _, _, ok := k.find([]byte("a"), 0); !ok {
		t.Error("a new answer is not kept")
	}
	if _, _, ok := k.find([]byte("a"), 1); ok {
		t.Error("an answer is kept for longer than a second")
	}
}
