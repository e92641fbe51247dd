package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestExplainsStateChange(t *testing.T) {
	for sql, want := range map[string]bool{
		"SET @a = 1":                                 true,
		"SET ROLE r":                                 true,
		"PREPARE s FROM 'SELECT 1'":                  true,
		"CREATE TEMPORARY TABLE t (a INT)":           true,
		"CREATE TEMPORARY TABLE t (a INT); SELECT 1": false,
		"SELECT 1; CREATE TEMPORARY TABLE t (a INT)": false,
		"HANDLER t OPEN":                             true,
		"SELECT GET_LOCK('a', 1)":                    true,
		"SELECT @@port":                              true,
		"SELECT a FROM t FOR UPDATE":                 true,
		"UPDATE t SET a = 1":                         false,
		"FLUSH TABLES WITH READ LOCK":                false,
		"XA START 'a'":                               true,
		"SELECT @a := 1":                             true,
		"SELECT f(@a)":                               false,
		"SELECT f(1)":                                false,
		"CALL p()":                                   false,
		"SET @a = 1; CALL p()":                       false,
		"LOCK TABLES t READ":                         true,
		"SELECT 1":                                   true,
	} {
		class := classify.Statement([]byte(sql), 0)
		if got := explainsStateChange(&class); got != want {
			t.Errorf("%q explained: %v", sql, got)
		}
	}
}

// shown writes changes as the table of TestPinChanges has them: + begins, - ends, * all, ! also where the statement fails.
func shown(changes []pinChange) string {
	var all []string
	for _, c := range changes {
		sign, name := "+", c.name
		if c.ends {
			sign = "-"
		}
		if c.all {
			name = "*"
		}
		if c.anyway {
			sign += "!"
		}
		all = append(all, fmt.Sprintf("%s%s %s", sign, c.pin, name))
	}
	return strings.Join(all, ", ")
}

func TestPinChanges(t *testing.T) {
	const temp, variable = pinTempTable, pinVariable
	for _, c := range []struct {
		sql  string
		had  pins
		want string
	}{
		{"SELECT 1", 0, ""},
		{"SELECT 1", temp | variable, ""},
		{"SELECT GET_LOCK('a', 1)", 0, "+user_lock a"},
		{"SELECT GET_LOCK('a', -1) AS l", 0, "+user_lock a"},
		{"select get_lock(\"a\",1) l from dual;", 0, "+user_lock a"},
		{"DO GET_LOCK('a', 1)", 0, "+user_lock a"},
		{"SELECT GET_LOCK('a', 1), GET_LOCK('b', 1)", 0, "+!user_lock a, +!user_lock b"},
		{"SELECT GET_LOCK('a', 1), (SELECT 1 UNION SELECT 2)", 0, "+!user_lock "},
		{"SELECT GET_LOCK('a', 1) FROM t", 0, "+!user_lock "},
		{"SELECT GET_LOCK('a', f())", 0, "+!user_lock "},
		{"SELECT GET_LOCK('a\\'', 1)", 0, "+!user_lock "},
		{"SELECT GET_LOCK('ä', 1)", 0, "+!user_lock "},
		{"SELECT GET_LOCK(?, 1)", 0, "+!user_lock "},
		{"SELECT GET_LOCK(@a, 1)", 0, "+!user_lock "},
		{"SELECT GET_LOCK('a' 'b', 1)", 0, "+!user_lock "},
		{"SELECT GET_LOCK('a', 1); SELECT RELEASE_LOCK('a')", 0, "+!user_lock "},
		{"CREATE TABLE x SELECT GET_LOCK('a', 1)", 0, "+!user_lock "},
		{"CREATE TEMPORARY TABLE x SELECT GET_LOCK('a', 1)", 0, "+!user_lock , +temporary_table "},
		{"EXPLAIN SELECT GET_LOCK('a', 1)", 0, "+!user_lock "},
		{"SET @a = GET_LOCK('a', 1)", 0, "+!user_lock "},
		{"SELECT RELEASE_LOCK('a')", 0, "-user_lock a"},
		{"DO RELEASE_LOCK('a')", 0, "-user_lock a"},
		{"SELECT RELEASE_LOCK('a') r, RELEASE_LOCK('b')", 0, "-user_lock a, -user_lock b"},
		{"SELECT RELEASE_ALL_LOCKS()", 0, "-user_lock *"},
		{"SELECT RELEASE_LOCK(@a)", 0, ""},
		{"SELECT RELEASE_LOCK('a') FROM t", 0, ""},
		{"SELECT RELEASE_LOCK('a') LIMIT 0", 0, ""},
		{"SELECT RELEASE_LOCK('a') WHERE 0", 0, ""},
		{"SELECT IF(0, RELEASE_LOCK('a'), 1)", 0, ""},
		{"EXPLAIN SELECT RELEASE_ALL_LOCKS()", 0, ""},
		{"SELECT /*!99999 RELEASE_ALL_LOCKS(), */ RELEASE_LOCK('a')", 0, ""},
		{"SELECT 'RELEASE_ALL_LOCKS()'", 0, ""},

		{"CREATE TEMPORARY TABLE t (a INT)", 0, "+temporary_table db.t"},
		{"CREATE TEMPORARY TABLE IF NOT EXISTS `x`.t (a INT)", 0, "+temporary_table x.t"},
		{"CREATE OR REPLACE TEMPORARY TABLE t SELECT 1", 0, "+temporary_table db.t"},
		{"CREATE TEMPORARY TABLE `a``b` (a INT)", 0, "+temporary_table "},
		{"CREATE TEMPORARY SEQUENCE s", 0, "+temporary_table "},
		{"CREATE TEMPORARY TABLE t (a INT); NONSENSE", 0, "+!temporary_table "},
		{"CREATE TABLE t (a INT)", temp, ""},
		{"DROP TEMPORARY TABLE t", 0, "-temporary_table db.t"},
		{"DROP TABLE t", 0, ""},
		{"DROP TABLE t", temp, "-temporary_table db.t"},
		{"DROP TABLE IF EXISTS t, `x`.u CASCADE", temp, "-temporary_table db.t, -temporary_table x.u"},
		{"DROP TABLE t; SELECT 1", temp, "+!temporary_table "},
		{"DROP /*! TEMPORARY */ TABLE t", temp, "+temporary_table "},
		{"DROP VIEW t", temp, ""},
		{"ALTER TABLE t ADD b INT", temp, ""},
		{"ALTER TABLE t RENAME u", temp, "+temporary_table "},
		{"ALTER TABLE t RENAME u", 0, ""},
		{"RENAME TABLE t TO u", temp, "+temporary_table "},
		{"TRUNCATE t", temp, ""},
		{"CALL p()", temp, "+!temporary_table "},
		{"CALL p()", 0, ""},
		{"EXECUTE s", temp, "+!temporary_table "},

		{"HANDLER t OPEN", 0, "+handler t"},
		{"HANDLER x.t OPEN", 0, "+handler t"},
		{"HANDLER t OPEN AS a", 0, "+handler a"},
		{"HANDLER t OPEN `a`", 0, "+handler a"},
		{"HANDLER a READ FIRST", 0, ""},
		{"HANDLER a READ FIRST WHERE GET_LOCK('a', 1)", 0, "+!user_lock , +handler "},
		{"HANDLER a CLOSE", 0, "-handler a"},

		{"XA START 'a'", 0, "+xa 3a "},
		{"XA BEGIN 'a','b',1 JOIN", 0, "+xa 3a 0, 3b 0, 41 "},
		{"XA END 'a'", 0, ""},
		{"XA PREPARE 'a'", 0, ""},
		{"XA COMMIT 'a' ONE PHASE", 0, "-xa 3a "},
		{"XA ROLLBACK 'a','b',1", 0, "-xa 3a 0, 3b 0, 41 "},

		{"SET ROLE r", 0, "+role "},
		{"SET ROLE NONE", 0, "+role "},
		{"SET ROLE r; NONSENSE", 0, "+!role "},
		{"SET timestamp=DEFAULT", 0, ""},
		{"SET timestamp=DEFAULT", variable, "-variable timestamp"},
		{"SET @@session.timestamp := 0", variable, "-variable timestamp"},
		{"SET SESSION timestamp = default", variable, "-variable timestamp"},
		{"SET GLOBAL timestamp = default", variable, ""},
		{"SET timestamp=5", variable, ""},
		{"SET timestamp=0+5", variable, ""},
		{"SET timestamp=DEFAULT, timestamp=5", variable, ""},

		{"FLUSH TABLES WITH READ LOCK", 0, "+global_lock tables"},
		{"FLUSH TABLES", 0, ""},
		{"UNLOCK TABLES", 0, "-global_lock tables"},
		{"LOCK TABLES t READ", 0, ""},
		{"BACKUP STAGE START", 0, "+global_lock stage"},
		{"BACKUP STAGE END", 0, "-global_lock stage"},
		{"BACKUP LOCK t", 0, "+global_lock backup"},
		{"BACKUP UNLOCK", 0, "-global_lock backup"},
	} {
		class := classify.Statement([]byte(c.sql), 0)
		if got := shown(pinChanges(&class, []byte(c.sql), 0, "db", c.had)); got != c.want {
			t.Errorf("%s: %q, want %q (%s %s)", c.sql, got, c.want, class.Kind, class.Flags)
		}
	}
}

// TestHolds: a pin ends with the last thing that it stands for, and stays where one of them is not known.
func TestHolds(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []string
		want  pins
	}{
		{"locks are counted", []string{"SELECT GET_LOCK('a', 1)", "SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('a')"}, pinUserLock},
		{"down to none", []string{"SELECT GET_LOCK('a', 1)", "SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('a')", "DO RELEASE_LOCK('a')"}, 0},
		{"names are told apart", []string{"SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('A')"}, pinUserLock},
		{"one that is not known stays", []string{"SELECT GET_LOCK(@a, 1)", "SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('a')"}, pinUserLock},
		{"until all end", []string{"SELECT GET_LOCK(@a, 1)", "SELECT GET_LOCK('a', 1)", "SELECT RELEASE_ALL_LOCKS()"}, 0},
		{"what fails ends nothing", []string{"SELECT GET_LOCK('a', 1)", "!SELECT RELEASE_LOCK('a')"}, pinUserLock},
		{"what fails begins nothing", []string{"!SELECT GET_LOCK('a', 1)", "!CREATE TEMPORARY TABLE t (a INT)", "!SET ROLE r"}, 0},
		{"but a lock amid other things", []string{"!SELECT GET_LOCK('a', 1), f()"}, pinUserLock},
		{"a table is there once", []string{"CREATE TEMPORARY TABLE t (a INT)", "CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT)", "DROP TABLE t"}, 0},
		{"two tables", []string{"CREATE TEMPORARY TABLE t (a INT)", "CREATE TEMPORARY TABLE u (a INT)", "DROP TABLE t"}, pinTempTable},
		{"a renamed one", []string{"CREATE TEMPORARY TABLE t (a INT)", "ALTER TABLE t RENAME u", "DROP TABLE t"}, pinTempTable},
		{"one that a procedure may have renamed", []string{"CREATE TEMPORARY TABLE t (a INT)", "!CALL p()", "DROP TABLE t"}, pinTempTable},
		{"kinds apart", []string{"CREATE TEMPORARY TABLE t (a INT)", "HANDLER t OPEN", "HANDLER t CLOSE"}, pinTempTable},
		{"a lock and a backup", []string{"FLUSH TABLES WITH READ LOCK", "BACKUP STAGE START", "UNLOCK TABLES"}, pinGlobalLock},
		{"both ended", []string{"FLUSH TABLES WITH READ LOCK", "BACKUP STAGE START", "UNLOCK TABLES", "BACKUP STAGE END"}, 0},
		{"another transaction", []string{"XA START 'a'", "XA COMMIT 'b'"}, pinXA},
		{"the transaction", []string{"XA START 'a'", "XA END 'a'", "XA COMMIT 'a' ONE PHASE"}, 0},
		{"a role", []string{"SET ROLE r", "SET ROLE NONE"}, pinRole},
	} {
		s := newState("db")
		for _, sql := range c.steps {
			sql, failed := strings.CutPrefix(sql, "!")
			class := classify.Statement([]byte(sql), 0)
			s.change(pinChanges(&class, []byte(sql), 0, s.schema, s.pins), failed)
		}
		if s.pins != c.want {
			t.Errorf("%s: %q, want %q; holds %v", c.name, s.pins, c.want, s.holds)
		}
	}
}

func TestHoldsAreBounded(t *testing.T) {
	s := newState("")
	for range 10 * maxHolds {
		s.hold(hold{pin: pinUserLock, name: "a"})
	}
	if len(s.holds) > maxHolds+1 {
		t.Errorf("%d holds", len(s.holds))
	}
	for range 10 * maxHolds {
		s.release(hold{pin: pinUserLock, name: "a"}, false)
	}
	if s.pins != pinUserLock {
		t.Errorf("pins %q", s.pins)
	}
}

// TestPinsEnd: reads go to a reader again when the reason of the pin has ended, and another session can have the conn.
func TestPinsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		begin, stays, end []string
	}{
		"locks":           {[]string{"SELECT GET_LOCK('a', 1)", "SELECT GET_LOCK('b', 1)"}, []string{"SELECT RELEASE_LOCK('a')", "SELECT RELEASE_LOCK(@b)"}, []string{"DO RELEASE_LOCK('b')"}},
		"all locks":       {[]string{"SELECT GET_LOCK(@a, 1)"}, []string{"SELECT RELEASE_LOCK('a')"}, []string{"SELECT RELEASE_ALL_LOCKS()"}},
		"temporary table": {[]string{"CREATE TEMPORARY TABLE t (a INT)"}, []string{"USE other", "DROP TABLE t", "USE app"}, []string{"DROP TEMPORARY TABLE t"}},
		"handler":         {[]string{"HANDLER t OPEN AS h"}, []string{"HANDLER h READ FIRST"}, []string{"HANDLER h CLOSE"}},
		"global lock":     {[]string{"FLUSH TABLES WITH READ LOCK"}, nil, []string{"UNLOCK TABLES"}},
		"backup":          {[]string{"BACKUP STAGE START"}, []string{"BACKUP STAGE FLUSH"}, []string{"BACKUP STAGE END"}},
		"time":            {[]string{"SET timestamp=5"}, nil, []string{"SET timestamp=DEFAULT"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2, func(c *config.MySQL) { c.Pool.MaxPerNode = 1 })
			cl := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
			read := func(after, want string) {
				t.Helper()
				if got := cl.query("SELECT 1"); got != want {
					t.Errorf("a read after %q on %s", after, got)
				}
			}
			for _, sql := range slices.Concat(c.begin, c.stays) {
				cl.result(sql)
				read(sql, "n1")
			}
			for _, sql := range c.end {
				d.n[0].Once(sql, mysqltest.Fail(1205, "no"))
				cl.fails(sql, 1205)
				read("failed "+sql, "n1")
				cl.result(sql)
				read(sql, "n2")
			}
			d.client().result("INSERT INTO t VALUES (1)")
		})
	}
}

// TestRoleIsNotForOthers: a conn on which a role was set is closed and not reset, as the role would stay.
func TestRoleIsNotForOthers(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.result("SET ROLE r")
	if got := c.query("SELECT 1"); got != "n1" {
		t.Errorf("a read on %s", got)
	}
	c.command(wire.ComChangeUser, changeUser("app", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "secret"), ""))
	if got := c.query("SELECT 2"); got != "n2" {
		t.Errorf("a read after the change of user on %s", got)
	}
	logins := d.n[0].Logins()
	c.result("INSERT INTO t VALUES (1)")
	if got := d.n[0].Logins(); got != logins+1 {
		t.Errorf("%d logins after %d: the conn with the role was used again", got, logins)
	}
}
