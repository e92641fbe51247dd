package mysql

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/mysql/wire"
)

// oneConn lets there be one conn to each node.
func oneConn(c *config.MySQL) { c.Pool.MaxPerNode = 1 }

// TestLeftOversOfOthers: what one session leaves on a conn goes with it, and the next session neither sees it nor takes it for its own.
func TestLeftOversOfOthers(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	a, b := d.client(), d.client()
	a.result("SET @x=1")
	b.result("SET @y=2")
	a.result("INSERT INTO t VALUES (1)")
	b.result("INSERT INTO t VALUES (2)")
	d.n[0].Forget()
	a.query("SELECT @x, LAST_INSERT_ID()")
	b.query("SELECT @y, LAST_INSERT_ID()")
	sets := func() (all []string) {
		for _, sql := range d.n[0].Texts() {
			if strings.HasPrefix(sql, "SET @") {
				all = append(all, sql)
			}
		}
		return all
	}
	if got := sets(); !slices.Equal(got, []string{"SET @`x`=1, last_insert_id=1", "SET @`y`=2, last_insert_id=1"}) {
		t.Errorf("set %q", got)
	}
}

// eachItsOwn has many sessions set and ask on the only node of d, and holds that each finds its own state, whoever had the conn in between.
func eachItsOwn(t *testing.T, d *door) {
	t.Helper()
	const sessions, rounds = 12, 15
	var all sync.WaitGroup
	for i := range sessions {
		c := d.client()
		all.Go(func() {
			c.result(fmt.Sprintf("SET time_zone='+01:%02d'", i))
			c.result(fmt.Sprintf("SET @me=%d", i))
			for r := range rounds {
				c.result(fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", i, r))
				c.query(fmt.Sprintf("SELECT @me, %d, %d", i, r))
			}
		})
	}
	all.Wait()
	asked := 0
	for _, cmd := range d.n[0].Commands() {
		var i, r int
		if _, err := fmt.Sscanf(cmd.Text, "SELECT @me, %d, %d", &i, &r); err != nil {
			continue
		}
		asked++
		if want := fmt.Sprintf("time_zone=+01:%02d", i); !strings.Contains(cmd.Vars, want) || !strings.Contains(cmd.Vars, fmt.Sprintf("@me=%d ", i)) {
			t.Errorf("%s ran with %q", cmd.Text, cmd.Vars)
		}
	}
	if asked < sessions*rounds {
		t.Errorf("%d of %d questions reached the node", asked, sessions*rounds)
	}
}

// TestManySessionsOnOneConn: each finds its own state, whoever had the conn in between.
func TestManySessionsOnOneConn(t *testing.T) {
	d := newDoor(t, 1, oneConn)
	eachItsOwn(t, d)
	if got := d.n[0].Conns(); got != 1 {
		t.Errorf("%d conns", got)
	}
}

// TestDeadIdleConnsAreNotGivenOut: those that the node has closed are noticed before they are used.
func TestDeadIdleConnsAreNotGivenOut(t *testing.T) {
	d := newSocketDoor(t, 2)
	var clients []*testClient
	for range 8 {
		c := d.client()
		c.result("BEGIN")
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.result("COMMIT")
	}
	if got := d.n[0].Conns(); got != 8 {
		t.Fatalf("%d conns", got)
	}
	d.n[0].CloseConns()
	d.srv.tick.Add(1)
	pastIdleCheck(t)
	c := d.client()
	c.result("INSERT INTO t VALUES (1)")
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
}

// TestLifetime: a conn is closed when it has been open for long enough, also one that is never idle for long.
func TestLifetime(t *testing.T) {
	d := newDoor(t, 1, oneConn, func(c *config.MySQL) { c.Pool.Lifetime = 30 * time.Second })
	c := d.client()
	for range 4 {
		c.result("INSERT INTO t VALUES (1)")
		set := d.srv.conns.all()[0]
		await(t, "the conn is given back behind the answer", func() bool { open, idle, _ := set.counts(); return open == idle })
		d.srv.tick.Add(20)
	}
	if got := d.n[0].Logins(); got != 2 {
		t.Errorf("%d logins", got)
	}
	await(t, "the old conn is gone from the node", func() bool { return d.n[0].Conns() == 1 })
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// TestGrowth: the more conns there are, the more slowly further ones are opened, and only for those who have waited.
func TestGrowth(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		open          int
		waited, since time.Duration // Since the last conn was opened.
		want          bool
	}{
		{8, growAfter - 1, time.Hour, false},
		{8, growAfter, growAfter, true},
		{8, growAfter, growAfter - 1, false},
		{80, time.Hour, 10*growAfter - 1, false},
		{80, time.Hour, 10 * growAfter, true},
	} {
		p := &connPool{open: c.open, grew: start.Add(-c.since)}
		w := &waiter{since: start.Add(-c.waited)}
		set := newConnSet(nil, nil)
		if got := set.mayGrow(p, w, start); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		if set.mayGrow(p, w, start) {
			t.Errorf("%+v: two at once", c)
		}
	}
}

// TestUnreportedVariables: what a routine may have set without a word does not reach another session.
func TestUnreportedVariables(t *testing.T) {
	for _, sql := range []string{"CALL p()", "SELECT f(1)"} {
		d := newDoor(t, 1, oneConn)
		a, b := d.client(), d.client()
		a.result("INSERT INTO t VALUES (1)")
		b.result("SELECT 1")
		if n := count(d.n[0], wire.ComResetConnection); n != 0 {
			t.Errorf("%d resets", n)
		}
		a.result(sql)
		a.result("SELECT 2")
		resets := count(d.n[0], wire.ComResetConnection)
		b.result("SELECT 3")
		if n := count(d.n[0], wire.ComResetConnection); n != resets+1 {
			t.Errorf("%s: %d resets after it", sql, n-resets)
		}
	}
}
