package cluster

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LeaseWord is how the lease is doing, in one word. The list is closed.
type LeaseWord string

// The words.
const (
	LeaseIsOff      LeaseWord = "off"      // by the configuration: galley decides alone
	LeaseIsMissing  LeaseWord = "missing"  // for want of a grant
	LeaseIsStarting LeaseWord = "starting" // not read yet
	LeaseIsKept     LeaseWord = "kept"
	LeaseIsMoving   LeaseWord = "moving"  // the writer moves to another node
	LeaseIsStalled  LeaseWord = "stalled" // its term has passed without a confirmation: nothing is written
)

// Word says how the lease is doing at a moment.
func (s *LeaseState) Word(now time.Time) LeaseWord {
	switch {
	case s.Off:
		return LeaseIsOff
	case !s.Kept && s.Missing != nil:
		return LeaseIsMissing
	case !s.Kept:
		return LeaseIsStarting
	case s.Target != "":
		return LeaseIsMoving
	case !now.Before(s.Until):
		return LeaseIsStalled
	}
	return LeaseIsKept
}

// Galleys is how many galleys are known to be in front of the cluster, this
// one among them; 0 where nobody can tell.
func (s *LeaseState) Galleys() int {
	if !s.Kept {
		return 0
	}
	return s.Peers + 1
}

// leaseMetrics are the lease's measurements, collected from its state.
type leaseMetrics struct{ kept, epoch, galleys *prometheus.Desc }

func newLeaseMetrics() leaseMetrics {
	plain := func(name, text string) *prometheus.Desc {
		return prometheus.NewDesc("galley_lease_"+name, text, nil, nil)
	}
	return leaseMetrics{
		kept:    plain("kept", "Whether the lease of the writer is kept: confirmed within its term, and not on its way to another node."),
		epoch:   plain("epoch", "Epoch of the lease of the writer: grows with each begin and end of a move."),
		galleys: plain("galleys", "Galleys in front of the cluster, this one among them; 0 without a lease."),
	}
}

// describe sends the descriptions.
func (m leaseMetrics) describe(out chan<- *prometheus.Desc) {
	out <- m.kept
	out <- m.epoch
	out <- m.galleys
}

// collect reads the lease, if there is one.
func (m leaseMetrics) collect(l *Lease, out chan<- prometheus.Metric) {
	var s LeaseState
	if l != nil {
		s = l.State()
	}
	send := func(d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	send(m.kept, flag(s.Word(time.Now()) == LeaseIsKept))
	send(m.epoch, float64(s.Epoch))
	send(m.galleys, float64(s.Galleys()))
}
