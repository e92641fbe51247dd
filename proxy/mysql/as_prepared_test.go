package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestCapture: only what a statement's text is read by is set, and given back.
func TestCapture(t *testing.T) {
	vars := func(pairs ...string) (all []variable) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, variable{name: pairs[i], value: pairs[i+1]})
		}
		return all
	}
	login := []string{"character_set_client", "latin1", charsetConnection, "latin1", collationConnection, "latin1_swedish_ci", charsetResults, "latin1"}
	utf8 := []string{"character_set_client", "utf8mb4", charsetConnection, "utf8mb4", collationConnection, "utf8mb4_bin", charsetResults, "utf8mb4"}
	for _, c := range []struct {
		name     string
		from, to []variable
		want     string
	}{
		{"nothing set", nil, nil, ""},
		{"the same", vars("sql_mode", "ANSI"), vars("sql_mode", "ANSI"), ""},
		{"of no account", vars("time_zone", "+01:00"), vars("time_zone", "+02:00", "sql_select_limit", "3"), ""},
		{"results alone", vars(charsetResults, "latin1"), vars(charsetResults, ""), ""},
		{"another mode", vars("time_zone", "+01:00", "sql_mode", "ANSI"), vars("sql_mode", ""), "SET SESSION sql_mode=''"},
		{"set since", vars("sql_mode", "ANSI", "time_zone", "+01:00"), vars("time_zone", "+01:00"), "SET SESSION sql_mode=DEFAULT"},
		{"back to it", vars("time_zone", "+01:00"), vars("sql_mode", "ANSI", "time_zone", "+01:00"), "SET SESSION sql_mode='ANSI'"},
		{
			"a character set, with all that goes with it", vars(login...), vars(utf8...),
			"SET SESSION character_set_client='utf8mb4', character_set_connection='utf8mb4', collation_connection='utf8mb4_bin', character_set_results='utf8mb4'",
		},
		{"two", vars(append(slices.Clone(login), "lc_time_names", "de_DE")...), vars(append(slices.Clone(login), "sql_mode", "ANSI")...), "SET SESSION sql_mode='ANSI', lc_time_names=DEFAULT"},
	} {
		if got := capture(c.from, c.to, func(_, value string) bool { return looksNumeric(value) }); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestPreparedAgainAsItWas: on another conn a statement is prepared in the schema and with the settings of its PREPARE, and runs with those of the session.
func TestPreparedAgainAsItWas(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.result("SET sql_mode='ANSI'")
	const sql = "SELECT a FROM t WHERE b = ?"
	st := c.prepare(sql)
	c.result("SET sql_mode='TRADITIONAL'")
	c.result("SET time_zone='+01:00'")
	c.result("USE other")
	d.n[1].CloseConns()
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("on %q", got)
	}
	var last, prepared mysqltest.Command
	for _, cmd := range d.n[1].Commands() {
		switch cmd.Com {
		case wire.ComStmtPrepare:
			prepared = cmd
		case wire.ComStmtExecute:
			last = cmd
		}
	}
	if prepared.Schema != "app" || !strings.Contains(prepared.Vars, "sql_mode=ANSI") {
		t.Errorf("prepared in %q with %q", prepared.Schema, prepared.Vars)
	}
	if last.Schema != "other" || !strings.Contains(last.Vars, "sql_mode=TRADITIONAL") || !strings.Contains(last.Vars, "time_zone=+01:00") {
		t.Errorf("run in %q with %q", last.Schema, last.Vars)
	}
}

// TestPreparedWithoutSchema: what asks for the schema, and was prepared while there was none, keeps its conn until it is closed.
func TestPreparedWithoutSchema(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret"})
	other := c.prepare("SELECT 1")
	st := c.prepare("SELECT Database(), ?")
	c.result("USE app")
	if got := c.execute(other); got != "n1" {
		t.Errorf("pinned, a read runs on %q", got)
	}
	if got := c.execute(st, "x"); got != "n1" {
		t.Errorf("on %q", got)
	}
	for _, cmd := range d.n[0].Commands() {
		if cmd.Com == wire.ComStmtPrepare && strings.HasPrefix(cmd.Text, "SELECT Database()") && cmd.Schema != "" {
			t.Errorf("prepared in %q", cmd.Schema)
		}
	}
	if err := c.Send(wire.ComStmtClose, id(st.ID)); err != nil {
		t.Fatal(err)
	}
	if got := c.execute(other); got != "n2" {
		t.Errorf("free again, a read runs on %q", got)
	}
}
