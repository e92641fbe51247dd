package mysql

import (
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

// TestIgnoredCharset: with skip-character-set-client-handshake the client's wish counts for nothing, and only the global value tells.
func TestIgnoredCharset(t *testing.T) {
	const text = "SELECT '\xc3\xa9' FROM t"
	d := newDoor(t, 2)
	for charset, want := range map[string]string{"": "n2", "latin1": "n2", "gbk": "n1", "swe7": "n1"} {
		set := ""
		if charset != "" {
			set = "character_set_client=" + charset
		}
		d.begins(set, func(f *cluster.ServerFacts) { f.ClientCharset = charset })
		d.srv.charsets.clear() // As the view's change does, a moment later.
		if got := d.client().query(text); got != want {
			t.Errorf("with %q the text ran on %s", charset, got)
		}
	}
}
