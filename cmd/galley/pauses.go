package main

import (
	"fmt"
	"time"

	"galley/cluster"
	"galley/proxy/admin"
)

const (
	// pauseSpan is over how long pauses are looked at, back from the newest probe.
	pauseSpan = 10 * time.Second
	// pauseWorth is the part of that time from which on pauses are worth a word.
	pauseWorth = 0.1
)

// pauseProblems names the nodes that pause the cluster by flow control: those that have asked for it while anybody was paused.
func pauseProblems(view *cluster.View, history func(addr string) []cluster.Sample) []admin.Problem {
	worst := 0.0
	var culprits []*cluster.Node
	for i := range view.Nodes {
		n := &view.Nodes[i]
		paused, asked := pauses(history(n.Addr))
		worst = max(worst, paused)
		if asked {
			culprits = append(culprits, n)
		}
	}
	if worst < pauseWorth {
		return nil
	}
	var all []admin.Problem
	for _, n := range culprits {
		all = append(all, admin.Problem{
			Severity: admin.SeverityWarning,
			Text: fmt.Sprintf("Node %s pauses the cluster: it cannot keep up, and writes stood still for %.0f%% of the last %.0f s (%d write sets wait there, the limit is %.0f).",
				n.Addr, 100*worst, pauseSpan.Seconds(), n.Status.RecvQueue, n.Status.FCLimit),
			Do: "Look for what holds it: a lock (FLUSH TABLES, a backup), a slow disk, a large transaction. galley drain " + n.Addr + " takes the reads off it; SET GLOBAL wsrep_desync=ON there ends the pauses.",
		})
	}
	return all
}

// pauses is for which part of the last time a node was paused, and whether it has asked for a pause then.
func pauses(samples []cluster.Sample) (paused float64, asked bool) {
	if len(samples) == 0 {
		return 0, false
	}
	from := samples[len(samples)-1].At.Add(-pauseSpan)
	n := 0
	for i := len(samples) - 1; i >= 0 && samples[i].At.After(from); i-- {
		paused += samples[i].Paused
		asked = asked || samples[i].Asked
		n++
	}
	return paused / float64(n), asked
}
