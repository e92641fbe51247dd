package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestWhereStatementsRun runs scripts of statements, each with the node that must have had it: w the writer, r the reader.
func TestWhereStatementsRun(t *testing.T) {
	for name, script := range map[string][]string{
		"reads and writes":       {"r SELECT 1", "w INSERT INTO t VALUES (1)", "r SELECT 2", "w SELECT * FROM t FOR UPDATE", "w CALL p()"},
		"a transaction stays":    {"w BEGIN", "w SELECT 1", "w INSERT INTO t VALUES (1)", "w SELECT 2", "w COMMIT", "r SELECT 3"},
		"rolled back":            {"w BEGIN", "w SELECT 1", "w ROLLBACK", "r SELECT 2"},
		"read only":              {"r START TRANSACTION READ ONLY", "r SELECT 1", "r SELECT 2", "r COMMIT", "w INSERT INTO t VALUES (1)"},
		"a write in a read-only": {"r START TRANSACTION READ ONLY", "r INSERT INTO t VALUES (1)", "r COMMIT"},
		"autocommit off": {
			"w SET autocommit=0", "w SELECT 1", "w SELECT 2", "w COMMIT", "w SELECT 3", "w COMMIT", "w SET autocommit=1", "r SELECT 4",
		},
		"a temporary table":     {"w CREATE TEMPORARY TABLE x (a INT)", "w SELECT 1", "w SELECT 2", "w INSERT INTO t VALUES (1)", "w SELECT 3"},
		"LOCK TABLES":           {"w LOCK TABLES t READ", "w SELECT 1", "w UNLOCK TABLES", "r SELECT 2"},
		"GET_LOCK":              {"w SELECT GET_LOCK('a', 1)", "w SELECT 1"},
		"HANDLER":               {"w HANDLER t OPEN", "w HANDLER t READ FIRST", "w SELECT 1"},
		"SET TRANSACTION":       {"w SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "w SELECT 1", "w BEGIN", "w SELECT 2", "w COMMIT", "r SELECT 3"},
		"timestamp":             {"w SET timestamp=1", "w SELECT 1", "w SELECT 2"},
		"a role":                {"w SET ROLE r", "w SELECT 1", "w INSERT INTO t VALUES (1)"},
		"user variables":        {"w SET @a=1", "w SELECT @a", "r SELECT 1"},
		"diagnostics of writes": {"w INSERT INTO t VALUES (1)", "w SHOW WARNINGS", "r SELECT 1", "r SELECT FOUND_ROWS()"},
		"last insert id":        {"w INSERT INTO t VALUES (1)", "r SELECT 1", "w SELECT LAST_INSERT_ID()"},
		"hints":                 {"w /* galley:writer */ SELECT 1", "r /* galley:reader */ SELECT f(1)", "w SELECT f(1)", "w /* galley:node=n1 */ SELECT 2", "r /* galley:node=n2 */ SELECT 3", "r /* galley:node=nix */ SELECT 4"},
		"FTWRL":                 {"w FLUSH TABLES WITH READ LOCK", "w SELECT 1", "w UNLOCK TABLES", "r SELECT 2"},
		"several statements":    {"w SELECT 1; SELECT 2", "r SELECT 3"},
		"comments":              {"r /* x */ SELECT 1", "w /*! INSERT INTO t VALUES (1) */", "r -- y\nSELECT 2"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client()
			for i, line := range script {
				want, sql, _ := strings.Cut(line, " ")
				node := map[string]string{"w": "n1", "r": "n2"}[want]
				if got := c.on(sql); got != node {
					t.Errorf("%d: %s ran on %q, want %s", i+1, sql, got, node)
				}
			}
		})
	}
}

func TestReadOnlyTransactionsStayOnTheWriterWhereAskedFor(t *testing.T) {
	d := newDoor(t, 2, func(c *config.MySQL) { c.ReadOnlyTransactionsOnReaders = false })
	c := d.client()
	if got := c.on("START TRANSACTION READ ONLY"); got != "n1" {
		t.Errorf("on %s", got)
	}
}

func TestReadsSpread(t *testing.T) {
	d := newDoor(t, 4)
	for range 9 {
		d.client().query("SELECT 1")
	}
	d.expectRan("SELECT 1", 0, 3, 3, 3)
}

func TestAllOnTheWriterWhenItIsAlone(t *testing.T) {
	d := newDoor(t, 2)
	d.cluster.Set(d.n[0], d.n[0])
	c := d.client()
	for _, sql := range []string{"SELECT 1", "INSERT INTO t VALUES (1)", "SELECT 2"} {
		if got := c.on(sql); got != "n1" {
			t.Errorf("%s on %q", sql, got)
		}
	}
	if d.n[0].Logins() != 1 {
		t.Errorf("%d backend conns where one does", d.n[0].Logins())
	}
}

// sorted gives the settings of "schema|name=value name=value" in one order.
func sorted(state string) string {
	schema, vars, _ := strings.Cut(state, "|")
	words := strings.Fields(vars)
	slices.Sort(words)
	return schema + "|" + strings.Join(words, " ")
}

// stateAt gives schema and variables that a node's connection had when a statement reached it.
func stateAt(n *mysqltest.Node, sql string) string {
	for _, c := range slices.Backward(n.Commands()) {
		if c.Text == sql {
			return sorted(c.Schema + "|" + c.Vars)
		}
	}
	return "not run"
}

// withoutOwn leaves the collations out that character sets have by themselves: where they come from another conn they are set by name.
func withoutOwn(state string) string {
	for _, own := range []string{" collation_connection=latin1_swedish_ci", " collation_connection=utf8mb4_general_ci"} {
		state = strings.Replace(state, own, "", 1)
	}
	return state
}

func TestStateReachesEveryConn(t *testing.T) {
	for name, c := range map[string]struct {
		set  []string
		want string
	}{
		"SET NAMES":      {[]string{"SET NAMES latin1"}, "app|character_set_client=latin1 character_set_results=latin1 character_set_connection=latin1"},
		"a text":         {[]string{"SET SESSION sql_mode='ANSI_QUOTES'"}, "app|sql_mode=ANSI_QUOTES"},
		"nothing":        {[]string{"SET sql_mode=''"}, "app|sql_mode="},
		"a number":       {[]string{"SET sql_select_limit=7"}, "app|sql_select_limit=7"},
		"two":            {[]string{"SET sql_mode='', time_zone='+01:00'"}, "app|sql_mode= time_zone=+01:00"},
		"set again":      {[]string{"SET time_zone='+01:00'", "SET time_zone='+02:00'"}, "app|time_zone=+02:00"},
		"a NULL charset": {[]string{"SET character_set_results=NULL"}, "app|character_set_results="},
		"quotes":         {[]string{`SET lc_messages='it''s a \ b'`}, `app|lc_messages=it's a \ b`},
		"a collation": {
			[]string{"SET NAMES utf8mb4 COLLATE utf8mb4_bin"},
			"app|character_set_client=utf8mb4 character_set_results=utf8mb4 character_set_connection=utf8mb4 collation_connection=utf8mb4_bin",
		},
		"a collation, and back": {
			[]string{"SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SELECT 5", "SET NAMES utf8mb4"},
			"app|character_set_client=utf8mb4 character_set_results=utf8mb4 character_set_connection=utf8mb4",
		},
		"a collation and a character set": {
			[]string{"SET collation_connection='latin1_bin'", "SET NAMES latin1", "SELECT 5", "SET collation_connection='latin1_bin'", "SET time_zone='+01:00'"},
			"",
		},
		"USE":               {[]string{"USE other"}, "other|"},
		"USE and a setting": {[]string{"USE other", "SET sql_mode=''"}, "other|sql_mode="},
	} {
		t.Run(name, func(t *testing.T) {
			c.want = sorted(c.want)
			d := newDoor(t, 2)
			cl := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
			cl.query("SELECT 1")            // Opens the reader.
			cl.result("DELETE FROM before") // And the writer.
			for _, sql := range c.set {
				cl.result(sql)
			}
			cl.query("SELECT 2")
			cl.result("INSERT INTO t VALUES (3)")
			if c.want == "|" {
				c.want = stateAt(d.n[0], "INSERT INTO t VALUES (3)")
			}
			if got := withoutOwn(stateAt(d.n[1], "SELECT 2")); got != c.want {
				t.Errorf("the reader had %q, want %q", got, c.want)
			}
			if got := stateAt(d.n[0], "INSERT INTO t VALUES (3)"); got != c.want {
				t.Errorf("the writer had %q, want %q", got, c.want)
			}
			// A conn opened later has it too.
			d.n[1].CloseConns()
			cl.query("SELECT 4")
			if got := withoutOwn(stateAt(d.n[1], "SELECT 4")); got != c.want {
				t.Errorf("a new conn had %q, want %q", got, c.want)
			}
		})
	}
}

func TestInitDB(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	c.result("DELETE FROM before")
	if err := c.Send(wire.ComInitDB, "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 2")
	c.result("INSERT INTO t VALUES (3)")
	if r, w := stateAt(d.n[1], "SELECT 2"), stateAt(d.n[0], "INSERT INTO t VALUES (3)"); r != "other|" || w != "other|" {
		t.Errorf("reader %q, writer %q", r, w)
	}
	for _, n := range d.n {
		n.DropSchema("gone")
	}
	if err := c.Send(wire.ComInitDB, "gone"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read()
	c.failed("INIT_DB", err, 1049)
	c.query("SELECT 4")
	if r := stateAt(d.n[1], "SELECT 4"); r != "other|" {
		t.Errorf("after a failed INIT_DB the reader has %q", r)
	}
}

// TestDroppedSchema: what drops the session's schema leaves no conn with it.
func TestDroppedSchema(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.query("SELECT 1")
	d.n[0].On("DROP DATABASE app", func(co *mysqltest.Conn, _ *mysqltest.Command) error {
		co.Schema = ""
		co.Track(wire.TrackSchema, "")
		co.OK(wire.OK{})
		return nil
	})
	c.result("DROP DATABASE app")
	c.query("SELECT 2")
	if got := stateAt(d.n[1], "SELECT 2"); got != "|" {
		t.Errorf("the reader had %q", got)
	}
}

// TestReplayThatFails: a reader on which the session's state cannot be set never answers for it; the writer, where it was set, does.
func TestReplayThatFails(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	c.result("SET sql_mode='ANSI_QUOTES'")
	d.n[1].On("SET SESSION sql_mode", mysqltest.Fail(1231, "Variable 'sql_mode' can't be set here"))
	if got := c.query("SELECT 2"); got != "n1" {
		t.Errorf("SELECT 2 was answered by %q, not by the writer", got)
	}
	if got := c.query("SELECT 3"); got != "n1" {
		t.Errorf("SELECT 3 was answered by %q, not by the writer", got)
	}
}

// TestReplayIsConfirmedBeforeAWrite: a write is not sent before the state is there.
func TestReplayIsConfirmedBeforeAWrite(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	c.result("SET sql_mode='ANSI_QUOTES'")
	d.n[0].CloseConns()
	d.n[1].CloseConns()
	d.cluster.Set(d.n[1], d.n[0])
	d.n[1].On("SET SESSION sql_mode", mysqltest.Fail(1231, "Variable 'sql_mode' can't be set here"))
	c.fails("INSERT INTO t VALUES (1)", 1231)
	d.expectRan("INSERT INTO t VALUES (1)", 0, 0)
}

func TestReplayIsPipedBeforeARead(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	gate := make(chan struct{})
	c.result("SET sql_mode='ANSI_QUOTES'")
	d.n[1].Once("SET SESSION sql_mode", mysqltest.After(gate, mysqltest.Usual()))
	if err := c.Send(wire.ComQuery, "SELECT 2"); err != nil {
		t.Fatal(err)
	}
	d.n[1].Await(t, "SET SESSION sql_mode='ANSI_QUOTES'")
	close(gate)
	r, err := c.Read()
	if err != nil || r.Value() != "n2" {
		t.Errorf("%q, %v", r.Value(), err)
	}
	if want, got := []string{"SELECT 1", "SET SESSION sql_mode='ANSI_QUOTES'", "SELECT 2"}, d.n[1].Texts(); !slices.Equal(got, want) {
		t.Errorf("the reader had %q, want %q", got, want)
	}
}

// TestSessionsMoveToANewWriter: an idle session's next write goes where the view says.
func TestSessionsMoveToANewWriter(t *testing.T) {
	d := newDoor(t, 3)
	c := d.client()
	c.result("SET time_zone='+03:00'")
	c.result("INSERT INTO t VALUES (1)")
	d.cluster.Set(d.n[2], d.n[0], d.n[1])
	c.result("INSERT INTO t VALUES (2)")
	d.expectRan("INSERT INTO t VALUES (2)", 0, 0, 1)
	if got := stateAt(d.n[2], "INSERT INTO t VALUES (2)"); got != "|last_insert_id=1 time_zone=+03:00" {
		t.Errorf("the new writer had %q", got)
	}
}

func TestATransactionStaysOnTheOldWriter(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.result("BEGIN")
	d.cluster.Set(d.n[1], d.n[0])
	c.result("INSERT INTO t VALUES (1)")
	c.result("COMMIT")
	c.result("INSERT INTO t VALUES (2)")
	d.expectRan("INSERT INTO t VALUES (1)", 1, 0)
	d.expectRan("INSERT INTO t VALUES (2)", 0, 1)
}

// TestReaderMovesWhenItIsNoneAnyMore: a node that is not to be read is left at once.
func TestReaderMovesWhenItIsNoneAnyMore(t *testing.T) {
	d := newDoor(t, 3)
	c := d.client()
	first := c.query("SELECT 1")
	left := d.n[1]
	if first == "n2" {
		left = d.n[2]
	}
	d.cluster.Set(d.n[0], left)
	if got := c.query("SELECT 2"); got != left.Name {
		t.Errorf("read on %s, want %s", got, left.Name)
	}
}

func TestHintToANodeThatIsNotUsable(t *testing.T) {
	d := newDoor(t, 3)
	d.cluster.Set(d.n[0], d.n[1])
	if got := d.client().query("/* galley:node=n3 */ SELECT 1"); got != "n2" {
		t.Errorf("on %s", got)
	}
}

func TestEvictedNodeIsCut(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	d.n[1].On("SELECT 1", mysqltest.Hang())
	if err := c.Send(wire.ComQuery, "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	d.n[1].Await(t, "SELECT 1")
	d.cluster.Set(d.n[0], d.n[0])
	d.cluster.Update(func(v *cluster.View) { v.Nodes[1].Evicted = true })
	if r, err := c.Read(); err != nil || r.Value() != "n1" {
		t.Errorf("%q, %v", r.Value(), err)
	}
}

// TestSetNamesIsAnsweredHere: what a node has accepted once no node is asked again, and it is set where the session goes on.
func TestSetNamesIsAnsweredHere(t *testing.T) {
	d := newDoor(t, 2)
	first := d.client()
	for _, sql := range []string{"SET NAMES latin1", "SET NAMES latin1", "set names 'latin1' COLLATE latin1_bin", "SET NAMES nonsense_9"} {
		first.result(sql)
	}
	d.n[0].Forget()
	c := d.client()
	for _, s := range []struct{ set, want string }{
		{"SET NAMES latin1;", "character_set_client=latin1 character_set_connection=latin1 character_set_results=latin1 collation_connection=latin1_swedish_ci"},
		{"SET NAMES 'LATIN1' COLLATE latin1_bin", "character_set_client=latin1 character_set_connection=latin1 character_set_results=latin1 collation_connection=latin1_bin"},
	} {
		c.result(s.set)
		if got := d.ran(s.set); got[0]+got[1] != 0 {
			t.Errorf("%s ran %v times", s.set, got)
		}
		sql := "SELECT a FROM t /* " + strings.TrimRight(strings.ToLower(s.set), ";") + " */"
		c.query(sql)
		if got := stateAt(d.n[1], sql); got != "|"+s.want {
			t.Errorf("%s: the reader had %q", s.set, got)
		}
	}
	for _, sql := range []string{"SET NAMES utf8", "SET NAMES latin1, sql_mode=''"} {
		c.result(sql)
		d.expectRan(sql, 1, 0)
	}
	c.result("SET old_mode='UTF8_IS_UTF8MB3'")
	c.result("SET NAMES latin1")
	d.expectRan("SET NAMES latin1", 1, 0)
	tracking := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps})
	tracking.result("SET NAMES latin1")
	d.expectRan("SET NAMES latin1", 2, 0)
}
