package cluster

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the cluster's measurements. What a view says is collected from
// the view when it is asked for; only what is counted is kept here. Labels:
// node is an address in the view; role, state and reason are closed lists.
type metrics struct {
	monitor       *Monitor
	lease         leaseMetrics
	writerChanges *prometheus.CounterVec
	probeSeconds  *prometheus.HistogramVec
	probeErrors   *prometheus.CounterVec

	size, confID, version, hasWriter, splitBrain, degraded                      *prometheus.Desc
	reason, role, grade, up, share, load, inFlight, recvQueue                   *prometheus.Desc
	sendQueue, paused, asked, running, connected, maxConnections, lastCommitted *prometheus.Desc
}

// newMetrics registers the cluster's measurements, if there is where.
func newMetrics(r prometheus.Registerer, m *Monitor) (*metrics, error) {
	perNode := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("galley_node_"+name, help, append([]string{"node"}, more...), nil)
	}
	plain := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("galley_"+name, help, nil, nil) }
	c := &metrics{
		monitor: m,
		lease:   newLeaseMetrics(),
		writerChanges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "galley_writer_changes_total", Help: "Changes of the writer, by why the old one was left.",
		}, []string{"reason"}),
		probeSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "galley_probe_duration_seconds", Help: "Time a node took to answer a probe.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"node"}),
		probeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "galley_probe_errors_total", Help: "Probes without a good answer, by reason.",
		}, []string{"node", "reason"}),
		size:           plain("cluster_size", "Members of the view that the nodes agree on, arbitrators included."),
		confID:         plain("cluster_conf_id", "Number of the view that the nodes agree on, -1 when there is none."),
		version:        plain("view_version", "Changes of galley's view since it started."),
		hasWriter:      plain("cluster_has_writer", "Whether there is a writer."),
		splitBrain:     plain("cluster_split_brain", "Whether a node is in another primary component than the one galley goes by."),
		degraded:       plain("cluster_degraded", "Whether there is no primary component and nodes are read outside of one (cluster.degraded)."),
		reason:         perNode("state", "1 for the reason why the node has the use it has.", "reason"),
		role:           perNode("role", "1 for the role of the node.", "role"),
		grade:          perNode("grade", "How good the node is for a role: 0 never, 1 last resort, 2 usable.", "role"),
		up:             perNode("up", "Whether the node may be used for anything."),
		share:          perNode("read_share_ratio", "Part of its normal reads the node gets, by its receive queue; 0 where it gets none."),
		load:           perNode("load", "Load by which reads are spread."),
		inFlight:       perNode("statements_in_flight", "Statements of this galley running on the node."),
		recvQueue:      perNode("recv_queue_length", "Write sets the node has received and not applied."),
		sendQueue:      perNode("send_queue_length", "Write sets the node has not sent."),
		paused:         perNode("flow_control_paused_seconds_total", "Time the node was paused by flow control since galley started."),
		asked:          perNode("flow_control_asked_total", "Pauses of the cluster that the node has asked for since galley started."),
		running:        perNode("threads_running", "Threads_running of the node."),
		connected:      perNode("threads_connected", "Threads_connected of the node."),
		maxConnections: perNode("max_connections", "max_connections of the node."),
		lastCommitted:  perNode("last_committed", "wsrep_last_committed of the node."),
	}
	if r == nil {
		return c, nil
	}
	for _, part := range []prometheus.Collector{c, c.writerChanges, c.probeSeconds, c.probeErrors} {
		if err := r.Register(part); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Describe sends the descriptions of what Collect collects.
func (c *metrics) Describe(out chan<- *prometheus.Desc) {
	c.lease.describe(out)
	for _, d := range []*prometheus.Desc{
		c.size, c.confID, c.version, c.hasWriter, c.splitBrain, c.degraded, c.reason, c.role, c.grade, c.up, c.share, c.load, c.inFlight, c.recvQueue,
		c.sendQueue, c.paused, c.asked, c.running, c.connected, c.maxConnections, c.lastCommitted,
	} {
		out <- d
	}
}

// Collect reads the newest view.
func (c *metrics) Collect(out chan<- prometheus.Metric) {
	v := c.monitor.View()
	c.lease.collect(c.monitor.lease, out)
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	send(c.size, float64(v.Size))
	send(c.confID, float64(v.ConfID))
	send(c.version, float64(v.Version))
	send(c.hasWriter, flag(v.Writer >= 0))
	send(c.splitBrain, flag(len(v.Apart()) > 0))
	send(c.degraded, flag(v.Degraded))
	for i := range v.Nodes {
		n, s := &v.Nodes[i], &v.Nodes[i].Status
		for _, r := range AllReasons() {
			send(c.reason, flag(r == n.Reason), n.Addr, r.String())
		}
		for _, r := range []Role{RoleNone, RoleReader, RoleWriter} {
			send(c.role, flag(r == n.Role), n.Addr, r.String())
		}
		send(c.grade, float64(n.WriteGrade), n.Addr, RoleWriter.String())
		send(c.grade, float64(n.ReadGrade), n.Addr, RoleReader.String())
		send(c.up, flag(n.usable()), n.Addr)
		share := 0.0 // Whatever its queue was when it last told.
		if slices.Contains(v.Readers, i) {
			share = n.Share
		}
		send(c.share, share, n.Addr)
		send(c.inFlight, float64(n.Backend.InFlight()), n.Addr)
		c.monitor.mu.Lock()
		paused, asked := c.monitor.past.paused(n.Addr), c.monitor.past.asked(n.Addr)
		c.monitor.mu.Unlock()
		out <- prometheus.MustNewConstMetric(c.paused, prometheus.CounterValue, paused.Seconds(), n.Addr)
		out <- prometheus.MustNewConstMetric(c.asked, prometheus.CounterValue, float64(asked), n.Addr)
		if n.stale {
			continue
		}
		send(c.load, n.Backend.Load(), n.Addr)
		send(c.recvQueue, float64(s.RecvQueue), n.Addr)
		send(c.sendQueue, float64(s.SendQueue), n.Addr)
		send(c.running, float64(s.ThreadsRunning), n.Addr)
		send(c.connected, float64(s.ThreadsConnected), n.Addr)
		send(c.maxConnections, float64(s.MaxConnections), n.Addr)
		send(c.lastCommitted, float64(s.LastApplied), n.Addr)
	}
}

// flag is a truth value as a number.
func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// probed counts one probe.
func (c *metrics) probed(addr string, took time.Duration, r Reason) {
	if r == OK {
		c.probeSeconds.WithLabelValues(addr).Observe(took.Seconds())
		return
	}
	c.probeErrors.WithLabelValues(addr, r.String()).Inc()
}

// count counts changes of the writer.
func (c *metrics) count(events []Event) {
	for _, e := range events {
		if e.Kind == EventWriterChanged && e.Was != "" {
			c.writerChanges.WithLabelValues(e.From.String()).Inc()
		}
	}
}

// forget drops what is counted of a node that is gone.
func (c *metrics) forget(addr string) {
	c.probeSeconds.DeleteLabelValues(addr)
	c.probeErrors.DeletePartialMatch(prometheus.Labels{"node": addr})
}
