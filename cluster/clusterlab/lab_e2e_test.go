//go:build e2e

package clusterlab

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLab walks a lab through a life: start, add, kill, terminate, stop all, bootstrap, close.
func TestLab(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	lab, err := Start(ctx, Options{Nodes: 2, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, second := lab.Nodes()[0], lab.Nodes()[1]
	must(first.Exec(ctx, "CREATE TABLE app.t (id INT PRIMARY KEY)"))
	must(first.Exec(ctx, "INSERT INTO app.t VALUES (1)"))
	third, err := lab.AddNode(ctx)
	must(err)
	// A node changes its view a moment after another has gone, and takes no statements meanwhile.
	sizeIs := func(n *Node, want string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			got, err := n.Status(ctx, "wsrep_cluster_size")
			if err == nil && got == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: wsrep_cluster_size = %q, %v, want %s", n.Name(), got, err, want)
			}
		}
		must(n.WaitSynced(ctx))
	}
	sizeIs(third, "3")
	// While a node is starved the rest may be without a primary component for a moment, and refuses to commit.
	write := func(n *Node, id string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			err := n.Exec(ctx, "REPLACE INTO app.t VALUES ("+id+")")
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	for _, n := range lab.Nodes() {
		loginIs(t, lab.RootDSN(n), "")
		loginIs(t, lab.AppDSN(n), "")
		loginIs(t, dsn(lab.Monitor(), n.Addr(), ""), "")
		loginIs(t, dsn(Account{User: "root"}, n.Addr(), ""), "Access denied")
	}
	write(third, "2")

	must(second.Kill())
	write(first, "3")
	must(second.Start(ctx))
	must(third.Terminate(ctx))
	must(third.Start(ctx))
	sizeIs(first, "3")

	must(third.Terminate(ctx))
	must(second.Terminate(ctx))
	sizeIs(first, "1")
	write(first, "4")
	must(first.Kill())
	must(lab.Bootstrap(ctx, nil))
	must(second.Start(ctx))
	must(third.Start(ctx))
	for _, n := range lab.Nodes() {
		// A division by zero is an error in strict mode; a row that is missing makes one.
		must(n.Exec(ctx, "SET wsrep_sync_wait=1"))
		must(n.Exec(ctx, "BEGIN NOT ATOMIC IF (SELECT COUNT(*) FROM app.t) <> 4 THEN SIGNAL SQLSTATE '45000'; END IF; END"))
	}
	must(first.Pause())
	lab.Close()
	lab.Close()
	if _, err := os.Stat(lab.Dir()); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
	for _, n := range lab.Nodes() {
		if n.PID() != 0 {
			t.Errorf("%s still runs", n.Name())
		}
	}
}

// loginIs checks that a login works, or fails with an error that contains the text.
func loginIs(t *testing.T, dsn, failure string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.PingContext(t.Context())
	if failure == "" && err != nil || failure != "" && (err == nil || !strings.Contains(err.Error(), failure)) {
		t.Errorf("login: %v, want %q", err, failure)
	}
}
