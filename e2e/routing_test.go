//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// unmoved calls do with the roles that were found. A busy machine may have moved the writer meanwhile, and what was seen then says nothing: do is called again, three times at most.
func unmoved(t *testing.T, found roles, do func(found roles) error) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		err := do(found)
		if err == nil {
			return
		}
		now := settle(t)
		if now.writer == found.writer || attempt == 3 {
			t.Fatal(err)
		}
		t.Logf("the writer moved from %s to %s in the middle: once more; %v", found.writer, now.writer, err)
		found = now
	}
}

// TestReadsSpread shows by the nodes' own names that writes go to one node and reads to the two others, evenly enough.
func TestReadsSpread(t *testing.T) {
	needGalley(t)
	unmoved(t, settle(t), func(found roles) error { return spread(t, found) })
}

// spread reads with several clients, and says what is wrong with who answered.
func spread(t *testing.T, found roles) (wrong error) {
	t.Helper()
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
				wrong = fmt.Errorf("the writer changed from %s to %s for no reason", found.writer, r.writer)
			}
			for node, n := range r.readers {
				total[node] += n
			}
		})
	}
	busy.Wait()
	t.Logf("%s writes; reads came from %v", found.writer, total)
	if len(total) != 2 || total[found.writer] != 0 {
		return errors.Join(wrong, fmt.Errorf("%s writes; reads came from %v, want the two others", found.writer, total))
	}
	for node, n := range total {
		if n < clients*each/5 {
			wrong = errors.Join(wrong, fmt.Errorf("%s answered only %d of %d reads", node, n, clients*each))
		}
	}
	return wrong
}

// place is a statement that has to stay where it is.
type place struct {
	name   string
	before []string
	query  string
	want   []string
	after  string
}

// TestPlaces runs statements that have to stay where they are, and reads the name of the node that answered.
func TestPlaces(t *testing.T) {
	needGalley(t)
	found := settle(t)
	for i, p := range places(t, found) {
		t.Run(p.name, func(t *testing.T) {
			unmoved(t, found, func(found roles) error { return places(t, found)[i].check(t) })
		})
	}
}

// check says what is wrong with who answered.
func (p *place) check(t *testing.T) error {
	t.Helper()
	conn, err := openDB(t, galleyConfig()).Conn(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range p.before {
		if _, err := conn.ExecContext(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	var node string
	if err := conn.QueryRowContext(suite.ctx, p.query).Scan(&node); err != nil {
		t.Fatal(err)
	}
	if p.after != "" {
		if _, err := conn.ExecContext(suite.ctx, p.after); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(p.want, node) {
		return fmt.Errorf("answered by %s, want %v", node, p.want)
	}
	return nil
}

func places(t *testing.T, found roles) []place {
	t.Helper()
	readers := slices.Sorted(maps.Keys(found.readers))
	writer := []string{found.writer}
	return []place{
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
}
