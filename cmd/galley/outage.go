package main

import (
	"fmt"
	"time"

	"galley/cluster"
	"galley/config"
	"galley/proxy/admin"
)

// outageProblems says that no node is in a primary component, and what there is to do.
func outageProblems(v *cluster.View) []admin.Problem {
	since, text := v.Outage()
	if text == "" {
		return nil
	}
	return []admin.Problem{{
		Severity: admin.SeverityError, Text: text + " It is so since " + since.UTC().Format(time.TimeOnly) + " UTC.",
		Do: "Start the nodes that are gone, or mend the network between them: the cluster is whole again as soon as most of its nodes see each other. If they cannot come back, run on the node with the newest data (wsrep_last_committed): " +
			"SET GLOBAL wsrep_provider_options='pc.bootstrap=1'; never on two sides.",
	}}
}

// linePart is who waits for a node.
func (g *galley) linePart() admin.Line {
	l, c := g.mysql.Line(), g.config().MySQL
	return admin.Line{Sessions: int64(l.Sessions), Bytes: l.Bytes, LetGo: l.LetGo, MaxSessions: int64(c.MaxWaitingForNode), MaxBytes: int64(c.MaxWaitingSize)}
}

// lineProblems says how many wait for a node.
func lineProblems(l admin.Line) []admin.Problem {
	if l.Sessions == 0 {
		return nil
	}
	text := fmt.Sprintf("%s for a node, with %.1f MiB of statements.", waiting(l.Sessions), float64(l.Bytes)/(1<<20))
	if l.LetGo > 0 {
		text += fmt.Sprintf(" Since galley started %d more got an error because too many waited.", l.LetGo)
	}
	return []admin.Problem{{
		Severity: admin.SeverityWarning, Text: text,
		Do: fmt.Sprintf("They go on in the order in which they came as soon as there is a node. At most %d may wait (mysql.max_waiting_for_node), with %s (mysql.max_waiting_for_node_size); beyond, the oldest get an error.",
			l.MaxSessions, config.Size(l.MaxBytes)),
	}}
}

func waiting(n int64) string {
	if n == 1 {
		return "1 session waits"
	}
	return fmt.Sprintf("%d sessions wait", n)
}
