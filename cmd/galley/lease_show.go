package main

import (
	"time"

	"galley/cluster"
	"galley/proxy/admin"
)

// leasePart is the lease as the page has it.
func leasePart(s *cluster.LeaseState, now time.Time) admin.Lease {
	return admin.Lease{
		State: string(s.Word(now)), Epoch: s.Epoch, Writer: s.Writer, Target: s.Target, Holder: s.Holder, Own: s.Own, Galleys: s.Galleys(),
	}
}
