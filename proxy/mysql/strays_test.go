package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestHiddenUserLocks: what is stored, prepared or in a string takes a user lock, and the session stays with it.
func TestHiddenUserLocks(t *testing.T) {
	for sql, on := range map[string]string{
		"CALL guard()":                         "n1",
		"SELECT d.guard()":                     "n1",
		"SELECT a FROM v_guard":                "n1",
		"INSERT INTO t_guard VALUES (1)":       "n1",
		"EXECUTE IMMEDIATE 'DO Get_Lock(1,0)'": "n1",
		"PREPARE p FROM 'DO GET_LOCK(1,0)'":    "n1",
		"SET @q='DO GET_LOCK(1,0)'":            "n1",
		"SELECT 1; CALL guard()":               "n1",
		"CALL plain()":                         "n2",
		"SELECT 'get_lock' FROM t":             "n2",
		"INSERT INTO t VALUES ('GET_LOCK')":    "n2",
		"SET @q='GET LOCK'":                    "n2",
	} {
		d := newDoor(t, 2)
		e := d.engines()
		for _, definition := range []string{
			"CREATE FUNCTION guard() RETURNS INT RETURN GET_LOCK('a', 1)", "CREATE VIEW v_guard AS SELECT guard()", "CREATE TRIGGER x BEFORE INSERT ON t_guard FOR EACH ROW SET @a=guard()",
		} {
			e.Stores([]byte(definition))
		}
		c := d.client()
		c.result(sql)
		if got := c.query("SELECT 1"); got != on {
			t.Errorf("behind %s a read ran on %s", sql, got)
		}
		if c.result("DEALLOCATE PREPARE p"); on == "n1" {
			d.n[0].On("SELECT RELEASE_ALL_LOCKS()", mysqltest.Table("1"))
			if c.result("SELECT RELEASE_ALL_LOCKS()"); c.query("SELECT 1") != "n2" {
				t.Errorf("%s: the session stays for ever", sql)
			}
		}
	}
}

// TestVariablesSetOutOfSight: the server is asked for them, and they are set where the session goes on.
func TestVariablesSetOutOfSight(t *testing.T) {
	const asked = "SELECT LOWER(VARIABLE_NAME), SESSION_VALUE, GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES"
	for _, statements := range [][]string{
		{"CALL zone()"},
		{"SELECT zone(1)"},
		{"EXECUTE IMMEDIATE 'SET @@time_zone=1'"},
		{"SET @q='SET @@time_zone=1'", "PREPARE p FROM @q", "EXECUTE p", "DEALLOCATE PREPARE p"},
		{"PREPARE p FROM 'SET @@time_zone=?'", "EXECUTE p USING '+01:00'", "DEALLOCATE PREPARE p"},
	} {
		d := newDoor(t, 2)
		e := d.engines()
		e.Stores([]byte("CREATE PROCEDURE zone() SET @@time_zone='+01:00'"))
		d.n[0].On(asked, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
			c.Rows([]string{"a", "b", "c"}, []string{"time_zone", "+01:00", "SYSTEM"}, []string{"sql_mode", "", ""})
			return nil
		})
		c := d.client()
		for _, sql := range statements {
			c.result(sql)
		}
		if got := c.query("SELECT 1"); got != "n2" {
			t.Errorf("%q: a read on %s", statements, got)
		}
		if !slices.ContainsFunc(d.n[1].Commands(), func(cmd mysqltest.Command) bool {
			return cmd.Text == "SELECT 1" && strings.Contains(cmd.Vars, "time_zone=+01:00") && !strings.Contains(cmd.Vars, "sql_mode")
		}) {
			t.Errorf("%q: the reader ran %q", statements, d.n[1].Texts())
		}
	}
}

// TestUnansweredAboutVariables: a session whose node does not tell what was set stays there.
func TestUnansweredAboutVariables(t *testing.T) {
	d := newDoor(t, 2)
	d.engines()
	d.n[0].On("SELECT LOWER(VARIABLE_NAME)", mysqltest.Fail(codeUnknownCommand, "not now"))
	c := d.client()
	c.result("EXECUTE IMMEDIATE 'SET @@time_zone=1'")
	if got := c.query("SELECT 1"); got != "n1" {
		t.Errorf("a read on %s", got)
	}
}

// TestVariablesTakenBack: the mode that a procedure sets before a result goes back at its end, which the server tells neither by a name nor by its flags.
func TestVariablesTakenBack(t *testing.T) {
	d := newDoor(t, 2)
	d.n[0].On("SELECT LOWER(VARIABLE_NAME)", func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		if !strings.Contains(cmd.Text, "'sql_mode'") {
			t.Errorf("asked %s", cmd.Text)
		}
		c.Rows([]string{"a", "b", "c"}, []string{"sql_mode", "PIPES_AS_CONCAT", ""})
		return nil
	})
	d.n[0].On("CALL modes()", func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Track(wire.TrackVariable, "sql_mode", "NO_BACKSLASH_ESCAPES")
		c.Status |= wire.StatusNoBackslashEscape
		c.More = true
		c.Rows([]string{"a"}, []string{"1"})
		c.More = false
		c.OK(wire.OK{})
		return nil
	})
	c := d.client(mysqltest.Login{Caps: mysqltest.TrackingCaps})
	c.result("SET sql_mode='PIPES_AS_CONCAT'")
	c.result("CALL modes()")
	const read = `SELECT 'it\'s', a FROM t WHERE b = 'x; y'` // With the mode of the procedure this would be several statements.
	if got := c.query(read); got != "n2" {
		t.Errorf("a read on %s", got)
	}
	if !slices.ContainsFunc(d.n[1].Commands(), func(cmd mysqltest.Command) bool {
		return cmd.Text == read && strings.Contains(cmd.Vars, "sql_mode=PIPES_AS_CONCAT")
	}) {
		t.Errorf("the reader ran %q", d.n[1].Texts())
	}
}

// TestHiddenTemporaryTables: one that a function has created in a statement that then fails keeps the session on its conn.
func TestHiddenTemporaryTables(t *testing.T) {
	d := newDoor(t, 2)
	const sql = "CREATE TEMPORARY TABLE x AS SELECT f()"
	d.n[0].On(sql, mysqltest.Fail(1050, "Table 'x' already exists"))
	c := d.client()
	c.fails(sql, 1050)
	if got := c.query("SELECT a FROM x"); got != "n1" {
		t.Errorf("a read on %s", got)
	}
}
