//go:build e2e

package e2e

import (
	"slices"
	"testing"
)

// TestReadsSpread shows by the nodes' own names that writes go to one node and reads to the two others, evenly enough.
func TestReadsSpread(t *testing.T) {
	needGalley(t)
	found := settle(t)
	db := openDB(t, galleyConfig())
	const reads = 60
	r, err := lookAtRoles(suite.ctx, db, reads)
	if err != nil {
		t.Fatal(err)
	}
	if r.writer != found.writer {
		t.Errorf("the writer changed from %s to %s for no reason", found.writer, r.writer)
	}
	if len(r.readers) != 2 || r.readers[r.writer] != 0 {
		t.Fatalf("%s writes; reads came from %v, want the two others", r.writer, r.readers)
	}
	for node, n := range r.readers {
		if n < reads/5 {
			t.Errorf("%s answered only %d of %d reads", node, n, reads)
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
		{"plain read", nil, "SELECT @@wsrep_node_name", readers, ""},
		{"read of a table", nil, "SELECT @@wsrep_node_name FROM fixed WHERE k = 7", readers, ""},
		{"comments before a read", nil, "/* x */ -- y\n# z\nSELECT @@wsrep_node_name", readers, ""},
		{"for update", nil, "SELECT @@wsrep_node_name FROM fixed WHERE k = 7 FOR UPDATE", writer, ""},
		{"for update in an executable comment", nil, "SELECT @@wsrep_node_name FROM fixed WHERE k = 7 /*! FOR UPDATE */", writer, ""},
		{"in share mode", nil, "SELECT @@wsrep_node_name FROM fixed WHERE k = 7 LOCK IN SHARE MODE", writer, ""},
		{"in a transaction", []string{"BEGIN"}, "SELECT @@wsrep_node_name", writer, "COMMIT"},
		{"without autocommit", []string{"SET autocommit = 0"}, "SELECT @@wsrep_node_name", writer, "SET autocommit = 1"},
		{"user lock", nil, "SELECT IF(GET_LOCK('e2e', 0), @@wsrep_node_name, '')", writer, "DO RELEASE_LOCK('e2e')"},
		{"temporary table", []string{"CREATE TEMPORARY TABLE tmp (i INT)"}, "SELECT COALESCE(MAX(i), @@wsrep_node_name) FROM tmp", writer, "DROP TEMPORARY TABLE tmp"},
		{"hint writer", nil, "/* galley:writer */ SELECT @@wsrep_node_name", writer, ""},
		{"hint reader", nil, "/* galley:reader */ SELECT @@wsrep_node_name", readers, ""},
		{"hint node", nil, "/* galley:node=" + nodeNamed(t, readers[0]).Addr() + " */ SELECT @@wsrep_node_name", readers[:1], ""},
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
