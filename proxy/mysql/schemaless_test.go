package mysql

import (
	"fmt"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/wire"
)

// schemasOf gives the schemas under which a statement ran on the nodes.
func (d *door) schemasOf(text string) (schemas []string) {
	for _, n := range d.n {
		for _, cmd := range n.Commands() {
			if strings.Contains(cmd.Text, text) {
				schemas = append(schemas, cmd.Schema)
			}
		}
	}
	return schemas
}

// TestConnsOfThoseWhoChoose: clients that come one after the other and choose their schema only when they have logged in leave a handful of conns.
func TestConnsOfThoseWhoChoose(t *testing.T) {
	for name, first := range map[string][]string{
		"at once":       nil,
		"as WordPress":  {"SELECT @@SESSION.sql_mode", "SET SESSION sql_mode='NO_ZERO_DATE'"},
		"after a read":  {"SELECT DATABASE()"},
		"after a write": {"INSERT INTO app.t VALUES (1)"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			for i := range 40 {
				c := d.client()
				for _, sql := range first {
					c.result(sql)
				}
				c.command(wire.ComInitDB, "app")
				c.result(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
				c.result(fmt.Sprintf("SELECT %d", i))
				c.Close()
			}
			for _, n := range d.n {
				if got := n.Logins(); got > 12 { // The next client may come before the last one has given its conn back.
					t.Errorf("node %s: %d logins", n.Name, got)
				}
			}
			for _, schema := range append(d.schemasOf("INSERT INTO t "), d.schemasOf("SELECT 3")...) {
				if schema != "app" {
					t.Fatalf("a statement ran under the schema %q", schema)
				}
			}
		})
	}
}

// TestConnsThatGetASchema: where each session's conn must get a schema, those that have one are closed for those that need one without.
func TestConnsThatGetASchema(t *testing.T) {
	d := newDoor(t, 1)
	for range 40 {
		c := d.client()
		c.result("BEGIN")
		c.command(wire.ComInitDB, "app") // It is bound to the conn.
		c.result("COMMIT")
		c.Close()
	}
	if got := d.n[0].Conns(); got > 2*easyConns { // The node may not have noticed yet that some are closed.
		t.Errorf("%d conns are open, want about %d", got, easyConns)
	}
}

// TestSessionWithoutSchema: nothing that depends on the schema runs under another session's.
func TestSessionWithoutSchema(t *testing.T) {
	for name, change := range map[string]func(*config.MySQL){
		"shared": func(*config.MySQL) {},
		"kept":   func(c *config.MySQL) { c.Pool.Multiplex = false },
		"few":    func(c *config.MySQL) { c.Pool.MaxPerNode = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2, change)
			for range 3 {
				with := d.client()
				with.command(wire.ComInitDB, "app")
				with.result("INSERT INTO with_one VALUES (1)")
				with.result("SELECT 'with one'")
				with.Close()
				c := d.client()
				d.n[0].DropSchema("gone")
				for _, sql := range []string{"SELECT @@SESSION.sql_mode", "SET SESSION sql_mode='ANSI'", "INSERT INTO without VALUES (1)", "SELECT 'without'", "SET NAMES utf8mb4", "CALL without()"} {
					c.result(sql)
				}
				if err := c.Send(wire.ComInitDB, "gone"); err != nil {
					t.Fatal(err)
				}
				_, err := c.Read()
				c.failed("COM_INIT_DB", err, 1049)
				c.fails("USE gone", 1049)
				for _, sql := range []string{"SHOW WARNINGS", "SELECT 'without'", "BEGIN /* without */", "UPDATE without SET a = 1", "COMMIT", "SELECT FOUND_ROWS() /* without */", "UPDATE without SET a = 2"} {
					c.result(sql)
				}
				st := c.prepare("SELECT ? /* without */")
				c.execute(st, "")
				c.command(wire.ComInitDB, "app")
				c.result("UPDATE with_one SET a = 1")
				c.result("SELECT 'with one'")
				c.Close()
			}
			if got := d.schemasOf("without"); len(got) < 24 || strings.Join(got, "") != "" {
				t.Errorf("without a schema: %q", got)
			}
			for _, schema := range d.schemasOf("with_one") {
				if schema != "app" {
					t.Errorf("with a schema: %q", schema)
				}
			}
			for _, schema := range d.schemasOf("with one") {
				if schema != "app" {
					t.Errorf("with a schema: %q", schema)
				}
			}
		})
	}
}

// TestQuestionsWithoutSchema: what a session without a schema has left on a conn that has one is told, and what asks for more does not see that schema.
func TestQuestionsWithoutSchema(t *testing.T) {
	d := newDoor(t, 1)
	with := d.client()
	with.command(wire.ComInitDB, "app")
	with.result("INSERT INTO t VALUES (1)")
	c := d.client()
	c.result("INSERT INTO app.t VALUES (1)")
	d.n[0].DropSchema("gone")
	for _, ask := range []string{"SHOW WARNINGS", "SHOW COUNT(*) ERRORS", "SELECT FOUND_ROWS(), DATABASE() /* without */", "SELECT ROW_COUNT(), DATABASE() /* without */"} {
		c.fails("USE gone", 1049)
		c.result(ask)
		if strings.Contains(ask, "without") {
			continue
		}
		if at := d.on("USE gone"); at == 0 || at != d.on(ask) {
			t.Errorf("%s ran on another conn than what it is about", ask)
		}
	}
	if got := d.schemasOf("without"); len(got) != 2 || strings.Join(got, "") != "" {
		t.Errorf("schemas %q", got)
	}
}

// on gives the thread that has run a statement last.
func (d *door) on(text string) (thread uint32) {
	for _, cmd := range d.n[0].Commands() {
		if cmd.Text == text {
			thread = cmd.Thread
		}
	}
	return thread
}

func TestSetsPlainly(t *testing.T) {
	for sql, want := range map[string]bool{
		"SET SESSION sql_mode='NO_ZERO_DATE,ANSI'":                            true,
		"set sql_mode = \"\"":                                                 true,
		"SET @@session.sql_mode := ANSI, time_zone='+00:00', unique_checks=0": true,
		"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'":                    true,
		"SET foreign_key_checks=0;":                                           true,
		"SET sql_mode=(SELECT DATABASE())":                                    false,
		"SET sql_mode=CONCAT(@@sql_mode, ',ANSI')":                            false,
		"SET sql_mode=@@collation_database":                                   false,
		"SET sql_mode='a' 'b'":                                                false,
		"SET sql_mode='a''b'":                                                 false,
		"SET sql_mode='ansi":                                                  false,
		"SET sql_mode=":                                                       false,
		"SET sql_mode=ansi,":                                                  false,
		"SET sql_mode=ansi; INSERT INTO t VALUES (1)":                         false,
		"SET GLOBAL sql_mode=''":                                              false,
		"SET CHARACTER SET utf8":                                              false,
		"SET character_set_database=utf8":                                     false,
		"SET timestamp=1":                                                     false,
		"SET autocommit=0":                                                    false,
		"SET @a=1":                                                            false,
		"SET STATEMENT sql_mode='' FOR SELECT 1":                              false,
		"SET ROLE x":                                                          false,
		"SET sql_mode=ansi /*!, timestamp=1 */":                               false,
		"SETsql_mode=ansi":                                                    false,
		"SET sql_mode='" + strings.Repeat("a", plainSet) + "'":                false,
	} {
		if got := setsPlainly([]byte(sql)); got != want {
			t.Errorf("%.80s: %v", sql, got)
		}
	}
}
