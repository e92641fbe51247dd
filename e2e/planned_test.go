//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"galley/cluster/clusterlab"
)

// command runs one of galley's commands for operators against a galley, and gives what it says.
func (g *galleyProcess) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(suite.ctx, time.Minute)
	defer cancel()
	began := time.Now()
	out, err := exec.CommandContext(ctx, suite.bin, append(args, "--socket", g.socket)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	t.Logf("galley %s (%.2f s): %s", strings.Join(args, " "), time.Since(began).Seconds(), text)
	return text, err
}

// must is command that has to work.
func (g *galleyProcess) must(t *testing.T, args ...string) string {
	t.Helper()
	text, err := g.command(t, args...)
	if err != nil {
		t.Fatalf("galley %s: %v: %s", strings.Join(args, " "), err, text)
	}
	return text
}

// crowd is several loads of all manners at the same time.
type crowd []*load

// startCrowd starts n of them.
func startCrowd(t *testing.T, event string, run, n int) crowd {
	t.Helper()
	var c crowd
	for i := range n {
		c = append(c, startLoad(t, event, run+i))
	}
	return c
}

// finish ends them, checks the rows, and reports all as one; no client may have had an error.
func (c crowd) finish(t *testing.T) {
	t.Helper()
	all := outcome{event: c[0].out.event, errors: map[string]int{}}
	for _, l := range c {
		l.end()
		l.verify(t)
		all.ops += l.out.ops
		all.longest, all.longestRead = max(all.longest, l.out.longest), max(all.longestRead, l.out.longestRead)
		for kind, n := range l.out.errors {
			all.errors[kind] += n
		}
		all.first = append(all.first, l.out.first...)
		if len(l.kept) < 50 || len(l.reads) < 50 {
			t.Errorf("only %d writes and %d reads were answered", len(l.kept), len(l.reads))
		}
	}
	fmt.Fprintln(os.Stdout, all)
	suite.report.add(all)
	if n := all.count(); n > 0 {
		t.Errorf("clients had %d errors: %s%s", n, all.kinds(), all.firsts())
	}
}

// appConns is how many connections of the application's there are on a node.
func appConns(t *testing.T, n *clusterlab.Node) (conns int) {
	t.Helper()
	err := openNode(t, n).QueryRowContext(suite.ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?", suite.lab.App().User).Scan(&conns)
	if err != nil {
		t.Fatal(err)
	}
	return conns
}

// TestPlannedChanges moves the writer, and takes a reader and the writer out and puts them back, under the load of 64 clients.
func TestPlannedChanges(t *testing.T) {
	needGalley(t)
	g := suite.galley
	before := settle(t)
	c := startCrowd(t, "switch_and_drain", 300, 7)
	time.Sleep(time.Second)
	reader := anyReader(before)
	if text := g.must(t, "switch-writer", reader); !strings.HasPrefix(text, reader+" (") || !strings.Contains(text, "is the writer. Writes were held for ") {
		t.Errorf("told %q", text)
	}
	time.Sleep(time.Second)
	g.must(t, "switch-writer")
	time.Sleep(time.Second)
	now, err := lookAtRoles(suite.ctx, openDB(t, galleyConfig()), 6)
	if err != nil {
		t.Fatal(err)
	}
	if now.writer == reader || now.readers[now.writer] > 0 {
		t.Errorf("after two switchovers: %+v", now)
	}
	for _, name := range []string{anyReader(now), now.writer} {
		node := nodeNamed(t, name)
		g.must(t, "drain", name, "--wait")
		if n := appConns(t, node); n > 0 {
			t.Errorf("%d connections are on %s, which is drained", n, name)
		}
		from := time.Now()
		time.Sleep(time.Second)
		if n := c[0].readsFrom(from, time.Now())[name]; n > 0 || appConns(t, node) > 0 {
			t.Errorf("%d reads on %s, which is drained", n, name)
		}
		if text := g.must(t, "status"); !strings.Contains(text, "draining") {
			t.Errorf("status says nothing of it: %s", text)
		}
		g.must(t, "undrain", name)
		time.Sleep(500 * time.Millisecond)
	}
	settle(t)
	c.finish(t)
}

// TestRollingRestart restarts all nodes, each drained before, under the load of 64 clients.
func TestRollingRestart(t *testing.T) {
	needGalley(t)
	g := suite.galley
	settle(t)
	c := startCrowd(t, "rolling_restart_drained", 320, 7)
	time.Sleep(time.Second)
	for _, n := range suite.lab.Nodes() {
		g.must(t, "drain", n.Name(), "--wait")
		if err := n.Terminate(suite.ctx); err != nil {
			t.Fatal(err)
		}
		if err := startNode(suite.ctx, n); err != nil {
			t.Fatal(err)
		}
		g.must(t, "undrain", n.Name(), "--wait")
	}
	settle(t)
	c.finish(t)
}

// TestSwitchoverGivenUp has a transaction that does not end hold a switchover up.
func TestSwitchoverGivenUp(t *testing.T) {
	needGalley(t)
	settle(t)
	g, err := startGalley(t.Context(), t.TempDir(), "  switch_timeout: 1s\n", "")
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	open, other := newPeer(t, g.addr, suite.lab.App()), newPeer(t, g.addr, suite.lab.App())
	writer := func() (name string) {
		other.t = t
		other.scan("SELECT /* galley:writer */ @@wsrep_node_name", &name)
		return name
	}
	at := writer()
	open.exec("BEGIN")
	open.exec("INSERT INTO seen VALUES (0, 0, -91, 'open')")
	want := fmt.Sprintf("nothing is changed: held up by session %d of app at 127.0.0.1:", open.id)
	if text, err := g.command(t, "switch-writer"); err == nil || !strings.Contains(text, want) {
		t.Errorf("%v: told %q, want %q", err, text, want)
	}
	if text, err := g.command(t, "drain", at); err == nil || !strings.Contains(text, want) {
		t.Errorf("%v: told %q, want %q", err, text, want)
	}
	if now := writer(); now != at {
		t.Errorf("the writer is %s and was %s", now, at)
	}
	// By force it is run again on the new writer; one that has a user variable cannot be.
	bound := newPeer(t, g.addr, suite.lab.App())
	bound.exec("BEGIN")
	bound.exec("SET @a = 1")
	bound.exec("INSERT INTO seen VALUES (0, 0, -92, 'bound')")
	if text := g.must(t, "switch-writer", "--force"); !strings.Contains(text, "The transactions of 2 sessions took too long") {
		t.Errorf("told %q", text)
	}
	if now := writer(); now == at {
		t.Errorf("the writer is still %s", now)
	}
	var on string
	open.scan("SELECT node FROM seen WHERE seq = -91", &on)
	if on != "open" {
		t.Errorf("the transaction sees %q", on)
	}
	open.exec("COMMIT")
	bound.fails("COMMIT", 1213)
	bound.exec("INSERT INTO seen VALUES (0, 0, -93, 'again')")
	var rows sql.NullString
	other.scan("SELECT GROUP_CONCAT(seq ORDER BY seq) FROM seen WHERE seq BETWEEN -93 AND -91", &rows)
	if rows.String != "-93,-91" {
		t.Errorf("rows %s", rows.String)
	}
	other.exec("DELETE FROM seen WHERE seq BETWEEN -93 AND -91")
}

// TestWriterThatIsDesyncedIsLeft desyncs the writer, as for a backup: it is left for another node without an error, also for who has a transaction open there.
func TestWriterThatIsDesyncedIsLeft(t *testing.T) {
	needGalley(t)
	before := settle(t)
	writer := nodeNamed(t, before.writer)
	c := startCrowd(t, "writer_desynced", 340, 2)
	p := newPeer(t, suite.galley.addr, suite.lab.App())
	time.Sleep(500 * time.Millisecond)
	p.exec("BEGIN")
	p.exec("INSERT INTO seen VALUES (0, 0, -95, 'first')")
	if err := writer.Exec(suite.ctx, "SET GLOBAL wsrep_desync = ON"); err != nil {
		t.Fatal(err)
	}
	defer writer.Exec(suite.ctx, "SET GLOBAL wsrep_desync = OFF")
	p.exec("INSERT INTO seen VALUES (0, 0, -96, 'second')")
	p.exec("COMMIT")
	began := time.Now()
	look := newPeer(t, suite.galley.addr, suite.lab.App())
	err := eventually(suite.ctx, 30*time.Second, func() error {
		var name string
		if look.scan("SELECT /* galley:writer */ @@wsrep_node_name", &name); name == before.writer {
			return fmt.Errorf("%s is still the writer", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("left %.1f s after the transaction had ended", time.Since(began).Seconds())
	if err := writer.Exec(suite.ctx, "SET GLOBAL wsrep_desync = OFF"); err != nil {
		t.Fatal(err)
	}
	var rows string
	look.scan("SELECT GROUP_CONCAT(seq ORDER BY seq) FROM seen WHERE seq BETWEEN -96 AND -95", &rows)
	if rows != "-96,-95" {
		t.Errorf("rows %s", rows)
	}
	look.exec("DELETE FROM seen WHERE seq BETWEEN -96 AND -95")
	settle(t)
	c.finish(t)
}
