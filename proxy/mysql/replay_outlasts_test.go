package mysql

import (
	"testing"

	"galley/proxy/mysql/mysqltest"
)

// TestWhatOutlastsARollback: a statement is not run again in its transaction where what it left behind would change what it does.
func TestWhatOutlastsARollback(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		myisam    bool
	}{
		"a user variable counts on": {"UPDATE t SET a=(@n:=@n+1)", false},
		"it was read into one":      {"SELECT a INTO @n FROM t FOR UPDATE", false},
		"a trigger's other engine":  {"UPDATE t SET a=1", true},
	} {
		t.Run(name, func(t *testing.T) {
			d, cl := replayDoor(t)
			if c.myisam {
				d.engines().Saw("log")
				cl = d.client()
			}
			cl.result("SET @n=0")
			cl.result("BEGIN")
			d.n[0].Once(c.statement, mysqltest.Fail(1213, deadlockText))
			cl.fails(c.statement, 1213)
			d.expectRan(c.statement, 1, 0, 0)
			cl.result("ROLLBACK")
		})
	}
	t.Run("a variable that is only read", func(t *testing.T) {
		d, cl := replayDoor(t)
		const sql = "UPDATE t SET a=@n"
		cl.result("SET @n=0")
		cl.result("BEGIN")
		d.n[0].Once(sql, mysqltest.Fail(1213, deadlockText))
		cl.result(sql)
		d.expectRan(sql, 2, 0, 0)
	})
}
