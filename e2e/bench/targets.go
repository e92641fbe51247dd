package main

import "math"

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
}

func atLeast(name string, want float64) target { return target{Name: name, Goal: want} }

func atMost(name string, want float64) target { return target{Name: name, Goal: want, AtMost: true} }

func goals() []goal {
	return []goal{
		{atLeast("point select at 64 clients: throughput, to HAProxy's", 1), pointSelect, queriesPerSecond, targetClients, doorHAProxy},
		{atMost("point select at 64 clients: CPU per query, to HAProxy's", 1.1), pointSelect, cpuPerQuery, targetClients, doorHAProxy},
		{atLeast("large result: throughput, to HAProxy's", 0.9), largeRows, megabytes, 1, doorHAProxy},
		{atLeast("PHP pattern at 8 clients: connections per second, to those without a proxy", 1.3), phpTest, connectionsPerSecond, 8, doorDirect},
		{atLeast("PHP pattern at 64 clients: connections per second, to those without a proxy", 1.3), phpTest, connectionsPerSecond, targetClients, doorDirect},
		{atMost("point select, text, at 8 clients: CPU per query, to that without sharing", 1.15), sharingText, cpuPerQuery, 8, doorUnshared},
		{atMost("point select, text, at 64 clients: CPU per query, to that without sharing", 1.15), sharingText, cpuPerQuery, targetClients, doorUnshared},
		{atMost("point select, prepared, at 8 clients: CPU per query, to that without sharing", 1.15), sharingPrepared, cpuPerQuery, 8, doorUnshared},
		{atMost("point select, prepared, at 64 clients: CPU per query, to that without sharing", 1.15), sharingPrepared, cpuPerQuery, targetClients, doorUnshared},
		{atMost("idle client connection: memory, KB, after the login", 12), idleTest, perConnection, 0, ""},
		{atMost("idle client connection: memory, KB, after statements", 12), idleTest, perConnectionUsed, 0, ""},
		{atMost("idle client connections: CPU, % of one", 1), idleTest, idleCPU, 0, ""},
		{atMost("idle client connections: backend conns", 100), idleTest, backendConnsOpen, 0, ""},
		{atLeast("2,000 clients on 60 backend conns: throughput, to that of 60 clients", 0.95), crowdTest, queriesPerSecond, 0, doorFew},
		{atMost("2,000 clients on 60 backend conns: longest wait, to the median wait", 10), crowdTest, longestWait, 0, ""},
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
				t.Got = f.ratio(doorGalley, g.to)
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
