package main

import (
	"fmt"
	"strings"

	"galley/cluster"
	"galley/proxy/admin"
)

// namedTables bounds the tables that one sentence names.
const namedTables = 20

// engineProblems says which tables are not replicated, or that galley cannot see them.
func engineProblems(set *cluster.EngineSet, state cluster.EnginesState) []admin.Problem {
	var all []admin.Problem
	if set.Any() {
		all = append(all, admin.Problem{Severity: admin.SeverityWarning, Text: unreplicated(set), Do: replicate})
	}
	if state.Err != nil {
		all = append(all, admin.Problem{Severity: admin.SeverityNote, Text: "Galley cannot ask which tables are not replicated: " + state.Err.Error() + "."})
	}
	if state.Blind != nil {
		all = append(all, admin.Problem{Severity: admin.SeverityNote, Text: blind, Do: letSee(state.Blind)})
	}
	return all
}

const (
	replicate = "ALTER TABLE … ENGINE=InnoDB, for each."
	blind     = "The monitor user may not see which tables there are. Rows of tables that are not of InnoDB are on the node that wrote them only, and a reader would not find them: " +
		"galley keeps their reads on the writer where it knows of them, which is now only what is created through this galley."
)

func letSee(g *cluster.TablesGrant) string {
	return "If there may be such tables: " + g.Grant() + "; It shows names of tables, and no rows."
}

// unreplicated names the tables, or at least their schemas.
func unreplicated(set *cluster.EngineSet) string {
	where := "schemas " + strings.Join(set.Schemas(), ", ")
	if set.Count > 0 {
		names := make([]string, 0, namedTables)
		for _, t := range set.Tables[:min(len(set.Tables), namedTables)] {
			names = append(names, t.String())
		}
		where = strings.Join(names, ", ")
		if more := set.Count - len(names); more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
	}
	return "Tables that are not of InnoDB are not replicated: their rows are on the node that wrote them only. All reads of their schemas go to the writer: " + where + "."
}
