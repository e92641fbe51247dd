package mysql

import "github.com/prometheus/client_golang/prometheus"

// poolMetric is one figure of a node's conns, for Prometheus.
type poolMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(n *NodeStats) float64
}

// poolDescs are all of them.
type poolDescs []poolMetric

func newPoolDescs() poolDescs {
	gauge := func(name, help string, value func(n *NodeStats) float64) poolMetric {
		return poolMetric{newDesc(name, help, "node"), prometheus.GaugeValue, value}
	}
	counter := func(name, help string, value func(n *NodeStats) float64) poolMetric {
		return poolMetric{newDesc(name, help, "node"), prometheus.CounterValue, value}
	}
	return poolDescs{
		gauge("backend_conns", "Backend conns open to a node.", func(n *NodeStats) float64 { return float64(n.Open) }),
		gauge("backend_conns_idle", "Backend conns open to a node that no session has.", func(n *NodeStats) float64 { return float64(n.Idle) }),
		gauge("backend_conns_in_use", "Backend conns to a node that sessions have.", func(n *NodeStats) float64 { return float64(n.InUse()) }),
		gauge("backend_conns_limit", "Backend conns to a node that there may be.", func(n *NodeStats) float64 { return float64(n.Limit) }),
		gauge("sessions_waiting_for_conn", "Sessions that wait for a backend conn to a node.", func(n *NodeStats) float64 { return float64(n.Waiting) }),
		gauge("longest_conn_wait_seconds", "How long the session that is next for a backend conn to a node has waited.", func(n *NodeStats) float64 { return n.Longest.Seconds() }),
		counter("conn_waits_total", "Times that a session had to wait for a backend conn to a node.", func(n *NodeStats) float64 { return float64(n.Waits) }),
		counter("conn_wait_seconds_total", "How long sessions have waited for backend conns to a node, all together.", func(n *NodeStats) float64 { return n.Waited.Seconds() }),
		counter("conn_timeouts_total", "Statements that got no backend conn to a node in time, or found too many waiting.", func(n *NodeStats) float64 { return float64(n.Timeouts) }),
		counter("backend_conns_opened_total", "Backend conns opened to a node.", func(n *NodeStats) float64 { return float64(n.Opened) }),
		counter("backend_conns_reset_total", "Times that a backend conn to a node was reset for a session.", func(n *NodeStats) float64 { return float64(n.Resets) }),
		counter("backend_conns_moved_total", "Times that a backend conn to a node went from one session to another.", func(n *NodeStats) float64 { return float64(n.Moved) }),
		counter("rescues_total", "Times that user variables, insert ids or warnings were read off a backend conn because it left their session.", func(n *NodeStats) float64 { return float64(n.Rescues) }),
		counter("rescues_lost_total", "Times that what a session had left on a backend conn could not be read.", func(n *NodeStats) float64 { return float64(n.RescuesLost) }),
		counter("apply_waits_total", "Statements that waited for a node to apply what was written before.", func(n *NodeStats) float64 { return float64(n.ApplyWaits) }),
		counter("apply_wait_seconds_total", "How long statements have waited for a node to apply, all together.", func(n *NodeStats) float64 { return n.ApplyWaited.Seconds() }),
		counter("apply_batches_total", "Questions to a node whether it has applied all that the cluster has committed, each for all statements that waited then.", func(n *NodeStats) float64 { return float64(n.ApplyBatches) }),
		counter("apply_number_batches_total", "Waits for a node to apply up to a write's number, because the group was slow to answer, or refused to.", func(n *NodeStats) float64 { return float64(n.ApplyByNumber) }),
		counter("apply_waits_given_up_total", "Statements that went elsewhere or failed because a node had not applied in time.", func(n *NodeStats) float64 { return float64(n.ApplyGivenUp) }),
	}
}

// describe gives the descriptions.
func (d poolDescs) describe(ch chan<- *prometheus.Desc) {
	for i := range d {
		ch <- d[i].desc
	}
}

// collect gives the figures of one node.
func (d poolDescs) collect(ch chan<- prometheus.Metric, node string, n *NodeStats) {
	for i := range d {
		ch <- prometheus.MustNewConstMetric(d[i].desc, d[i].kind, d[i].value(n), node)
	}
}
