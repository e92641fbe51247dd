//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
)

// The tables: seen takes the clients' writes, each row with the node that wrote it; fixed never changes; epoch is one row
// whose number the tests raise; whoami has another row on each node, so that a plain read tells who answered it.
var tables = []string{
	"CREATE TABLE seen (run INT, client INT, seq INT, node VARCHAR(64), PRIMARY KEY (run, client, seq))",
	"CREATE TABLE fixed (k INT PRIMARY KEY, v VARCHAR(64))",
	"INSERT INTO fixed WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 200) SELECT k, MD5(k) FROM n",
	"CREATE TABLE epoch (id INT PRIMARY KEY, n INT)",
	"INSERT INTO epoch VALUES (1, 0)",
	"CREATE TABLE whoami (node VARCHAR(64) PRIMARY KEY)",
}

func createTables(ctx context.Context) error {
	db, err := sql.Open("mysql", suite.lab.AppDSN(suite.lab.Nodes()[0]))
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range tables {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for _, n := range suite.lab.Nodes() {
		if err := sign(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// sign writes the node's name into its own whoami, and into nobody else's; the table itself may be a moment late.
func sign(ctx context.Context, n *clusterlab.Node) error {
	return eventually(ctx, 10*time.Second, func() error { return signNow(ctx, n) })
}

func signNow(ctx context.Context, n *clusterlab.Node) error {
	return n.Exec(ctx, "BEGIN NOT ATOMIC SET SESSION wsrep_on = OFF; DELETE FROM app.whoami; INSERT INTO app.whoami VALUES (@@wsrep_node_name); END")
}

// startNode lets a node join again; a full state transfer brought it its donor's name.
func startNode(ctx context.Context, n *clusterlab.Node) error {
	if err := n.Start(ctx); err != nil {
		return err
	}
	return sign(ctx, n)
}

// galleyConfig is how the application reaches galley.
func galleyConfig() *mysql.Config {
	app := suite.lab.App()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = app.User, app.Password, "tcp", suite.galley.addr, clusterlab.Schema
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{}
	return cfg
}

// openDB gives a handle that keeps no idle connection, so that each Conn is a new session.
func openDB(t *testing.T, cfg *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(-1)
	t.Cleanup(func() { db.Close() })
	return db
}

// openNode is a handle as root directly on a node; it keeps one connection.
func openNode(t *testing.T, n *clusterlab.Node) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(suite.lab.RootDSN(n))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DBName = clusterlab.Schema
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// looks numbers the rows of lookAtRoles.
var looks atomic.Int32

// roles are what clients find by asking: the node that wrote and the nodes that new sessions read from.
type roles struct {
	writer  string
	readers map[string]int
}

// lookAtRoles writes once and reads over n new sessions.
func lookAtRoles(ctx context.Context, db *sql.DB, n int) (roles, error) {
	r := roles{readers: map[string]int{}}
	err := db.QueryRowContext(ctx, "INSERT INTO seen VALUES (0, 0, ?, @@wsrep_node_name) RETURNING node", looks.Add(1)).Scan(&r.writer)
	if err != nil {
		return r, fmt.Errorf("write: %w", err)
	}
	// Several at a time: one after the other they all go to the node with the least work, however little less that is.
	var reading sync.WaitGroup
	var mu sync.Mutex
	for i := range 6 {
		reading.Go(func() {
			for range (n + 5 - i) / 6 {
				var node string
				failed := db.QueryRowContext(ctx, "SELECT node FROM whoami").Scan(&node)
				mu.Lock()
				if failed != nil {
					err = fmt.Errorf("read: %w", failed)
				} else {
					r.readers[node]++
				}
				mu.Unlock()
			}
		})
	}
	reading.Wait()
	return r, err
}

// settle waits until every running node is synced in one cluster and clients read from all of them but the writer.
func settle(t *testing.T) roles {
	t.Helper()
	db := openDB(t, galleyConfig())
	var found roles
	err := eventually(suite.ctx, 90*time.Second, func() error {
		ctx, cancel := context.WithTimeout(suite.ctx, 10*time.Second)
		defer cancel()
		running := runningNodes()
		for _, n := range running {
			if err := n.WaitSynced(ctx); err != nil {
				return err
			}
			if size, err := n.Status(ctx, "wsrep_cluster_size"); err != nil || size != strconv.Itoa(len(running)) {
				return fmt.Errorf("%s sees %s nodes of %d: %w", n.Name(), size, len(running), err)
			}
		}
		var err error
		if found, err = lookAtRoles(ctx, db, 6*len(running)); err != nil {
			return err
		}
		if len(found.readers) != len(running)-1 || found.readers[found.writer] != 0 {
			return fmt.Errorf("%s writes and reads came from %v of %d nodes", found.writer, found.readers, len(running))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the cluster behind galley does not settle: %v", err)
	}
	return found
}

func runningNodes() []*clusterlab.Node {
	return slices.DeleteFunc(suite.lab.Nodes(), func(n *clusterlab.Node) bool { return n.PID() == 0 })
}

func nodeNamed(t *testing.T, name string) *clusterlab.Node {
	t.Helper()
	for _, n := range suite.lab.Nodes() {
		if n.Name() == name {
			return n
		}
	}
	t.Fatalf("there is no node %q", name)
	return nil
}

// others are the running nodes but one.
func others(except *clusterlab.Node) []*clusterlab.Node {
	return slices.DeleteFunc(runningNodes(), func(n *clusterlab.Node) bool { return n == except })
}

// setEverywhere sets a global variable on all running nodes until the test ends.
func setEverywhere(t *testing.T, name, value, back string) {
	t.Helper()
	for _, n := range runningNodes() {
		if err := n.Exec(suite.ctx, "SET GLOBAL "+name+" = "+value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Exec(suite.ctx, "SET GLOBAL "+name+" = "+back); err != nil {
				t.Error(err)
			}
		})
	}
}
