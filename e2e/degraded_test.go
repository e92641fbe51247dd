//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"galley/cluster/clusterlab"
)

// isolate cuts the nodes off from each other, and joins them again when the test ends or join is called: Galera then takes each of them out of the primary component, as all links are gone.
func isolate(t *testing.T, nodes []*clusterlab.Node) (join func()) {
	t.Helper()
	set := func(value string) {
		for _, n := range nodes {
			if err := n.Exec(suite.ctx, "SET GLOBAL wsrep_provider_options='gmcast.isolate="+value+"'"); err != nil {
				t.Error(err)
			}
		}
	}
	joined := false
	join = func() {
		if !joined {
			joined = true
			set("0")
		}
	}
	t.Cleanup(join)
	set("1")
	return join
}

// outageShown is what the API says of the cluster.
type outageShown struct {
	Headline struct{ Text string }
	Cluster  struct {
		Outage   string
		Degraded bool
		Primary  bool
	}
}

// shown asks a galley's API.
func (g *galleyProcess) shown() (s outageShown, err error) {
	body, err := g.get(suite.ctx, "/api/status")
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s, err
}

// TestReadsWithoutAPrimaryComponent takes all nodes out of the primary component before a galley with cluster.degraded: readonly, and puts them together again.
func TestReadsWithoutAPrimaryComponent(t *testing.T) {
	needGalley(t)
	settle(t)
	g, err := startGalley(t.Context(), t.TempDir(), "", "  degraded: readonly\n")
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	defer func() {
		if t.Failed() {
			t.Logf("its log ends with\n%s", g.logTail(25))
		}
	}()
	app := suite.lab.App()
	old := newPeer(t, g.addr, app)
	old.exec("INSERT INTO seen VALUES (0, 0, -71, 'before')")
	for _, n := range suite.lab.Nodes() { // Each has it before it is cut off.
		var what string
		if err := openNode(t, n).QueryRowContext(suite.ctx, "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT node FROM seen WHERE seq = -71").Scan(&what); err != nil {
			t.Fatal(err)
		}
	}
	waiting := standInLine(t, 6, 4)
	join := isolate(t, suite.lab.Nodes())
	began := time.Now()
	err = eventually(suite.ctx, 60*time.Second, func() error {
		s, err := g.shown()
		if err == nil && !s.Cluster.Degraded {
			err = errors.New("no word of it in /api/status")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("reads only %.1f s after the nodes were cut off", time.Since(began).Seconds())
	if s, _ := g.shown(); s.Cluster.Primary || !strings.HasPrefix(s.Headline.Text, "Read-only") || !strings.Contains(s.Cluster.Outage, "may be old") {
		t.Errorf("shown %+v", s)
	}
	if text, err := g.get(suite.ctx, "/metrics"); err != nil || !strings.Contains(text, "\ngalley_cluster_degraded 1\n") {
		t.Errorf("metrics: %v", err)
	}
	for range 4 {
		for _, p := range []*peer{old, newPeer(t, g.addr, app)} {
			var what string
			p.scan("SELECT node FROM seen WHERE seq = -71", &what)
			var dirty bool
			p.exec("SET time_zone = '+01:00'")
			p.exec("BEGIN")
			p.scan("SELECT @@wsrep_dirty_reads", &dirty)
			p.scan("SELECT node FROM seen WHERE seq = -71", &what)
			p.exec("COMMIT")
			if what != "before" || !dirty {
				t.Errorf("read %q, with dirty reads: %v", what, dirty)
			}
			for _, write := range []string{"INSERT INTO seen VALUES (0, 0, -72, 'within')", "CREATE TABLE nothing (a INT)", "SET GLOBAL max_connections = 999"} {
				p.fails(write, 1290)
			}
		}
	}

	waiting.come()
	join()
	began = time.Now()
	err = eventually(suite.ctx, 60*time.Second, func() error {
		_, err := old.ExecContext(suite.ctx, "INSERT INTO seen VALUES (0, 0, -73, 'after')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("written %.1f s after they were joined again", time.Since(began).Seconds())
	for range 8 {
		for _, p := range []*peer{old, newPeer(t, g.addr, app)} {
			for _, sql := range []string{"SELECT @@wsrep_dirty_reads", "SELECT /* galley:writer */ @@wsrep_dirty_reads", "SELECT @@wsrep_dirty_reads FROM seen WHERE seq = -73"} {
				var dirty bool
				if p.scan(sql, &dirty); dirty {
					t.Errorf("%s: dirty reads are still on", sql)
				}
			}
		}
	}
	if s, err := g.shown(); err != nil || s.Cluster.Degraded || s.Cluster.Outage != "" {
		t.Errorf("shown %+v, %v", s, err)
	}
	waiting.check(old)
	var rows string
	old.scan("SELECT GROUP_CONCAT(seq ORDER BY seq) FROM seen WHERE seq BETWEEN -73 AND -71", &rows)
	if want := fmt.Sprint(-73, ",", -71); rows != want {
		t.Errorf("rows %s, want %s", rows, want)
	}
	old.exec("DELETE FROM seen WHERE seq BETWEEN -73 AND -71")
	settle(t)
}

// queue is clients of a galley that lets few of them wait for a node.
type queue struct {
	t       *testing.T
	g       *galleyProcess
	clients []*peer
	answers []chan error
	most    int
}

// standInLine starts such a galley, before which clients are logged in.
func standInLine(t *testing.T, clients, most int) *queue {
	t.Helper()
	g, err := startGalley(t.Context(), t.TempDir(), fmt.Sprintf("  wait_for_node: 60s\n  max_waiting_for_node: %d\n  pool: {max_per_node: 1}\n", most), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	q := &queue{t: t, g: g, most: most}
	for range clients {
		q.clients = append(q.clients, newPeer(t, g.addr, suite.lab.App()))
	}
	return q
}

// line is how many wait for a node before the queue's galley, and how many it has let go.
func (q *queue) line() (sessions, letGo int, err error) {
	body, err := q.g.get(suite.ctx, "/api/status")
	var s struct {
		MySQL struct {
			Line struct {
				Sessions int
				LetGo    int `json:"let_go_total"`
			} `json:"waiting_for_node"`
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s.MySQL.Line.Sessions, s.MySQL.Line.LetGo, err
}

// come has each of the clients send a write, one behind the other, that notes how many have come before it.
func (q *queue) come() {
	q.t.Helper()
	for i, p := range q.clients {
		done := make(chan error, 1)
		q.answers = append(q.answers, done)
		go func() {
			_, err := p.ExecContext(p.ctx, fmt.Sprintf("INSERT INTO seen SELECT 0, COUNT(*), %d, 'line' FROM seen WHERE seq BETWEEN -89 AND -80", -80-i))
			done <- err
		}()
		err := eventually(suite.ctx, 30*time.Second, func() error {
			n, letGo, err := q.line()
			if err == nil && n+letGo != i+1 {
				err = fmt.Errorf("%d wait, %d were let go", n, letGo)
			}
			return err
		})
		if err != nil {
			q.t.Fatal(err)
		}
	}
}

// check sees that those that came first were let go, and that the others were run.
func (q *queue) check(p *peer) {
	q.t.Helper()
	out := len(q.clients) - q.most
	for i, a := range q.answers {
		if err := <-a; i < out {
			failsWith(q.t, "one that came early", err, 1047)
		} else if err != nil {
			q.t.Errorf("one that came late: %v", err)
		}
	}
	var order, want string
	p.scan("SELECT GROUP_CONCAT(-seq ORDER BY client) FROM seen WHERE seq BETWEEN -89 AND -80", &order)
	for i := out; i < len(q.clients); i++ {
		want += fmt.Sprintf(",%d", 80+i)
	}
	q.t.Logf("run in the order %s, came in the order %s", order, want[1:]) // A node that is joining may still refuse the first.
	if n := strings.Count(order, ","); n != strings.Count(want, ",")-1 {
		q.t.Errorf("run: %s", order)
	}
	p.exec("DELETE FROM seen WHERE seq BETWEEN -89 AND -80")
}
