package mysql

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newDesc describes one of the door's metrics.
func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("galley_mysql_"+name, help, labels, nil)
}

// collector makes the door's metrics for Prometheus.
type collector struct {
	srv                                                                                          *Server
	statements, latency, errors, sessions, opened, closed, waiting, lost, dials                  *prometheus.Desc
	retries, hidden, kills, held, refused, pinned, pins, gated, degraded, line, lineBytes, letGo *prometheus.Desc
	pools                                                                                        poolDescs
	replays                                                                                      replayDescs
	causal                                                                                       causalDescs
}

func newCollector(srv *Server) *collector {
	desc := newDesc
	return &collector{
		srv:        srv,
		statements: desc("statements_total", "Statements by the reason for which they went to their node.", "reason"),
		latency:    desc("statement_duration_seconds", "Time from a statement's arrival to the end of its answer; of reads one in eight is timed and counts for eight."),
		errors:     desc("errors_total", "ERR packets forwarded or made."),
		sessions:   desc("sessions", "Client sessions open now."),
		opened:     desc("sessions_total", "Client connections accepted."),
		closed:     desc("sessions_closed_total", "Client sessions ended, by reason.", "reason"),
		waiting:    desc("sessions_waiting", "Sessions that wait for a usable node."),
		lost:       desc("backend_conns_lost_total", "Backend conns that broke while a command was under way."),
		dials:      desc("backend_dial_errors_total", "Backend conns that could not be opened."),
		retries:    desc("retries_total", "Commands run again on another node."),
		gated:      desc("statements_held_by_switchovers_total", "Transactions and writes that had to wait for a switchover, or for transactions that are run again, before they began."),
		line:       desc("waiting_for_node", "Statements and logins that stand in the line for a usable node."),
		lineBytes:  desc("waiting_for_node_bytes", "Bytes of the statements that stand in that line."),
		letGo:      desc("waiting_let_go_total", "Statements and logins that got an error because too much waited for a node."),
		degraded:   desc("statements_refused_degraded_total", "Statements refused at once because there was no primary component and only reads were answered (cluster.degraded)."),
		held:       desc("statements_held", "Statements that wait for their turn, because as many run as may."),
		refused:    desc("statements_refused_total", "Statements refused because their turn has not come in time."),
		kills:      desc("kills_total", "Sessions and statements killed, by reason.", "reason"),
		pinned:     desc("sessions_pinned", "Sessions that cannot leave their backend conn, by reason; one may have several.", "reason"),
		pins:       desc("pins_total", "Times that a session became pinned to its backend conn, by reason.", "reason"),
		pools:      newPoolDescs(),
		replays:    newReplayDescs(),
		causal:     newCausalDescs(),
		hidden:     desc("hidden_writes_total", "Reads by their text that a reader refused because they write, and the writer ran."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.statements, c.latency, c.errors, c.sessions, c.opened, c.closed, c.waiting, c.lost, c.dials, c.retries, c.hidden, c.kills, c.held, c.refused, c.pinned, c.pins, c.gated, c.degraded, c.line, c.lineBytes, c.letGo} {
		ch <- d
	}
	c.pools.describe(ch)
	c.replays.describe(ch)
	c.causal.describe(ch)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	m := &c.srv.metrics
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for r := range routeReasons {
		count(c.statements, m.statements[r].Load(), r.String())
	}
	for r := range closeReasons {
		count(c.closed, m.closed[r].Load(), r.String())
	}
	for r := range killReasons {
		count(c.kills, m.kills[r].Load(), r.String())
	}
	count(c.errors, m.errors.Load())
	count(c.opened, m.sessions.Load())
	count(c.lost, m.lostConns.Load())
	count(c.dials, m.dialErrors.Load())
	count(c.retries, m.retries.Load())
	c.replays.collect(ch, m)
	count(c.gated, m.gated.Load())
	count(c.degraded, m.degraded.Load())
	count(c.hidden, m.hidden.Load())
	c.causal.collect(ch, &c.srv.index)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.sessions, float64(c.srv.sessionCount()))
	gauge(c.waiting, float64(m.waiting.Load()))
	standing := c.srv.Line()
	gauge(c.line, float64(standing.Sessions))
	gauge(c.lineBytes, float64(standing.Bytes))
	count(c.letGo, standing.LetGo)
	gauge(c.held, float64(c.srv.flights.waiting.Load()))
	count(c.refused, uint64(c.srv.flights.refused.Load()))
	pinned := c.srv.pinned()
	for i, name := range pinNames() {
		gauge(c.pinned, float64(pinned[i]), name)
		count(c.pins, m.pins[i].Load(), name)
	}
	view := c.srv.cluster.View()
	for i := range view.Nodes {
		stats := c.srv.NodeStats(&view.Nodes[i])
		c.pools.collect(ch, view.Nodes[i].Addr, &stats)
		c.causal.ofNode(ch, view.Nodes[i].Addr, &stats)
	}
	buckets := map[float64]uint64{}
	total := uint64(0)
	for i, bound := range m.bounds {
		total += m.latency[i].Load()
		buckets[bound.Seconds()] = total
	}
	total += m.latency[latencyBuckets].Load()
	ch <- prometheus.MustNewConstHistogram(c.latency, total, time.Duration(m.latencySum.Load()).Seconds(), buckets)
}
