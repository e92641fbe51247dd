package mysql

import "github.com/prometheus/client_golang/prometheus"

// causalDescs are the figures of waiting for what was written before, beside those of each node's conns.
type causalDescs struct{ fallbacks, asked, served, failed *prometheus.Desc }

func newCausalDescs() causalDescs {
	return causalDescs{
		fallbacks: newDesc("apply_fallbacks_total", "Waits for a node to apply where the write's number did not tell either, by reason.", "node", "reason"),
		asked:     newDesc("read_index_requests_total", "Times that the writer was asked which number its last write has."),
		served:    newDesc("read_index_uses_total", "Waits that went by such a number."),
		failed:    newDesc("read_index_failures_total", "Times that the writer could not say."),
	}
}

func (d *causalDescs) describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.fallbacks, d.asked, d.served, d.failed} {
		ch <- desc
	}
}

// ofNode gives the figures of one node.
func (d *causalDescs) ofNode(ch chan<- prometheus.Metric, node string, n *NodeStats) {
	for _, f := range n.Fallbacks {
		ch <- prometheus.MustNewConstMetric(d.fallbacks, prometheus.CounterValue, float64(f.N), node, f.Reason)
	}
}

// collect gives those of all.
func (d *causalDescs) collect(ch chan<- prometheus.Metric, r *readIndex) {
	for desc, v := range map[*prometheus.Desc]uint64{d.asked: r.asked.Load(), d.served: r.served.Load(), d.failed: r.failed.Load()} {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v))
	}
}
