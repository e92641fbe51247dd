package mysql

import (
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

const deadlockText = "Deadlock found when trying to get lock; try restarting transaction"

func retrying(c *config.MySQL) { c.DeadlockRetries = 3 }

// TestDeadlockRetries: a single DML statement that was rolled back is run again, as often as is configured; nothing else is.
func TestDeadlockRetries(t *testing.T) {
	for _, c := range []struct {
		name, before, sql string
		code              uint16
		again             bool
	}{
		{"an insert", "", "INSERT INTO t VALUES (1)", 1213, true},
		{"an update", "", "UPDATE t SET a=a+1", 1213, true},
		{"a record that has changed", "", "DELETE FROM t", 1020, true},
		{"settings for the statement", "", "SET STATEMENT max_statement_time=5 FOR INSERT INTO t VALUES (1)", 1213, true},
		{"a duplicate", "", "INSERT INTO t VALUES (1)", 1062, false},
		{"a lock that was waited for", "", "INSERT INTO t VALUES (1)", 1205, false},
		{"an error during COMMIT", "", "INSERT INTO t VALUES (1)", 1180, false},
		{"a procedure", "", "CALL p()", 1213, false},
		{"a function of the cluster's own", "", "INSERT INTO t VALUES (f())", 1213, false},
		{"a select with such a function", "", "SELECT f()", 1213, false},
		{"several statements", "", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", 1213, false},
		{"a definition", "", "ALTER TABLE t ADD b INT", 1213, false},
		{"a user variable", "", "UPDATE t SET a=@a:=@a+1", 1213, false},
		{"a sequence", "", "INSERT INTO t VALUES (NEXTVAL(s))", 1213, false},
		{"a lock", "", "INSERT INTO t VALUES (GET_LOCK('a', 1))", 1213, false},
		{"a pinned session", "CREATE TEMPORARY TABLE x (a INT)", "INSERT INTO t VALUES (1)", 1213, false},
		{"a transaction", "BEGIN", "INSERT INTO t VALUES (1)", 1213, false},
		{"without autocommit", "SET autocommit=0", "INSERT INTO t VALUES (1)", 1213, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t, 2, retrying)
			cl := d.client()
			if c.before != "" {
				cl.result(c.before)
			}
			for range 3 {
				d.n[0].Once(c.sql, mysqltest.Fail(c.code, deadlockText))
			}
			if !c.again {
				cl.fails(c.sql, c.code)
				d.expectRan(c.sql, 1, 0)
				return
			}
			cl.result(c.sql)
			d.expectRan(c.sql, 4, 0)
			if got := d.srv.metrics.conflicts.Load(); got != 3 {
				t.Errorf("%d retries counted", got)
			}
			d.n[0].On(c.sql, mysqltest.Fail(c.code, deadlockText))
			if got := cl.fails(c.sql, c.code); got != deadlockText {
				t.Errorf("after all retries %q", got)
			}
			d.expectRan(c.sql, 8, 0)
		})
	}
}

// TestDeadlockRetriesOfPreparedStatements: executions are run again with their parameters, but not with long data, which is used up.
func TestDeadlockRetriesOfPreparedStatements(t *testing.T) {
	d := newDoor(t, 2, retrying)
	c := d.client()
	const sql = "INSERT INTO t VALUES (?)"
	st, err := c.Prepare(sql)
	if err != nil {
		t.Fatal(err)
	}
	d.n[0].Once(sql, mysqltest.Fail(1213, deadlockText))
	if _, err := c.Execute(st, "one"); err != nil {
		t.Error(err)
	}
	if got := d.srv.metrics.conflicts.Load(); got != 1 {
		t.Errorf("%d retries", got)
	}
}

// TestNoDeadlockRetriesBesideOtherEngines: what a trigger writes to a table of another engine stays.
func TestNoDeadlockRetriesBesideOtherEngines(t *testing.T) {
	d := newDoor(t, 2, retrying)
	d.engines().Saw("log")
	c := d.client()
	d.n[0].On("INSERT", mysqltest.Fail(1213, deadlockText))
	c.fails("INSERT INTO t VALUES (1)", 1213)
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
}
