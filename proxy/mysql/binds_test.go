package mysql

import (
	"testing"
	"time"

	"galley/config"
	"galley/proxy/mysql/wire"
)

// TestNoResetBehindWhatBinds: a conn on which another session has written before is reset before it is bound to a session and not behind that, when the reset would end what binds it.
func TestNoResetBehindWhatBinds(t *testing.T) {
	for _, sql := range []string{
		"BEGIN", "START TRANSACTION", "SET autocommit = 0", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET timestamp = 5", "SELECT GET_LOCK('a', 1)",
		"CREATE TEMPORARY TABLE u (a INT)", "LOCK TABLES t WRITE", "XA START 'a'", "HANDLER t OPEN", "PREPARE p FROM 'SELECT 1'", "COMMIT AND CHAIN", "COMMIT", "ROLLBACK",
	} {
		t.Run(sql, func(t *testing.T) {
			d := newDoor(t, 1, func(c *config.MySQL) {
				c.Pool = config.Pool{Multiplex: true, MaxPerNode: 1, MaxWaiting: 10, WaitForConnection: 10 * time.Second, IdleTime: time.Minute, Lifetime: time.Hour, Opening: 1, MaxStatements: 10}
			})
			before := d.client()
			before.result("INSERT INTO t VALUES (0)") // A trigger may have set user variables.
			_ = before.Send(wire.ComQuit, "")
			before.ended()
			c := d.client()
			c.result(sql)
			d.n[0].Forget()
			c.result("INSERT INTO t VALUES (1)")
			for _, cmd := range d.n[0].Commands() {
				if cmd.Com == wire.ComResetConnection {
					t.Error("the conn was reset behind it")
				}
			}
		})
	}
	t.Run("long data", func(t *testing.T) {
		d := newDoor(t, 1, func(c *config.MySQL) {
			c.Pool = config.Pool{Multiplex: true, MaxPerNode: 1, MaxWaiting: 10, WaitForConnection: 10 * time.Second, IdleTime: time.Minute, Lifetime: time.Hour, Opening: 1, MaxStatements: 10}
		})
		before, c := d.client(), d.client()
		st, err := c.Prepare("INSERT INTO t VALUES (?)")
		if err != nil {
			t.Fatal(err)
		}
		before.result("INSERT INTO t VALUES (0)")
		if err := c.Send(wire.ComStmtSendLongData, st.ExecuteBody(false, 0)[:4]+"\x00\x00long"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Execute(st, "x"); err != nil {
			t.Fatal(err)
		}
		sent := false
		for _, cmd := range d.n[0].Commands() {
			if sent && cmd.Com == wire.ComResetConnection {
				t.Error("the conn was reset behind it")
			}
			sent = sent || cmd.Com == wire.ComStmtSendLongData
		}
		if !sent {
			t.Error("no long data has come")
		}
	})
}
