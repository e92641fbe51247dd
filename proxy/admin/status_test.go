package admin

import (
	"encoding/json"
	"flag"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The shape of /api/status is a promise to scripts: this file changes only by adding.
func TestStatusGolden(t *testing.T) {
	first := healthy()
	first.Web = healthyWeb()
	source := newFakeSource(first)
	s := newTestServer(t, func(o *Options) { o.Source = source })
	s.board.history.add(testTime.Add(-time.Second), source.Snapshot())
	later := healthy()
	later.Web = healthyWeb()
	later.Web.Sites[0].Answers.OK += 30
	later.Web.Pools[0].Given += 30
	later.Web.Pools[0].Waited += 30 * time.Millisecond
	later.Web.Pools[0].Backends[0].Served += 30
	later.MySQL.QueriesTotal += 150
	later.MySQL.ReadsTotal += 100
	later.MySQL.WritesTotal += 50
	later.Nodes[1].Queries += 100
	later.MySQL.Latency = []Bucket{{LE: time.Millisecond, Count: 2100}, {LE: 10 * time.Millisecond, Count: 3140}, {Count: 3150}}
	source.now.Store(&later)
	s.board.history.add(testTime, later)

	w := ask(s, false, request(http.MethodGet, "/api/status"))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	golden := filepath.Join("testdata", "status.json")
	if *update {
		if err := os.WriteFile(golden, w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != string(want) {
		t.Errorf("differs from %s (run with -update after adding a field):\n%s", golden, got)
	}
}

// Lists are never null and figures that are none are; broken floats of the source do not break the document.
func TestStatusOfNothing(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Source = newFakeSource(Snapshot{Nodes: []NodeRow{{ID: "a", FCLimit: math.Inf(1), Share: math.NaN()}}})
	})
	w := ask(s, false, request(http.MethodGet, "/api/status"))
	var doc struct {
		Nodes []struct {
			QPS *float64 `json:"queries_per_second"`
		} `json:"nodes"`
		Problems []any `json:"problems"`
		Cluster  struct {
			Events []any `json:"events"`
		} `json:"cluster"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	if doc.Problems == nil || doc.Cluster.Events == nil || len(doc.Nodes) != 1 || doc.Nodes[0].QPS != nil {
		t.Errorf("lists are null or a figure is made up: %s", w.Body)
	}
}
