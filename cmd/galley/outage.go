package main

import (
	"time"

	"galley/cluster"
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
