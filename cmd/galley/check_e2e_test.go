//go:build e2e

package main

import (
	"bytes"
	"strings"
	"testing"

	"galley/cluster/clusterlab"
)

// TestCheckOfARealNode: what check says of a node as the lab makes it, and of one that the operator has not prepared.
func TestCheckOfARealNode(t *testing.T) {
	lab, err := clusterlab.Start(t.Context(), clusterlab.Options{Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	n, monitor := lab.Nodes()[0], lab.Monitor()
	exec := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if err := n.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(user, password string) (string, error) {
		t.Helper()
		var out bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		t.Setenv("GALLEY_CLUSTER_MONITOR_PASSWORD", password)
		cmd.SetArgs([]string{"check", "--mysql.listen", "127.0.0.1:0", "--mysql.max_connections", "100", "--cluster.nodes", n.Addr(), "--cluster.monitor.user", user})
		err := cmd.ExecuteContext(t.Context())
		if strings.Contains(out.String(), password) {
			t.Errorf("the password is printed:\n%s", out.String())
		}
		return out.String(), err
	}
	want := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("not printed: %q in\n%s", part, text)
			}
		}
	}

	text, err := check(monitor.User, monitor.Password)
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	want(text, n.Addr(), "synced", "writer", "the first in configured order", "'mariadb.sys'@'localhost'  the account is locked", "can serve this")

	exec("CREATE TABLE app.old (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE app.fine (id INT PRIMARY KEY) ENGINE=InnoDB",
		"INSTALL SONAME 'auth_ed25519'", "CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')", "SET GLOBAL wsrep_sync_wait=1")
	text, err = check(monitor.User, monitor.Password)
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	want(text, "app.old (MyISAM).", "'ed'@'%'", "ed25519 cannot be relayed", "wsrep_sync_wait is on")
	if strings.Contains(text, "app.fine") {
		t.Errorf("a table of InnoDB is named:\n%s", text)
	}

	exec("CREATE USER bare@'%' IDENTIFIED BY 'barepassword'")
	text, err = check("bare", "barepassword")
	if err == nil {
		t.Error("a monitor user without rights is good enough")
	}
	want(text, "GRANT SELECT ON mysql.global_priv TO 'bare'@'%'", "GRANT SHOW VIEW ON *.* TO 'bare'@'%'")

	text, err = check("bare", "wrongpassword")
	if err == nil {
		t.Error("a wrong password is good enough")
	}
	want(text, "auth failed", "Access denied")
}
