//go:build e2e

package web

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
	"galley/cluster/clusterlab/wordpress"
)

// admin is the WordPress's first user. Its comments are free of WordPress's rule of one in 15 s from an address.
var admin = clusterlab.Account{User: "admin", Password: "rowing-" + word()}

// witness is a plugin that notes each POST that is run, by the id that galley gave its request.
const witness = `<?php
if ($_SERVER['REQUEST_METHOD'] === 'POST') { $wpdb->insert('witness', array('id' => $_SERVER['HTTP_X_REQUEST_ID'], 'uri' => $_SERVER['REQUEST_URI'])); }`

// TestWordPress has editors and visitors at work, first in peace, then while php-fpm pools are killed, stopped, restarted and reloaded. A page never fails, and a form
// is run once at most: what WordPress said that it took is in the database exactly once.
func TestWordPress(t *testing.T) {
	base, db := site(t), openDB(t)
	said := newLedger()
	t.Run("peace", func(t *testing.T) {
		e := newEditor(said, base, admin.User)
		defer e.close()
		e.day()
		said.judge(t, 0)
		verify(t, db, said)
	})
	t.Run("trouble", func(t *testing.T) {
		var work sync.WaitGroup
		over := make(chan struct{})
		for n := range 3 {
			name := fmt.Sprint("editor", n)
			hire(t, db, name)
			work.Go(func() { editors(said, base, name, over) })
		}
		work.Go(func() { visitors(said, base, over) })
		strike(t, said)
		close(over)
		work.Wait()
		said.judge(t, workers)
		verify(t, db, said)
	})
	t.Log(said.summary())
	if t.Failed() {
		text, _ := os.ReadFile(town.log)
		t.Logf("galley's log:\n%s", text)
	}
}

// installed is whether the WordPress is there, and why not.
var installed = sync.OnceValue(func() error {
	source := os.Getenv("WORDPRESS")
	if source == "" {
		source = filepath.Join("..", "..", ".cache", "wordpress")
	}
	if err := town.lab.Nodes()[0].Exec(town.ctx, "CREATE TABLE "+clusterlab.Schema+".witness (n INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(80) NOT NULL, uri TEXT)"); err != nil {
		return err
	}
	it := wordpress.Site{Source: source, Dir: filepath.Join(town.dir, "wordpress"), DBHost: town.mysql, DB: town.lab.App(), URL: "http://" + town.web, Admin: admin}
	if err := it.Install(town.ctx); err != nil {
		return err
	}
	plugins := filepath.Join(it.Dir, "wp-content", "mu-plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(plugins, "witness.php"), []byte(witness), 0o644)
})

// site gives the address of the WordPress, which is installed for the first who asks.
func site(t *testing.T) string {
	t.Helper()
	if err := installed(); err != nil {
		t.Fatal(err)
	}
	return "http://" + town.web
}

// hire makes a user with the rights and the password of the first. Each editor is one: WordPress keeps all logins of a user in one row, which it reads and writes without
// a lock, so that one login can undo another.
func hire(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	execute(t, db, "INSERT INTO wp_users (user_login, user_pass, user_nicename, user_email, user_registered, display_name) SELECT ?, user_pass, ?, ?, user_registered, ? FROM wp_users WHERE user_login=?",
		name, name, name+"@example.com", name, admin.User)
	execute(t, db, "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) SELECT n.ID, m.meta_key, m.meta_value FROM wp_users n, wp_users o JOIN wp_usermeta m ON m.user_id=o.ID WHERE n.user_login=? AND o.user_login=? AND m.meta_key<>'session_tokens'",
		name, admin.User)
}

// workers are those of a pool: as many forms can be lost by a kill.
const workers = 4

// strike breaks php-fpm, something every five seconds, one pool after the other.
func strike(t *testing.T, said *ledger) {
	t.Helper()
	rounds := 1
	if os.Getenv("E2E_ALL") != "" {
		rounds = 8
	}
	events := []struct {
		name string
		do   func(pool *clusterlab.FPM) error
	}{
		{"kill", func(pool *clusterlab.FPM) error {
			said.killed()
			if err := pool.Kill(); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			return pool.Start(town.ctx)
		}},
		{"stop", func(pool *clusterlab.FPM) error {
			if err := pool.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			return pool.Resume()
		}},
		{"quit", func(pool *clusterlab.FPM) error {
			if err := pool.Quit(); err != nil {
				return err
			}
			return pool.Start(town.ctx)
		}},
		{"reload", (*clusterlab.FPM).Reload},
	}
	for n := range rounds * len(events) {
		time.Sleep(time.Second) // All are at work.
		begin := time.Now()
		event, pool := events[n%len(events)], town.pools[(n+n/len(events))%len(town.pools)]
		said.event(event.name)
		if err := event.do(pool); err != nil {
			t.Fatalf("%s: %v", event.name, err)
		}
		time.Sleep(time.Until(begin.Add(4 * time.Second)))
	}
	said.event("after")
}

func openDB(t *testing.T) *sql.DB {
	t.Helper()
	// At a node, so that galley is no part of the proof; what the other nodes have committed is waited for.
	db, err := sql.Open("mysql", town.lab.AppDSN(town.lab.Nodes()[0])+"?wsrep_sync_wait=7")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(town.ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// count gives how often each of something is there.
func count(t *testing.T, db *sql.DB, query string) map[string]int {
	t.Helper()
	rows, err := db.QueryContext(town.ctx, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	there := map[string]int{}
	for rows.Next() {
		var what string
		var n int
		if err := rows.Scan(&what, &n); err != nil {
			t.Fatal(err)
		}
		there[what] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return there
}

// verify compares what WordPress said with what the database has.
func verify(t *testing.T, db *sql.DB, said *ledger) {
	t.Helper()
	for id, n := range count(t, db, "SELECT CONCAT(id, ' ', uri), COUNT(*) FROM witness GROUP BY id, uri HAVING COUNT(*) > 1") {
		t.Errorf("the POST %s was run %d times", id, n)
	}
	if n := count(t, db, "SELECT 'all', COUNT(*) FROM witness")["all"]; n < said.taken() {
		t.Errorf("only %d POSTs were seen to be run of %d that were answered", n, said.taken())
	}
	said.verify(t, article, count(t, db, "SELECT post_title, COUNT(*) FROM wp_posts WHERE post_type='post' AND post_status='publish' GROUP BY post_title"))
	said.verify(t, picture, count(t, db, "SELECT post_title, COUNT(*) FROM wp_posts WHERE post_type='attachment' GROUP BY post_title"))
	said.verify(t, comment, count(t, db, "SELECT comment_content, COUNT(*) FROM wp_comments GROUP BY comment_content"))
}
