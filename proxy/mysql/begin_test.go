package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// begins has new sessions on all nodes begin with what set sets, and the view say so.
func (d *door) begins(set string, change func(f *cluster.ServerFacts)) {
	for _, n := range d.n {
		n.Begin(set)
	}
	d.cluster.Update(func(v *cluster.View) { change(&v.Server) })
}

// TestGlobalAutocommitOff: each statement begins a transaction, which must not begin on a reader.
func TestGlobalAutocommitOff(t *testing.T) {
	d := newDoor(t, 2)
	d.begins("autocommit=0", func(f *cluster.ServerFacts) { f.Autocommit = false })
	c := d.client()
	if c.Greeting.Status&wire.StatusAutocommit != 0 {
		t.Error("the greeting says autocommit")
	}
	for range 2 {
		if got := c.query("SELECT 1"); got != "n1" {
			t.Errorf("the read ran on %s", got)
		}
		c.result("INSERT INTO t VALUES (1)")
		c.result("COMMIT")
		if err := c.Send(wire.ComResetConnection, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	d.expectRan("INSERT INTO t VALUES (1)", 2, 0)
	c.result("SET autocommit=1")
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("with autocommit the read ran on %s", got)
	}
}

// TestReadersCommitAtOnce: where a node's autocommit is off and the writer's is not, or was not a moment ago, a read opens no transaction on it.
func TestReadersCommitAtOnce(t *testing.T) {
	d := newDoor(t, 2)
	d.n[1].Begin("autocommit=0")
	d.cluster.Update(func(v *cluster.View) { v.Nodes[1].Status.Server = mysqltest.Facts() })
	c := d.client()
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("the read ran on %s", got)
	}
	if got := c.on("INSERT INTO t VALUES (1)"); got != "n1" {
		t.Errorf("the write ran on %s", got)
	}
}

func TestInitConnect(t *testing.T) {
	const quoted = `SELECT "a" , " FOR UPDATE" FROM t`
	d := newDoor(t, 2)
	custom := func(f *cluster.ServerFacts) { f.InitConnect = "SET whatever" }
	for _, test := range []struct {
		set, sql, want string
		mode           string // What the reader has when it runs sql.
	}{
		{"autocommit=1, sql_mode='', character_set_client=utf8mb4", quoted, "n2", "sql_mode= "},
		{"autocommit=0, sql_mode='', character_set_client=utf8mb4", quoted, "n1", ""},
		{"autocommit=1, sql_mode='ANSI_QUOTES', character_set_client=utf8mb4", `SELECT "f" ("a") FROM t`, "n1", ""},
		{"autocommit=1, sql_mode='ANSI_QUOTES', character_set_client=utf8mb4", quoted, "n2", "sql_mode=ANSI_QUOTES"},
		{"autocommit=1, sql_mode='NO_BACKSLASH_ESCAPES', character_set_client=utf8mb4", `SELECT 'a\' FOR UPDATE -- '`, "n1", ""},
		{"autocommit=1, sql_mode='', character_set_client=gbk", "SELECT '\xbf\\' FOR UPDATE -- '", "n1", ""},
		{"autocommit=1, sql_mode='', character_set_client=utf8mb4", "SELECT '\xbf\\' FOR UPDATE -- '", "n2", "character_set_client=utf8mb4"},
	} {
		d.begins(test.set, custom)
		c := d.client(mysqltest.Login{User: "app", Password: "secret"})
		for _, what := range []string{"login", "reset"} {
			d.n[1].Forget()
			if got := c.query(test.sql); got != test.want {
				t.Errorf("%s: with %s the text %s ran on %s", what, test.set, test.sql, got)
			}
			i := slices.IndexFunc(d.n[1].Commands(), func(x mysqltest.Command) bool { return x.Text == test.sql })
			if i >= 0 && !strings.Contains(d.n[1].Commands()[i].Vars+" ", test.mode) {
				t.Errorf("%s: with %s the reader has %s", what, test.set, d.n[1].Commands()[i].Vars)
			}
			c.result("ROLLBACK")
			if err := c.Send(wire.ComResetConnection, ""); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
}

// TestInitConnectUnknown: what could not be asked keeps the session on the writer.
func TestInitConnectUnknown(t *testing.T) {
	d := newDoor(t, 2)
	d.begins("", func(f *cluster.ServerFacts) { f.InitConnect = "SET whatever" })
	d.n[0].Once(beginning, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Err(1820, "You must SET PASSWORD before executing this statement")
		return nil
	})
	if got := d.client().query("SELECT 1"); got != "n1" {
		t.Errorf("the read ran on %s", got)
	}
	d.n[0].Once(beginning, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Close()
		return nil
	})
	d.n[0].On(beginning, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Rows([]string{"a", "b", "c"}, []string{"1", "", "utf8mb4"})
		return nil
	})
	d.n[0].Once(beginning, func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Close()
		return nil
	})
	if got := d.client().query("SELECT 1"); got != "n2" {
		t.Errorf("after a lost conn the read ran on %s", got)
	}
	if d.n[0].Ran(beginning) != 3 {
		t.Errorf("asked %d times", d.n[0].Ran(beginning))
	}
}

// TestIgnoredCharset: with skip-character-set-client-handshake the client's wish counts for nothing, and only the global value tells.
func TestIgnoredCharset(t *testing.T) {
	const text = "SELECT '\xc3\xa9' FROM t"
	d := newDoor(t, 2)
	for charset, want := range map[string]string{"": "n2", "latin1": "n2", "gbk": "n1", "swe7": "n1"} {
		d.begins("", func(f *cluster.ServerFacts) { f.ClientCharset = charset })
		if got := d.client().query(text); got != want {
			t.Errorf("with %q the text ran on %s", charset, got)
		}
	}
}
