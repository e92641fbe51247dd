package mysql

import (
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// BenchmarkForward is one statement through a session, over loopback, on a conn that is there. The allocations of the whole process count: client and node make none.
func BenchmarkForward(b *testing.B) {
	const value = "68487932199-96439406143-93774651418-41631865787-96406072701-20604855487-25459966574-28203206787-41238978918-19503783441"
	for name, c := range map[string]struct {
		sql   string
		reply mysqltest.Reply
		caps  wire.Capability
	}{
		"read":                {"SELECT c FROM sbtest1 WHERE id=5042", mysqltest.Table(value), mysqltest.PlainCaps},
		"read, DEPRECATE_EOF": {"SELECT c FROM sbtest1 WHERE id=5042", mysqltest.Table(value), mysqltest.TrackingCaps},
		"write":               {"UPDATE sbtest1 SET k=k+1 WHERE id=5042", mysqltest.Done(), mysqltest.PlainCaps},
	} {
		b.Run(name, func(b *testing.B) {
			d := newSocketDoor(b, 2)
			for _, n := range d.n {
				n.On(c.sql, mysqltest.Forever(c.reply))
			}
			cl := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: c.caps})
			roundTrips(b, cl, packets(append([]byte{wire.ComQuery}, c.sql...)))
		})
	}
	b.Run("prepared", func(b *testing.B) {
		d := newSocketDoor(b, 2)
		d.n[1].On("SELECT c", mysqltest.Forever(mysqltest.Table(value)))
		c := d.client()
		st := c.prepare("SELECT c FROM sbtest1 WHERE id=?")
		c.execute(st, "5042")
		roundTrips(b, c, packets(append([]byte{wire.ComStmtExecute}, st.ExecuteBody(false, 0, "5042")...)))
	})
}

// BenchmarkConnect is a page of PHP's: a login, two statements that galley knows the answers to, a row, the end. The allocations of the client and the node count too.
func BenchmarkConnect(b *testing.B) {
	const sql = "SELECT c FROM pages WHERE id=5042"
	d := newSocketDoor(b, 2)
	for _, n := range d.n {
		n.On(sql, mysqltest.Forever(mysqltest.Table("value")))
		n.On("SELECT @@sql_mode", mysqltest.Forever(mysqltest.Table("")))
		n.On("SET NAMES utf8mb4", mysqltest.Forever(mysqltest.Done()))
	}
	b.ReportAllocs()
	for b.Loop() {
		c := d.client()
		for _, text := range []string{"SET NAMES utf8mb4", "SELECT @@sql_mode", sql} {
			c.result(text)
		}
		c.Close()
	}
}

func roundTrips(b *testing.B, c *testClient, packet []byte) {
	b.Helper()
	if err := c.RoundTrips(packet, 100); err != nil { // Opens the conn, fills the pools.
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.RoundTrips(packet, max(b.N, 2)); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
}

// TestForwardAllocatesNothing holds what BenchmarkForward shows.
func TestForwardAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	d := newSocketDoor(t, 2)
	const sql = "SELECT c FROM sbtest1 WHERE id=5042"
	d.n[1].On(sql, mysqltest.Forever(mysqltest.Table("value")))
	c := d.client()
	packet := packets(append([]byte{wire.ComQuery}, sql...))
	if err := c.RoundTrips(packet, 100); err != nil {
		t.Fatal(err)
	}
	const n = 5000
	perRun := testing.AllocsPerRun(1, func() {
		if err := c.RoundTrips(packet, n); err != nil {
			t.Fatal(err)
		}
	})
	if perRun > n/20 { // A few for the first answer, and what the runtime does meanwhile.
		t.Errorf("%v allocations in %d queries", perRun, n)
	}
}
