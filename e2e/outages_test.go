//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"galley/cluster/clusterlab"
)

// TestResumedStaleNode stops a reader until the group has put it out, writes, and lets it go on. It then says for a while that
// it is synced in a primary component of three, in an older view and with older rows: no client of galley may read those.
func TestResumedStaleNode(t *testing.T) {
	needGalley(t)
	before := settle(t)
	stale := nodeNamed(t, anyReader(before))
	l := startLoad(t, "stale_node_resumed", 70)
	l.addFloor(openNode(t, others(stale)[0]))
	time.Sleep(time.Second)
	direct := openNode(t, stale)
	if err := direct.PingContext(suite.ctx); err != nil {
		t.Fatal(err)
	}
	if err := stale.Pause(); err != nil {
		t.Fatal(err)
	}
	defer stale.Resume()
	awaitSize(t, others(stale), "2")
	epoch := raiseEpoch(t, others(stale))

	// Several impatient clients look during the moment, besides the load; one looks at the node itself.
	var staleThere atomic.Int64
	var looking sync.WaitGroup
	stop := make(chan struct{})
	looking.Go(func() { watchEpoch(direct, stop, func(n int) { staleThere.Add(b2i(n < epoch)) }) })
	var staleHere atomic.Int64
	for range 4 {
		db := openDB(t, galleyConfig())
		looking.Go(func() { watchEpoch(db, stop, func(n int) { staleHere.Add(b2i(n < epoch)) }) })
	}
	resumed := time.Now()
	if err := stale.Resume(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * time.Second)
	close(stop)
	looking.Wait()
	settle(t)
	l.end()
	l.verify(t)
	for _, r := range l.reads {
		if r.began.After(resumed) && r.epoch < epoch {
			staleHere.Add(1)
		}
	}
	t.Logf("stale reads on the node itself: %d; through galley: %d", staleThere.Load(), staleHere.Load())
	if n := staleHere.Load(); n > 0 {
		t.Errorf("%d stale reads through galley", n)
	}
	finish(t, l)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// watchEpoch reads the epoch as fast as it gets it; errors are the load's affair.
func watchEpoch(db *sql.DB, stop <-chan struct{}, saw func(n int)) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(suite.ctx, 2*time.Second)
		var n int
		if err := db.QueryRowContext(ctx, "SELECT n FROM epoch WHERE id = 1").Scan(&n); err == nil {
			saw(n)
		}
		cancel()
		time.Sleep(time.Millisecond)
	}
}

// raiseEpoch writes a higher epoch through galley, and waits until the given nodes have it.
func raiseEpoch(t *testing.T, on []*clusterlab.Node) int {
	t.Helper()
	db := openDB(t, galleyConfig())
	var epoch int
	if _, err := db.ExecContext(suite.ctx, "UPDATE epoch SET n = n + 1 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	for _, n := range on {
		err := openNode(t, n).QueryRowContext(suite.ctx, "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT n FROM epoch WHERE id = 1").Scan(&epoch)
		if err != nil {
			t.Fatal(err)
		}
	}
	return epoch
}

func awaitSize(t *testing.T, nodes []*clusterlab.Node, want string) {
	t.Helper()
	err := eventually(suite.ctx, 30*time.Second, func() error {
		for _, n := range nodes {
			if size, err := n.Status(suite.ctx, "wsrep_cluster_size"); err != nil || size != want {
				return fmt.Errorf("%s sees %s nodes, want %s: %w", n.Name(), size, want, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAllNodesDown stops the whole cluster under load and starts it again from the same data, in which Galera counts its
// views from 1 again. While there is no node, clients wait for one as long as wait_for_node (15 s) and are then told so.
func TestAllNodesDown(t *testing.T) {
	needGalley(t)
	before := settle(t)
	writer := nodeNamed(t, before.writer)
	l := startLoad(t, "all_nodes_down_and_up", 80)
	time.Sleep(time.Second)
	db := openDB(t, galleyConfig())
	session, err := db.Conn(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	// The node that stops last is the one that the cluster is started from: not the one that was, so that the nodes' GTIDs then differ in their server ids.
	stopped := append(others(writer)[:1:1], writer, others(writer)[1])
	for _, n := range stopped {
		if err := n.Terminate(suite.ctx); err != nil {
			t.Fatal(err)
		}
	}

	var asking sync.WaitGroup
	ask := func(what, want string, ask func(ctx context.Context) error) {
		asking.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(suite.ctx, opLimit)
			defer cancel()
			err := ask(ctx)
			if took := time.Since(began); kindOf(err) != want || took < 10*time.Second || took > 40*time.Second {
				t.Errorf("%s without any node: %v after %s, want error %s after 15 s", what, err, took, want)
			}
			t.Logf("%s without any node: %v", what, err)
		})
	}
	ask("a statement", "1047", func(ctx context.Context) error {
		_, err := session.ExecContext(ctx, "INSERT INTO seen VALUES (80, 1000, 1, '')")
		return err
	})
	ask("a new session", "1040", func(ctx context.Context) error {
		conn, err := db.Conn(ctx)
		if err == nil {
			_, err = conn.ExecContext(ctx, "SELECT 1 FROM fixed WHERE k = 1")
			conn.Close()
		}
		return err
	})
	if err := eventually(suite.ctx, 30*time.Second, func() error {
		if suite.galley.ready(suite.ctx) == nil {
			return errors.New("ready")
		}
		return nil
	}); err != nil {
		t.Errorf("/readyz without a node: %v", err)
	}
	asking.Wait()

	if err := suite.lab.Bootstrap(suite.ctx, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range stopped {
		if n.PID() == 0 {
			if err := startNode(suite.ctx, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle(t)
	l.end()
	l.verify(t)
	readAfterWrite(t, 500, 5*time.Second)
	allow(t, l, func(kind string) bool {
		kind = strings.TrimPrefix(strings.TrimPrefix(kind, "read:"), "connect:")
		return isLost(kind) || isUndone(kind) || kind == "1047" || kind == "1040"
	})
	if err := suite.galley.ready(suite.ctx); err != nil {
		t.Error(err)
	}
}
