package mysql

import (
	"errors"
	"strings"
	"testing"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// degrade publishes a view without a primary component in which nodes are read.
func (d *door) degrade(nodes ...*mysqltest.Node) {
	d.cluster.Set(nil, nodes...)
	d.cluster.Update(func(v *cluster.View) {
		v.Degraded = true
		for _, i := range v.Readers {
			v.Nodes[i].Dirty, v.Nodes[i].ReadGrade, v.Nodes[i].Reason = true, cluster.Never, cluster.NonPrimary
		}
	})
}

// restore publishes one with a primary component.
func (d *door) restore(writer *mysqltest.Node, readers ...*mysqltest.Node) {
	d.cluster.Update(func(v *cluster.View) {
		v.Degraded = false
		for i := range v.Nodes {
			v.Nodes[i].Dirty = false
		}
	})
	d.cluster.Set(writer, readers...)
}

// dirtyConns counts the conns with dirty reads that are open.
func (d *door) dirtyConns() (open int) {
	for _, set := range d.srv.conns.all() {
		set.mu.Lock()
		for b := range set.conns {
			if b.dirty && strings.Contains(b.setup, "wsrep_dirty_reads=ON") {
				open++
			}
		}
		set.mu.Unlock()
	}
	return open
}

func TestReadsGoOnWithoutAPrimaryComponent(t *testing.T) {
	d := newDoor(t, 3, func(c *config.MySQL) { c.Consistency = config.Consistent })
	c := d.client()
	c.result("INSERT INTO t VALUES (1)")
	c.query("SELECT a FROM t")
	d.degrade(d.n[1], d.n[2])
	for _, sql := range []string{"SELECT a FROM t", "SET sql_mode='ANSI'", "SELECT b FROM t", "SHOW TABLES", "BEGIN", "SELECT a FROM t", "COMMIT", "SELECT /* galley:writer */ a FROM t"} {
		c.result(sql)
		if n := d.ran(sql)[0]; sql != "SELECT a FROM t" && n != 0 {
			t.Errorf("%s ran on a node that is not there", sql)
		}
	}
	for _, sql := range []string{"INSERT INTO t VALUES (2)", "CREATE TABLE x (a INT)", "CALL p()", "SELECT f()", "SET GLOBAL max_connections=5", "LOCK TABLES t READ", "SELECT /* galley:consistency=strict */ a FROM t"} {
		text := c.fails(sql, codeOptionPrevents)
		if !strings.Contains(text, "cluster.degraded: readonly") || !strings.Contains(text, "not run") {
			t.Errorf("%s: %s", sql, text)
		}
		d.expectRan(sql, 0, 0, 0)
	}
	if n := d.srv.metrics.degraded.Load(); n != 7 {
		t.Errorf("%d refusals are counted", n)
	}
	if d.dirtyConns() == 0 {
		t.Error("no conn has dirty reads")
	}

	d.restore(d.n[0], d.n[1], d.n[2])
	c.result("INSERT INTO t VALUES (3)")
	d.expectRan("INSERT INTO t VALUES (3)", 1, 0, 0)
	for range 5 {
		d.client().query("SELECT a FROM t")
	}
	until(t, "no conn with dirty reads is left", func() bool { return d.dirtyConns() == 0 })
}

// TestAConnWithDirtyReadsIsNotUsedOtherwise: one that its session holds, in a transaction or because conns are not shared, ends with the mode.
func TestAConnWithDirtyReadsIsNotUsedOtherwise(t *testing.T) {
	t.Run("in a transaction", func(t *testing.T) {
		d, c := replayDoor(t)
		d.degrade(d.n[1])
		c.result("BEGIN")
		c.result("SELECT a FROM t")
		d.restore(d.n[0], d.n[1], d.n[2])
		c.result("SELECT b FROM t")
		c.result("UPDATE t SET a=1")
		c.result("COMMIT")
		d.expectRan("SELECT a FROM t", 1, 1, 0)
		d.expectRan("UPDATE t SET a=1", 1, 0, 0)
		if open := d.dirtyConns(); open != 0 {
			t.Errorf("%d conns with dirty reads", open)
		}
	})
	t.Run("conns are not shared", func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) { c.Pool.Multiplex = false })
		c := d.client()
		d.degrade(d.n[1])
		c.result("SELECT a FROM t")
		c.result("SET sql_mode='ANSI'")
		d.restore(d.n[0], d.n[1])
		c.result("SELECT a FROM t")
		c.result("UPDATE t SET a=1")
		d.expectRan("UPDATE t SET a=1", 1, 0)
		if open := d.dirtyConns(); open != 0 {
			t.Errorf("%d conns with dirty reads", open)
		}
	})
	t.Run("with a pin", func(t *testing.T) {
		d := newDoor(t, 2)
		c := d.client()
		d.degrade(d.n[1])
		c.result("SELECT GET_LOCK('a', 1)")
		d.restore(d.n[0], d.n[1])
		c.fails("SELECT a FROM t", codeLost)
		c.ended()
	})
}

// TestTransactionsWithoutAPrimaryComponent: one that has written is lost, and what may write in one that has not is refused.
func TestTransactionsWithoutAPrimaryComponent(t *testing.T) {
	d, c := replayDoor(t)
	c.result("BEGIN")
	c.result("UPDATE t SET a=1")
	d.n[0].On("SELECT a", func(*mysqltest.Conn, *mysqltest.Command) error {
		d.degrade(d.n[1])
		return errors.New("gone")
	})
	c.fails("SELECT a FROM t", codeDeadlock)
	c.fails("UPDATE t SET a=1", codeOptionPrevents)
	c.result("BEGIN")
	c.result("SELECT a FROM t")
	c.fails("UPDATE t SET a=1", codeOptionPrevents)
	c.result("ROLLBACK")
	d.expectRan("UPDATE t SET a=1", 1, 0, 0)
}

// TestAnOutageThatBeginsWhileAStatementWaits: a read that waits is answered then, and a write refused.
func TestAnOutageThatBeginsWhileAStatementWaits(t *testing.T) {
	d := newDoor(t, 2)
	c, w := d.client(), d.client()
	d.cluster.Set(nil)
	done := make(chan error, 2)
	go func() { _, err := c.Query("SELECT a FROM t"); done <- err }()
	go func() { _, err := w.Query("UPDATE t SET a=1"); done <- err }()
	until(t, "both wait", func() bool { return d.srv.metrics.waiting.Load() == 2 })
	d.degrade(d.n[1])
	if errs := []error{<-done, <-done}; (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("answered with %v", errs)
	}
	d.expectRan("UPDATE t SET a=1", 0, 0)
	if got := d.client().query("SELECT a FROM t"); got != "n2" {
		t.Errorf("a new session reads on %s", got)
	}
}

// TestConnsWithDirtyReadsAreNotReset: a node outside of a primary component refuses that, so another one is opened.
func TestConnsWithDirtyReadsAreNotReset(t *testing.T) {
	d := newDoor(t, 2)
	a, b := d.client(), d.client()
	d.degrade(d.n[1])
	for range 3 {
		a.result("SET sql_mode='ANSI'")
		a.result("SELECT a FROM t")
		b.result("SELECT b FROM t")
		a.result("SET @x=1")
		b.result("SELECT @x FROM t")
	}
	for _, c := range d.n[1].Commands() {
		if c.Com == wire.ComResetConnection {
			t.Fatal("a conn was reset")
		}
	}
}

// TestANodeRefusesWhatLooksLikeARead: told in galley's words.
func TestANodeRefusesWhatLooksLikeARead(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	d.degrade(d.n[1])
	d.n[1].On("SELECT v", mysqltest.Fail(codeReadOnlyTrx, "Cannot execute statement in a READ ONLY transaction"))
	d.n[1].On("SELECT w", mysqltest.Fail(codeUnknownCommand, notPrepared+" use"))
	c.fails("SELECT v FROM view", codeOptionPrevents)
	c.fails("SELECT w FROM view", codeOptionPrevents)
	c.result("SELECT a FROM t")
}
