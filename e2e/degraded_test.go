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
	var rows string
	old.scan("SELECT GROUP_CONCAT(seq ORDER BY seq) FROM seen WHERE seq BETWEEN -73 AND -71", &rows)
	if want := fmt.Sprint(-73, ",", -71); rows != want {
		t.Errorf("rows %s, want %s", rows, want)
	}
	old.exec("DELETE FROM seen WHERE seq BETWEEN -73 AND -71")
	settle(t)
}
