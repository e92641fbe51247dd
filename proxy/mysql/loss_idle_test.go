package mysql

import (
	"testing"
	"time"

	"galley/proxy/mysql/mysqltest"
)

// TestManyIdleConnsOfALostNode: a node that dies takes all its idle conns with it, more than a command is tried. What may run again waits for another node all the same.
func TestManyIdleConnsOfALostNode(t *testing.T) {
	for _, sql := range []string{"BEGIN", "SELECT 1", "SELECT f FROM t FOR UPDATE"} {
		t.Run(sql, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			d.cluster.Set(d.n[0], d.n[0])
			var clients []*testClient
			for range 4 * attempts {
				c := d.client()
				c.result("BEGIN")
				c.query("SELECT 0")
				clients = append(clients, c)
			}
			for _, c := range clients {
				c.result("COMMIT")
			}
			if n := d.n[0].Conns(); n < 4*attempts {
				t.Fatalf("only %d conns", n)
			}
			d.n[0].Kill()
			time.AfterFunc(30*time.Millisecond, func() { d.cluster.Set(d.n[1], d.n[1]) })
			c := clients[0]
			if r, err := c.Query(sql); err != nil {
				t.Errorf("%s: %v, %v", sql, r, err)
			}
		})
	}
}

// TestConnsThatDieOneByOne: a node that dies may close its conns only when something is sent there.
func TestConnsThatDieOneByOne(t *testing.T) {
	d := newSocketDoor(t, 2)
	d.cluster.Set(d.n[0], d.n[0])
	c := d.client()
	c.query("SELECT 0")
	d.n[0].On("SELECT 1", mysqltest.Close())
	time.AfterFunc(50*time.Millisecond, func() { d.cluster.Set(d.n[1], d.n[1]) })
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("answered by %q", got)
	}
}
