//go:build e2e

package e2e

import (
	"sync"
	"testing"
)

// TestReadYourWrites writes over one new connection and reads over another, as PHP does from request to request: what was acknowledged must be seen, whichever
// node answers.
func TestReadYourWrites(t *testing.T) {
	needGalley(t)
	settle(t)
	cfg := galleyConfig()
	setup := openDB(t, cfg)
	for _, statement := range []string{"CREATE OR REPLACE TABLE ryw (who INT, n INT, PRIMARY KEY (who, n))", "INSERT INTO ryw VALUES (-1, 0)"} {
		if _, err := setup.ExecContext(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	const clients, each = 6, 120
	var busy sync.WaitGroup
	var mu sync.Mutex
	nodes := map[string]int{}
	for who := range clients {
		busy.Go(func() {
			for n := range each {
				node, err := writeThenRead(t, who, n)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				nodes[node]++
				mu.Unlock()
			}
		})
	}
	busy.Wait()
	t.Logf("%d reads behind a write of another connection, answered by %v", clients*each, nodes)
	if len(nodes) < 2 {
		t.Errorf("all reads were answered by %v: the readers had no part in it", nodes)
	}
}

// writeThenRead writes a row over one connection, reads it over another, and gives the name of the node that was read.
func writeThenRead(t *testing.T, who, n int) (node string, err error) {
	t.Helper()
	writer := openDB(t, galleyConfig())
	if _, err = writer.ExecContext(suite.ctx, "INSERT INTO ryw VALUES (?, ?)", who, n); err != nil {
		return "", err
	}
	if err = writer.Close(); err != nil {
		return "", err
	}
	reader := openDB(t, galleyConfig())
	var rows int
	if err = reader.QueryRowContext(suite.ctx, "SELECT COUNT(*), (SELECT MAX(node) FROM whoami) FROM ryw WHERE who = ? AND n = ?", who, n).Scan(&rows, &node); err != nil {
		return "", err
	}
	if rows != 1 {
		t.Errorf("row %d of client %d was acknowledged and is not seen on %s", n, who, node)
	}
	return node, reader.Close()
}
