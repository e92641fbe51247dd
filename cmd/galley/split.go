package main

import (
	"galley/cluster"
	"galley/proxy/admin"
)

// splitProblems says that there is a second primary component.
func splitProblems(v *cluster.View) []admin.Problem {
	text := v.SplitBrain()
	if text == "" {
		return nil
	}
	return []admin.Problem{{
		Severity: admin.SeverityError, Text: "Split brain: nodes are " + text + ".",
		Do: "Both sides may have taken writes. Decide which data count, stop mariadbd on the nodes of the other side, save what only they have, and start them again so that they join (a state transfer replaces their data). To go with the other side, let most nodes of this one join it, or restart galley with only its nodes in cluster.nodes.",
	}}
}
