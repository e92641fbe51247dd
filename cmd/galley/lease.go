package main

import (
	"strings"

	"galley/cluster"
	"galley/config"
	"galley/proxy/admin"
)

// quiet says whether nothing of this galley is under way on a node that was the writer; with soft, neither a transaction nor a pin.
func (g *galley) quiet(n *cluster.Node, soft bool) bool {
	if n.Backend.InFlight() > 0 {
		return false
	}
	if !soft {
		return true
	}
	st := g.mysql.NodeStats(n)
	return st.InTransaction == 0 && st.Pinned == 0
}

const noLease = "The monitor user may not keep a lease of the writer, so galleys cannot agree on one: only one galley may be in front of this cluster."

// leaseProblems says what is wrong with the lease.
func leaseProblems(s *cluster.LeaseState) []admin.Problem {
	switch {
	case s.Missing != nil && !s.Kept:
		return []admin.Problem{{Severity: admin.SeverityNote, Text: noLease, Do: grantLease(s.Missing)}}
	case s.Err != nil:
		return []admin.Problem{{Severity: admin.SeverityWarning, Text: "The lease of the writer cannot be confirmed: " + s.Err.Error() + ".", Do: "Writes are held meanwhile. See the nodes below, and galley's log."}}
	}
	return nil
}

func grantLease(g *cluster.LeaseGrant) string {
	return "If there is to be more than one galley, run on a node: " + strings.Join(g.Statements(), "; ") + ";"
}

// lease warns where the monitor user may not keep one; where one is required, nothing would be written.
func (r *report) lease(c *config.Config, s *sighting) {
	w := s.View.WriterNode()
	if w == nil || s.Answers[w.Addr].Lease == nil {
		return
	}
	if g := s.Answers[w.Addr].Lease; c.Cluster.Lease == config.LeaseRequired {
		r.fail(noLease, grantLease(g))
	} else {
		r.warn(noLease, grantLease(g))
	}
}
