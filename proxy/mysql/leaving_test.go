package mysql

import (
	"runtime"
	"testing"

	"galley/proxy/mysql/mysqltest"
)

// TestLocksStayOnANodeThatLeaves until the transaction has been run again on another, or the same node is the writer after all.
func TestLocksStayOnANodeThatLeaves(t *testing.T) {
	for name, back := range map[string]bool{"another writer": false, "the same writer": true} {
		t.Run(name, func(t *testing.T) {
			d, c := replayDoor(t)
			then := 0
			for _, n := range d.n {
				n.On("UPDATE", func(conn *mysqltest.Conn, cmd *mysqltest.Command) error {
					then = d.n[0].Conns()
					return mysqltest.Done()(conn, cmd)
				})
			}
			c.result("BEGIN")
			c.result("UPDATE t SET a=1")
			had := d.n[0].Conns()
			d.n[0].Once("DELETE", func(conn *mysqltest.Conn, cmd *mysqltest.Command) error {
				if !back {
					d.cluster.Set(d.n[1], d.n[2])
				}
				return mysqltest.Fail(1047, "WSREP has not yet prepared node for application use")(conn, cmd)
			})
			c.result("DELETE FROM t")
			c.result("COMMIT")
			if !back && then != had {
				t.Errorf("%d conns were open on the old node when the transaction was run again, %d before", then, had)
			}
			most := had - 1
			if back {
				most = had + 1 // With one of galley's own, on which it waits for the group.
			}
			for d.n[0].Conns() > most {
				runtime.Gosched() // It is closed in the end.
			}
		})
	}
}
