package mysql

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// asking sends a statement and gives the answer later.
func asking(c *testClient, sql string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Query(sql)
		done <- err
	}()
	return done
}

// answered waits for answers, none of which may be an error.
func answered(t *testing.T, answers ...<-chan error) {
	t.Helper()
	for i, answer := range answers {
		if err := <-answer; err != nil {
			t.Errorf("answer %d of %d: %v", i+1, len(answers), err)
		}
	}
}

func TestWaitForAWriter(t *testing.T) {
	for _, comes := range []time.Duration{time.Millisecond, 3 * time.Second, 14999 * time.Millisecond} {
		synctest.Test(withAccounts(t), func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client()
			c.query("SELECT 1")
			d.cluster.Set(nil, d.n[1])
			began := time.Now()
			done := asking(c, "INSERT INTO t VALUES (1)")
			synctest.Wait()
			if st := d.srv.Stats(); st.Waiting != 1 || st.Active != 1 {
				t.Errorf("while it waits: %+v", st)
			}
			if rows := d.srv.Sessions(9); len(rows) != 1 || rows[0].State != "waiting for a node" {
				t.Errorf("while it waits: %+v", rows)
			}
			time.Sleep(comes)
			d.cluster.Set(d.n[0], d.n[1])
			if err := <-done; err != nil {
				t.Errorf("the writer came after %s: %v", comes, err)
			}
			if took := time.Since(began); took != comes {
				t.Errorf("the writer came after %s, the answer after %s", comes, took)
			}
			d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
		})
	}
}

func TestNoWriterComes(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		d.cluster.Set(nil, d.n[1])
		began := time.Now()
		msg := c.fails("INSERT INTO t VALUES (1)", 1047)
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("after %s", took)
		}
		if !strings.Contains(msg, "non_primary") || !strings.Contains(msg, "15s") {
			t.Errorf("the client is told %q", msg)
		}
		if got := c.query("SELECT 1"); got != "n2" { // Reads go on.
			t.Errorf("read on %q", got)
		}
		d.cluster.Set(nil)
		if msg := c.fails("SELECT 2", 1047); !strings.Contains(msg, "read") {
			t.Errorf("the client is told %q", msg)
		}
	})
}

func TestWaitingMayBeOff(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) { c.WaitForNode = 0 })
		c := d.client()
		d.cluster.Set(nil, d.n[1])
		began := time.Now()
		c.fails("INSERT INTO t VALUES (1)", 1047)
		if took := time.Since(began); took != 0 {
			t.Errorf("after %s", took)
		}
	})
}

// TestNodeThatCannotBeReached: the view still has it, and dialing fails until the view changes.
func TestNodeThatCannotBeReached(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		d.n[0].Kill()
		done := asking(c, "INSERT INTO t VALUES (1)")
		time.Sleep(2 * time.Second)
		if probes := len(d.cluster.Probes()); probes < 2 || probes > 40 {
			t.Errorf("%d probes asked for in 2 s", probes)
		}
		d.n[0].Revive()
		answered(t, done)
		d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
	})
}

func TestNodeThatRefusesLoginsForNow(t *testing.T) {
	for _, code := range []uint16{1047, 1040, 1053} {
		synctest.Test(withAccounts(t), func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client()
			d.n[0].RefuseLogins(wire.NewError(code, "WSREP has not yet prepared node for application use"))
			done := asking(c, "INSERT INTO t VALUES (1)")
			time.Sleep(time.Second)
			d.n[0].RefuseLogins(nil)
			if err := <-done; err != nil {
				t.Errorf("%d: %v", code, err)
			}
		})
	}
}

func TestNodeThatHangsAtLogin(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		d.n[0].On("SET SESSION session_track_system_variables='*'", mysqltest.Hang())
		began := time.Now()
		done := asking(c, "INSERT INTO t VALUES (1)")
		time.Sleep(time.Second)
		d.cluster.Set(d.n[1], d.n[0])
		answered(t, done)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("after %s, where the connect timeout is 5s", took)
		}
		d.expectRan("INSERT INTO t VALUES (1)", 0, 1)
	})
}

// TestRefusedWriteWaitsForTheNextView: a node that is not ready any more is left as soon as the view says so.
func TestRefusedWriteWaitsForTheNextView(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		c.result("INSERT INTO t VALUES (0)")
		d.n[0].On("INSERT", mysqltest.Fail(1047, "WSREP has not yet prepared node for application use"))
		done := asking(c, "INSERT INTO t VALUES (1)")
		time.Sleep(4 * time.Second)
		d.cluster.Set(d.n[1], d.n[1])
		answered(t, done)
		if d.n[1].Ran("INSERT INTO t VALUES (1)") != 1 {
			t.Errorf("ran %v", d.ran("INSERT INTO t VALUES (1)"))
		}
		d.n[1].On("INSERT", mysqltest.Fail(1047, "WSREP has not yet prepared node for application use"))
		began := time.Now()
		if msg := c.fails("INSERT INTO t VALUES (2)", 1047); !strings.Contains(msg, "WSREP") {
			t.Errorf("told %q", msg)
		}
		if took := time.Since(began); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

func TestConnectWaitsForANode(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		d.cluster.Set(nil)
		began := time.Now()
		nc := d.raw()
		time.AfterFunc(7*time.Second, func() { d.cluster.Set(d.n[0], d.n[1]) })
		c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret"})
		if err != nil || time.Since(began) != 7*time.Second {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
		c.Close()
		d.cluster.Set(nil)
		began = time.Now()
		_, err = mysqltest.Greet(d.raw())
		if !mysqltest.IsError(err, 1040) || !strings.Contains(err.Error(), "no node") || time.Since(began) != 15*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 1)
		nc := d.raw()
		began := time.Now()
		c, err := mysqltest.Greet(nc)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := c.Packet(); err != nil {
				break
			}
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("closed after %s", took)
		}
	})
}

// TestIdleSessionsAreKept: after the login nothing ends a session that says nothing.
func TestIdleSessionsAreKept(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		time.Sleep(24 * time.Hour)
		if got := c.query("SELECT 1"); got != "n2" {
			t.Errorf("on %q", got)
		}
	})
}

// TestWaitersEndWithTheServer: a session that waits for a node ends when galley does, and its statement does not run.
func TestWaitersEndWithTheServer(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		d.cluster.Update(func(v *cluster.View) { v.Writer = -1 })
		done := asking(c, "INSERT INTO t VALUES (1)")
		time.Sleep(time.Second)
		d.cut()
		d.stop()
		if err := <-done; err == nil {
			t.Error("an answer without a node")
		}
		d.expectRan("INSERT INTO t VALUES (1)", 0, 0)
	})
}

// TestWhoWaitsForTheLeaveToWriteHasNoConn: those that go first may need it.
func TestWhoWaitsForTheLeaveToWriteHasNoConn(t *testing.T) {
	m, err := cluster.New(cluster.Options{
		Settings: cluster.Settings{Nodes: []cluster.ConfiguredNode{{Addr: "127.0.0.1:3306", Weight: 1}}, Interval: time.Hour, ProbeTimeout: time.Second},
		Logger:   hclog.NewNullLogger(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := cluster.NewLease(m, cluster.LeaseOptions{Mode: cluster.LeaseRequired, Schema: "galley", Term: time.Second, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, 2, oneConn)
	lease := func(l *cluster.Lease) {
		d.cluster.Update(func(v *cluster.View) {
			next := *cluster.BuildView(nil, nil, cluster.Rules{Lease: l}) // It may not be written to by the lease as it is before it has run.
			next.Version, next.Nodes, next.Writer, next.WriterReason, next.Readers, next.Server = v.Version, v.Nodes, v.Writer, v.WriterReason, v.Readers, v.Server
			*v = next
		})
	}
	c := d.client()
	c.result("INSERT INTO t VALUES (1)")
	lease(l)
	answer := asking(c, "INSERT INTO t VALUES (2)")
	until(t, "it waits", func() bool { return d.srv.metrics.waiting.Load() == 1 })
	if open, idle, _ := d.srv.conns.of(&d.cluster.View().Nodes[0]).counts(); open != 1 || idle != 1 {
		t.Errorf("%d conns to the writer, %d idle", open, idle)
	}
	lease(nil)
	answered(t, answer)
}
