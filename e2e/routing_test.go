//go:build e2e

package e2e

import (
	"slices"
	"sync"
	"testing"
)

// TestReadsSpread shows by the nodes' own names that writes go to one node and reads to the two others, evenly enough.
func TestReadsSpread(t *testing.T) {
	needGalley(t)
	found := settle(t)
	db := openDB(t, galleyConfig())
	const clients, each = 8, 40
	var mu sync.Mutex
	total := map[string]int{}
	var busy sync.WaitGroup
	for range clients {
		busy.Go(func() {
			r, err := lookAtRoles(suite.ctx, db, each)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if r.writer != found.writer {
				t.Errorf("the writer changed from %s to %s for no reason", found.writer, r.writer)
			}
			for node, n := range r.readers {
				total[node] += n
			}
		})
	}
	busy.Wait()
	t.Logf("%s writes; reads came from %v", found.writer, total)
	if len(total) != 2 || total[found.writer] != 0 {
		t.Fatalf("%s writes; reads came from %v, want the two others", found.writer, total)
	}
	for node, n := range total {
		if n < clients*each/5 {
			t.Errorf("%s answered only %d of %d reads", node, n, clients*each)
		}
	}
}

// TestPlaces runs statements that have to stay where they are, and reads the name of the node that answered.
func TestPlaces(t *testing.T) {
	needGalley(t)
	found := settle(t)
	readers := []string{}
	for name := range found.readers {
		readers = append(readers, name)
	}
	writer := []string{found.writer}
	tests := []struct {
		name   string
		before []string
		query  string
		want   []string
		after  string
	}{
		{"plain read", nil, "SELECT node FROM whoami", readers, ""},
		{"read of a table", nil, "SELECT node FROM whoami WHERE node > ''", readers, ""},
		{"comments before a read", nil, "/* x */ -- y\n# z\nSELECT node FROM whoami", readers, ""},
		{"for update", nil, "SELECT node FROM whoami WHERE node > '' FOR UPDATE", writer, ""},
		{"for update in an executable comment", nil, "SELECT node FROM whoami WHERE node > '' /*! FOR UPDATE */", writer, ""},
		{"in share mode", nil, "SELECT node FROM whoami WHERE node > '' LOCK IN SHARE MODE", writer, ""},
		{"in a transaction", []string{"BEGIN"}, "SELECT node FROM whoami", writer, "COMMIT"},
		{"without autocommit", []string{"SET autocommit = 0"}, "SELECT node FROM whoami", writer, "SET autocommit = 1"},
		{"user lock", nil, "SELECT IF(GET_LOCK('e2e', 0), @@wsrep_node_name, '')", writer, "DO RELEASE_LOCK('e2e')"},
		{"temporary table", []string{"CREATE TEMPORARY TABLE tmp (i INT)"}, "SELECT COALESCE((SELECT MAX(i) FROM tmp), node) FROM whoami", writer, "DROP TEMPORARY TABLE tmp"},
		{"hint writer", nil, "/* galley:writer */ SELECT node FROM whoami", writer, ""},
		{"a system variable may be the node's own", nil, "SELECT @@wsrep_node_name", writer, ""},
		{"hint reader", nil, "/* galley:reader */ SELECT @@wsrep_node_name", readers, ""},
		{"hint node", nil, "/* galley:node=" + nodeNamed(t, readers[0]).Addr() + " */ SELECT node FROM whoami", readers[:1], ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := openDB(t, galleyConfig()).Conn(suite.ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, statement := range tt.before {
				if _, err := conn.ExecContext(suite.ctx, statement); err != nil {
					t.Fatal(err)
				}
			}
			var node string
			if err := conn.QueryRowContext(suite.ctx, tt.query).Scan(&node); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(tt.want, node) {
				t.Errorf("answered by %s, want %v", node, tt.want)
			}
			if tt.after != "" {
				if _, err := conn.ExecContext(suite.ctx, tt.after); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
