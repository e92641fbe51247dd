package mysql

import (
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestPreparedByMany: sessions that prepare the same text and say which types their parameters have share one statement on each conn; one that never says so runs with nobody else's types.
func TestPreparedByMany(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	const sql = "SELECT a FROM t WHERE b = ? FOR UPDATE"
	var clients []*testClient
	var statements []mysqltest.Statement
	for range 4 {
		c := d.client()
		clients, statements = append(clients, c), append(statements, c.prepare(sql))
	}
	for range 3 {
		for i, c := range clients {
			c.execute(statements[i], "x")
		}
	}
	if n := count(d.n[0], wire.ComStmtPrepare); n != len(clients) {
		t.Errorf("prepared %d times for %d clients who prepare once each", n, len(clients))
	}
	silent := d.client()
	st := silent.prepare(sql)
	clients[0].execute(statements[0], "x")
	before := count(d.n[0], wire.ComStmtPrepare)
	if err := silent.Send(wire.ComStmtExecute, st.ExecuteBody(false, 0, "y")); err != nil {
		t.Fatal(err)
	}
	_, err := silent.Read()
	silent.failed("an execution without types", err, 1210)
	if n := count(d.n[0], wire.ComStmtPrepare) - before; n != 1 {
		t.Errorf("prepared %d times for one who binds no types, want 1", n)
	}
}
