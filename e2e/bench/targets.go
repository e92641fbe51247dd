package main

import (
	"cmp"
	"math"
)

// target is one of the project's goals with what was measured.
type target struct {
	Name   string  `json:"name"`
	Goal   float64 `json:"goal"`
	AtMost bool    `json:"at_most"`
	Got    spread  `json:"got"`
	Pass   bool    `json:"pass"`
}

// goal is a target and where its figure is found.
type goal struct {
	target
	test, figure string
	clients      int    // 0: whatever the number is.
	to           string // The door to which galley is compared; none: galley's own figure.
	of           string // The galley, if not the one of all parts.
}

func atLeast(name string, want float64) target { return target{Name: name, Goal: want} }

func atMost(name string, want float64) target { return target{Name: name, Goal: want, AtMost: true} }

func goals() []goal { return append(databaseGoals(), webGoals()...) }

func webGoals() []goal {
	at64 := func(t target, test, figure, to string) goal {
		return goal{target: t, test: test, figure: figure, clients: targetClients, to: to}
	}
	return []goal{
		at64(atLeast("WordPress front page at 64 clients: throughput, to nginx'", 1), webPress, requestsPerSecond, doorNginx),
		at64(atLeast("hello.php at 64 clients: throughput, to nginx'", 0.85), webHello, requestsPerSecond, doorNginx),
		at64(atLeast("hello.php at 64 clients: throughput, to Caddy's", 1.5), webHello, requestsPerSecond, doorCaddy),
		at64(atMost("two pools, one slowed: p99, to that of nginx' least_conn", 0.5), webUneven, webP99, doorNginx),
		at64(atLeast("file of 4 KB at 64 clients: throughput, to nginx'", 0.4), webSmall, requestsPerSecond, doorNginx),
		at64(atLeast("file of 4 KB at 64 clients: throughput, to Caddy's", 2), webSmall, requestsPerSecond, doorCaddy),
		at64(atLeast("file of 100 KB at 64 clients: throughput, to nginx'", 0.6), webMiddle, requestsPerSecond, doorNginx),
		at64(atLeast("file of 100 MB at 64 clients: throughput, to nginx'", 0.95), webLarge, megabytes, doorNginx),
		at64(atLeast("page from the cache at 64 clients: throughput, to nginx' fastcgi_cache", 0.6), webCached, requestsPerSecond, doorNginx),
		{target: atMost("idle client of the web: memory, KB, after a file", 20), test: webIdle, figure: perClientFile},
		{target: atMost("idle client of the web: memory, KB, after a page of PHP", 20), test: webIdle, figure: perClientPage},
	}
}

func databaseGoals() []goal {
	const (
		php8, php64 = "PHP pattern at 8 clients: connections per second, to those without a proxy", "PHP pattern at 64 clients: connections per second, to those without a proxy"
		oneNode     = ", galley on that one node"
	)
	return []goal{
		{target: atLeast("point select at 64 clients: throughput, to HAProxy's", 1), test: pointSelect, figure: queriesPerSecond, clients: targetClients, to: doorHAProxy},
		{target: atMost("point select at 64 clients: CPU per query, to HAProxy's", 1.1), test: pointSelect, figure: cpuPerQuery, clients: targetClients, to: doorHAProxy},
		{target: atLeast("large result: throughput, to HAProxy's", 0.9), test: largeRows, figure: megabytes, clients: 1, to: doorHAProxy},
		{target: atLeast(php8, 1.3), test: phpTest, figure: connectionsPerSecond, clients: 8, to: doorDirect},
		{target: atLeast(php8+oneNode, 1.3), test: phpTest, figure: connectionsPerSecond, clients: 8, to: doorDirect, of: doorOneNode},
		{target: atLeast(php64, 1.3), test: phpTest, figure: connectionsPerSecond, clients: targetClients, to: doorDirect},
		{target: atLeast(php64+oneNode, 1.3), test: phpTest, figure: connectionsPerSecond, clients: targetClients, to: doorDirect, of: doorOneNode},
		{target: atMost("point select, text, at 8 clients: CPU per query, to that without sharing", 1.15), test: sharingText, figure: cpuPerQuery, clients: 8, to: doorUnshared},
		{target: atMost("point select, text, at 64 clients: CPU per query, to that without sharing", 1.15), test: sharingText, figure: cpuPerQuery, clients: targetClients, to: doorUnshared},
		{target: atMost("point select, prepared, at 8 clients: CPU per query, to that without sharing", 1.15), test: sharingPrepared, figure: cpuPerQuery, clients: 8, to: doorUnshared},
		{target: atMost("point select, prepared, at 64 clients: CPU per query, to that without sharing", 1.15), test: sharingPrepared, figure: cpuPerQuery, clients: targetClients, to: doorUnshared},
		{target: atLeast("read-write without transactions: throughput, to that of consistency eventual", 0.95), test: consistencyTest, figure: queriesPerSecond, to: doorEventual},
		{target: atMost("idle client connection: memory, KB, after the login", 15), test: idleTest, figure: perConnection},
		{target: atMost("idle client connection: memory, KB, after statements", 12), test: idleTest, figure: perConnectionUsed},
		{target: atMost("idle client connections: CPU, % of one", 1), test: idleTest, figure: idleCPU},
		{target: atMost("idle client connections: backend conns", 100), test: idleTest, figure: backendConnsOpen},
		{target: atLeast("2,000 clients on 60 backend conns: throughput, to that of 60 clients", 0.95), test: crowdTest, figure: queriesPerSecond, to: doorFew},
		{target: atMost("2,000 clients on 60 backend conns: longest wait, to the median wait", 10), test: crowdTest, figure: longestWait},
	}
}

// targets are the goals that this run measured; the median decides.
func (r *results) targets() []target {
	var all []target
	for _, g := range goals() {
		for _, c := range r.Cells {
			if c.Test != g.test || g.clients != 0 && c.Clients != g.clients || !c.has(g.figure) {
				continue
			}
			t, f := g.target, c.figure(g.figure)
			if t.Got = spreadOf(f.Rounds[doorGalley]); g.to != "" {
				t.Got = f.ratio(cmp.Or(g.of, doorGalley), g.to)
			}
			if t.Got.N == 0 {
				continue
			}
			t.Pass = !math.IsNaN(t.Got.Median) && (t.AtMost && t.Got.Median <= t.Goal || !t.AtMost && t.Got.Median >= t.Goal)
			all = append(all, t)
		}
	}
	return all
}
