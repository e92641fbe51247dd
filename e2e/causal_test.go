//go:build e2e

package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestReadYourWrites writes over one new connection and reads over another, as PHP does from request to request: what was acknowledged must be seen, whichever
// node answers. E2E_PAIRS=1000000 makes it long.
func TestReadYourWrites(t *testing.T) {
	needGalley(t)
	settle(t)
	pairs, within := 4000, 20*time.Second
	if text := os.Getenv("E2E_PAIRS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		pairs, within = n, 24*time.Hour
	}
	nodes := readAfterWrite(t, pairs, within)
	if len(nodes) < 2 {
		t.Errorf("all reads were answered by %v: the readers had no part in it", nodes)
	}
}

// readAfterWrite makes pairs of a write and a read for as long as it may, and gives the nodes that were read.
func readAfterWrite(t *testing.T, pairs int, within time.Duration) map[string]int {
	t.Helper()
	setup := openDB(t, galleyConfig())
	for _, statement := range []string{"CREATE OR REPLACE TABLE ryw (who INT PRIMARY KEY, n BIGINT)", "INSERT INTO ryw SELECT seq, 0 FROM seq_0_to_63"} {
		if _, err := setup.ExecContext(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	const clients = 8
	db := openDB(t, galleyConfig())
	began := time.Now()
	var busy sync.WaitGroup
	var made, done, stale atomic.Int64
	var mu sync.Mutex
	nodes := map[string]int{}
	for who := range clients {
		busy.Go(func() {
			for n := 1; made.Add(1) <= int64(pairs) && time.Since(began) < within && !t.Failed(); n++ {
				seen, node, err := writeThenRead(db, who, n)
				if err != nil {
					t.Errorf("client %d, pair %d: %v", who, n, err)
					return
				}
				done.Add(1)
				if seen != n {
					stale.Add(1)
					t.Errorf("client %d wrote %d and then read %d on %s; a moment later %s", who, n, seen, node, whatNodesHave(t, who))
				}
				mu.Lock()
				nodes[node]++
				mu.Unlock()
			}
		})
	}
	busy.Wait()
	text := fmt.Sprintf("%d reads behind an acknowledged write of another connection, %d stale, in %s, answered by %v", done.Load(), stale.Load(), time.Since(began).Round(time.Second), nodes)
	t.Log(text)
	if done.Load() == 0 {
		t.Error("nothing was read")
	}
	return nodes
}

// writeThenRead writes a number over one connection, reads it over another, and gives what was read and the name of the node that answered.
func writeThenRead(db *sql.DB, who, n int) (seen int, node string, err error) {
	if _, err = db.ExecContext(suite.ctx, "UPDATE ryw SET n = ? WHERE who = ?", n, who); err != nil {
		return 0, "", err
	}
	err = db.QueryRowContext(suite.ctx, "SELECT n, (SELECT MAX(node) FROM whoami) FROM ryw WHERE who = ?", who).Scan(&seen, &node)
	return seen, node, err
}

// whatNodesHave tells a client's row as each node has it, and the node's last number.
func whatNodesHave(t *testing.T, who int) string {
	t.Helper()
	var out strings.Builder
	for _, n := range runningNodes() {
		var has int
		var last string
		err := openNode(t, n).QueryRowContext(suite.ctx, "SELECT n, WSREP_LAST_SEEN_GTID() FROM ryw WHERE who = ?", who).Scan(&has, &last)
		fmt.Fprintf(&out, "%s has %d at %s (%v) ", n.Name(), has, last, err)
	}
	return out.String()
}
