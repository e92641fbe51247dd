package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// until waits until a condition holds that nothing tells of.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(2*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("in vain: %s", what)
		}
	}
}

func TestWaitTimeout(t *testing.T) {
	interactive := mysqltest.Login{Caps: mysqltest.PlainCaps | wire.ClientInteractive}
	tests := []struct {
		name  string
		login mysqltest.Login
		sets  []string
		want  time.Duration
	}{
		{"the cluster's", mysqltest.Login{}, []string{"SELECT 1"}, 50 * time.Second},
		{"of an interactive client", interactive, nil, 20 * time.Second},
		{"the session's own", interactive, []string{"SET wait_timeout = 3"}, 3 * time.Second},
		{"in a transaction", mysqltest.Login{}, []string{"SET wait_timeout = 3", "BEGIN", "INSERT INTO t VALUES (1)"}, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(withAccounts(t), func(t *testing.T) {
				d := newDoor(t, 2)
				d.cluster.Update(func(v *cluster.View) {
					v.Server.WaitTimeout, v.Server.InteractiveTimeout = 50*time.Second, 20*time.Second
				})
				c := d.client(tt.login)
				for _, sql := range tt.sets {
					c.result(sql)
				}
				began := time.Now()
				c.ended()
				if took := time.Since(began); took < tt.want || took > tt.want+2*sweepTick {
					t.Errorf("closed after %s, want %s", took, tt.want)
				}
				synctest.Wait()
				if n := d.srv.metrics.closed[closeWaitTimeout].Load(); n != 1 {
					t.Errorf("%d sessions closed for it", n)
				}
			})
		})
	}
	t.Run("a reset", func(t *testing.T) {
		synctest.Test(withAccounts(t), func(t *testing.T) {
			d := newDoor(t, 1)
			c := d.client()
			c.result("SET wait_timeout = 3")
			c.command(wire.ComResetConnection, "")
			c.query("SELECT 1")
			time.Sleep(time.Minute)
			c.query("SELECT 1")
		})
	})
}

func TestMaxExecutionTime(t *testing.T) {
	limits := func(c *config.MySQL) {
		c.MaxExecutionTime = 10 * time.Second
		c.Limits = []config.Limit{{User: "other", MaxExecutionTime: 2 * time.Second}}
	}
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, limits)
		for _, n := range d.n {
			n.On("SELECT SLOW", mysqltest.Hang())
			n.On("SELECT ROWS", mysqltest.Slowly(nil, "1"))
			n.On("SELECT LATE", mysqltest.Delay(9*time.Second, mysqltest.Table("late")))
			n.On("INSERT", mysqltest.Delay(time.Minute, mysqltest.Done()))
		}
		for user, want := range map[string]time.Duration{"app": 10 * time.Second, "other": 2 * time.Second} {
			c := d.client(mysqltest.Login{User: user, Password: map[string]string{"app": "secret", "other": "word"}[user]})
			for _, sql := range []string{"SELECT SLOW", "SELECT ROWS", "SELECT SLOW FOR UPDATE"} {
				began := time.Now()
				if msg := c.fails(sql, 1969); msg != overtimeText {
					t.Errorf("told %q", msg)
				}
				if took := time.Since(began); took < want || took > want+2*sweepTick {
					t.Errorf("%s of %s: killed after %s, want %s", sql, user, took, want)
				}
			}
			c.query("SELECT 1")
			c.result("INSERT INTO t VALUES (1)")
			if user == "app" {
				c.query("SELECT LATE")
			}
		}
		if n := d.srv.metrics.kills[killOvertime].Load(); n != 6 {
			t.Errorf("%d kills", n)
		}
	})
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, limits)
		d.n[1].On("SELECT SLOW", mysqltest.Hang())
		c, killer := d.client(), d.client()
		answer := asking(c, "SELECT SLOW")
		synctest.Wait()
		killer.result(fmt.Sprintf("KILL QUERY %d", c.Greeting.ThreadID)) // For another reason, and in other words.
		if err := <-answer; !mysqltest.IsError(err, 1317) {
			t.Errorf("killed: %v", err)
		}
	})
}

func TestGoneClient(t *testing.T) {
	start := func(t *testing.T, change ...func(*config.MySQL)) *door {
		t.Helper()
		d := newSocketDoor(t, 2, change...)
		for _, n := range d.n {
			for _, sql := range []string{"SELECT SLOW", "INSERT"} {
				n.On(sql, mysqltest.Hang())
			}
		}
		return d
	}
	leave := func(t *testing.T, d *door, n *mysqltest.Node, sql string) {
		t.Helper()
		c := d.client()
		if err := c.Send(wire.ComQuery, sql); err != nil {
			t.Fatal(err)
		}
		n.Await(t, sql)
		if err := c.Send(wire.ComQuit, ""); err != nil { // Unread when it goes.
			t.Fatal(err)
		}
		c.Close()
	}
	killed := func(n *mysqltest.Node) int {
		count := 0
		for _, text := range n.Texts() {
			if strings.HasPrefix(text, "KILL QUERY ") {
				count++
			}
		}
		return count
	}
	t.Run("reads", func(t *testing.T) {
		d := start(t)
		leave(t, d, d.n[0], "INSERT INTO t VALUES (1)")
		leave(t, d, d.n[0], "SELECT SLOW FOR UPDATE")
		leave(t, d, d.n[1], "SELECT SLOW")
		until(t, "the sessions of the reads end", func() bool { return d.srv.sessionCount() == 1 })
		if a, b := killed(d.n[0]), killed(d.n[1]); a != 1 || b != 1 {
			t.Errorf("%d and %d kills: %q %q", a, b, d.n[0].Texts(), d.n[1].Texts())
		}
	})
	t.Run("writes", func(t *testing.T) {
		d := start(t, func(c *config.MySQL) { c.KillWritesOfGoneClients = true })
		leave(t, d, d.n[0], "INSERT INTO t VALUES (1)")
		until(t, "the session of the write ends", func() bool { return d.srv.sessionCount() == 0 })
		if n := killed(d.n[0]); n != 1 {
			t.Errorf("%d kills", n)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		d := start(t, func(c *config.MySQL) { c.WaitForNode = time.Hour })
		c := d.client()
		d.cluster.Set(nil, d.n[1])
		if err := c.Send(wire.ComQuery, "INSERT INTO t VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		until(t, "the session waits", func() bool { return d.srv.Stats().Waiting == 1 })
		c.Close()
		until(t, "the session ends", func() bool { return d.srv.sessionCount() == 0 })
	})
}

func TestSlowClient(t *testing.T) {
	d := newSocketDoor(t, 1, func(c *config.MySQL) { c.ClientWriteTimeout = 100 * time.Millisecond })
	d.n[0].On("SELECT MUCH", mysqltest.Table(slices.Repeat([]string{strings.Repeat("x", 64<<10)}, 500)...)) // More than the kernel takes.
	c := d.client()
	if err := c.Send(wire.ComQuery, "SELECT MUCH"); err != nil {
		t.Fatal(err)
	}
	until(t, "the session is closed", func() bool { return d.srv.metrics.closed[closeSlowClient].Load() == 1 })
	if n := d.srv.sessionCount(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	if _, err := c.Read(); err == nil {
		t.Error("the whole answer has come")
	}
}

// TestActivity: what was ended while it waited does not begin, and what has begun is not ended.
func TestActivity(t *testing.T) {
	var a activity
	idle := a.now.Load()
	if !a.begin(0) || !a.busy() || a.command() != 1 || a.over(idle) {
		t.Error("a command without a number")
	}
	first := a.now.Load()
	a.end()
	if a.busy() || a.now.Load() == idle {
		t.Error("idle is not another time")
	}
	if !a.begin(0xff) || a.now.Load() == first || a.command() != 0xfe {
		t.Error("the second command")
	}
	a.end()
	if !a.over(a.now.Load()) || a.begin(3) {
		t.Error("it has begun although it is over")
	}
}

func BenchmarkSweep(b *testing.B) {
	d := newDoor(b, 1)
	for i := range 10_000 {
		c := &session{srv: d.srv, id: uint32(i)}
		c.shown.login.Store(&login{user: "app"})
		d.srv.mu.Lock()
		d.srv.sessions[c.id] = c
		d.srv.mu.Unlock()
	}
	defer clear(d.srv.sessions)
	now := time.Now()
	var all []*session
	b.ResetTimer()
	for b.Loop() {
		all = d.srv.sweepAll(all[:0], now)
	}
}
