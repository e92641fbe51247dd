package mysql

import (
	"testing"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestSchemasOfAccounts: what one account may use another one of the same user at another host may not.
func TestSchemasOfAccounts(t *testing.T) {
	c := schemaCache{until: map[schemaKey]time.Time{}}
	near, far := accountRow{user: "u", host: "10.%"}, accountRow{user: "u", host: "%"}
	c.add(near, "app", c.now())
	if !c.good(near, "app") || c.good(far, "app") {
		t.Error("a schema is good for another account than the one that has chosen it")
	}
	if c.add(near, "d\xe9", c.now()); c.good(near, "d\xe9") {
		t.Error("a name is good whose bytes are another one in other character sets")
	}
}

// TestKeptConnIsKept: without sharing, a session that chooses its schema stays on the conn that it has.
func TestKeptConnIsKept(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.Multiplex = false })
	with := d.client(mysqltest.Login{Schema: "app"})
	with.result("INSERT INTO t VALUES (1)")
	c := d.client()
	c.result("INSERT INTO app.t VALUES (2)")
	with.Close()
	for d.srv.conns.of(d.cluster.View().WriterNode()).idleNow() == 0 {
		d.client(mysqltest.Login{Schema: "app"}).Close()
	}
	c.command(wire.ComInitDB, "app")
	c.result("INSERT INTO t VALUES (3)")
	if first, later := d.on("INSERT INTO app.t VALUES (2)"), d.on("INSERT INTO t VALUES (3)"); first != later {
		t.Errorf("the session went from conn %d to %d", first, later)
	}
}

// idleNow is how many conns are idle.
func (c *connSet) idleNow() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}
