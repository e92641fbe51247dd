package main

import (
	"strings"
	"testing"
	"time"

	"galley/cluster"
)

// TestPoolsFit: what check says where the pools and the limits of the nodes do not go together, and what it says to do.
func TestPoolsFit(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings string // Under mysql.
		change   func(*cluster.Status)
		text, do string // Parts of the only warning; empty for none.
	}{
		{name: "by default", change: func(*cluster.Status) {}},
		{name: "as many as fit", settings: "pool: {max_per_node: 490}", change: func(*cluster.Status) {}},
		{
			name: "one more", settings: "pool: {max_per_node: 491}", change: func(*cluster.Status) {},
			text: "Nodes 10.0.0.1:3306, 10.0.0.2:3306, 10.0.0.3:3306: max_connections is 500, and galley may open 491 (mysql.pool.max_per_node)",
			do:   "Set mysql.pool.max_per_node to 490 or less, or max_connections there to 501 or more.",
		},
		{
			name: "a small node", change: func(s *cluster.Status) { s.MaxConnections = 30 },
			text: "max_connections is 30, and galley may open 22 (three quarters", do: "Set mysql.pool.max_per_node to 20 or less, or max_connections there to 32 or more.",
		},
		{
			name: "a tiny node", change: func(s *cluster.Status) { s.MaxConnections = 10 },
			text: "max_connections is 10, and galley may open 7", do: "Set max_connections there to 17 or more.",
		},
		{
			name: "two galleys", settings: "instance_id: 1", change: func(*cluster.Status) {},
			text: "galley may open 375", do: "Set mysql.pool.max_per_node to 245 or less (for two galleys; less for more), or max_connections there to 760 or more.",
		},
		{name: "two galleys that fit", settings: "instance_id: 1, pool: {max_per_node: 245}", change: func(*cluster.Status) {}},
		{
			name: "wait_timeout", change: func(s *cluster.Status) { s.Server.WaitTimeout = 100 * time.Second },
			text: "idle for 1m40s are closed there (wait_timeout), so galley closes its own after 50s, not after 1m (mysql",
			do:   "Set mysql.pool.idle_time to 50s or less, or wait_timeout to 120 or more.",
		},
		{name: "wait_timeout is enough", change: func(s *cluster.Status) { s.Server.WaitTimeout = 120 * time.Second }},
		{
			name: "prepared statements", change: func(s *cluster.Status) { s.Server.MaxPreparedStatements = 16382 },
			text: "max_prepared_stmt_count is 16382, and galley may prepare 37500 (375 connections with mysql.pool.max_statements of 100 each)",
			do:   "Set max_prepared_stmt_count there to 37500 or more, or mysql.pool.max_statements to 43 or less",
		},
		{
			name: "prepared statements that fit", settings: "pool: {max_per_node: 163}",
			change: func(s *cluster.Status) { s.Server.MaxPreparedStatements = 16382 },
		},
		{
			name: "without sharing", settings: "max_connections: 376, pool: {multiplex: false}", change: func(*cluster.Status) {},
			text: "galley takes up to 376 clients (mysql.max_connections) and opens up to 375 connections to node 10.0.0.1:3306", do: "multiplex on",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			settings := test.settings
			if settings != "" {
				settings = ", " + settings
			}
			c := load(t, "mysql: {listen: 127.0.0.1:0"+settings+"}\ncluster: {monitor: {user: monitor, password: hush}, nodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]}\n")
			s := sound()
			for i := range s.View.Nodes {
				test.change(&s.View.Nodes[i].Status)
			}
			r := judge(c, s)
			if test.text == "" {
				compare(t, "warning", r.Warnings, nil)
				return
			}
			compare(t, "warning", r.Warnings, []string{test.text})
			if !strings.Contains(r.Warnings[0].Do, test.do) {
				t.Errorf("to do: %q has no %q", r.Warnings[0].Do, test.do)
			}
		})
	}
}

// TestNodesThatDidNotTell: nothing is made up of a node that has not answered, and nodes that differ are named apart.
func TestNodesThatDidNotTell(t *testing.T) {
	c := load(t, sections+"[10.0.0.1, 10.0.0.2, 10.0.0.3]")
	s := sound()
	s.View.Nodes[0].Status.MaxConnections, s.View.Nodes[1].Status.MaxConnections, s.View.Nodes[2].Status.MaxConnections = 0, 20, 24
	r := judge(c, s)
	compare(t, "warning", r.Warnings, []string{"Node 10.0.0.2:3306: max_connections is 20", "Node 10.0.0.3:3306: max_connections is 24"})
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		8 * time.Hour: "8h", 90 * time.Minute: "1h30m", 100 * time.Second: "1m40s", time.Minute: "1m", 10 * time.Second: "10s", 10 * time.Minute: "10m", time.Hour + time.Second: "1h0m1s", 500 * time.Millisecond: "500ms",
	} {
		if got := short(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
