package mysql

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBounds are the upper bounds of the statement latency histogram.
func latencyBounds() [latencyBuckets]time.Duration {
	return [latencyBuckets]time.Duration{
		50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
	}
}

const latencyBuckets = 17

// metrics counts what the door does. All of it is atomic, and what is counted for each statement is a plain addition: the histogram and the labels are made when asked for.
type metrics struct {
	statements   [routeReasons]atomic.Uint64
	reads        atomic.Uint64 // Of the statements, those that went to a reader.
	latency      [latencyBuckets + 1]atomic.Uint64
	latencySum   atomic.Int64 // Nanoseconds.
	errors       atomic.Uint64
	dialErrors   atomic.Uint64
	poolTimeouts atomic.Uint64
	notApplied   atomic.Uint64
	lostConns    atomic.Uint64
	retries      atomic.Uint64
	hidden       atomic.Uint64 // Reads by their text that would have written.
	sessions     atomic.Uint64
	closed       [closeReasons]atomic.Uint64
	waiting      atomic.Int64
	kills        [killReasons]atomic.Uint64
	bounds       [latencyBuckets]time.Duration
}

// killReason is why a KILL was sent to a node: a closed list, the label of the metric.
type killReason byte

// The reasons for a KILL.
const (
	killAsked      killReason = iota // A client has asked for it.
	killClientGone                   // The client is gone while its statement runs.
	killOvertime                     // The statement has run for longer than it may.
	killReasons
)

// String gives the reason's word.
func (r killReason) String() string {
	switch r {
	case killClientGone:
		return "client_gone"
	case killOvertime:
		return "max_execution_time"
	case killAsked, killReasons:
	}
	return "asked"
}

// statement counts one statement.
func (m *metrics) statement(r routeReason, read bool) {
	m.statements[r].Add(1)
	if read {
		m.reads.Add(1)
	}
}

// took counts the time of one statement for as many as it stands for.
func (m *metrics) took(took time.Duration, weight uint64) {
	i := 0
	for i < latencyBuckets && took > m.bounds[i] {
		i++
	}
	m.latency[i].Add(weight)
	m.latencySum.Add(int64(took) * int64(weight))
}

// Collector makes the door's metrics for Prometheus.
type collector struct {
	srv                                                                                *Server
	statements, latency, errors, sessions, opened, closed, waiting, conns, lost, dials *prometheus.Desc
	retries, hidden, kills, held, refused                                              *prometheus.Desc
}

func newCollector(srv *Server) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("galley_mysql_"+name, help, labels, nil)
	}
	return &collector{
		srv:        srv,
		statements: desc("statements_total", "Statements by the reason for which they went to their node.", "reason"),
		latency:    desc("statement_duration_seconds", "Time from a statement's arrival to the end of its answer; of reads one in eight is timed and counts for eight."),
		errors:     desc("errors_total", "ERR packets forwarded or made."),
		sessions:   desc("sessions", "Client sessions open now."),
		opened:     desc("sessions_total", "Client connections accepted."),
		closed:     desc("sessions_closed_total", "Client sessions ended, by reason.", "reason"),
		waiting:    desc("sessions_waiting", "Sessions that wait for a usable node."),
		conns:      desc("backend_conns", "Backend conns open to a node.", "node"),
		lost:       desc("backend_conns_lost_total", "Backend conns that broke while a command was under way."),
		dials:      desc("backend_dial_errors_total", "Backend conns that could not be opened."),
		retries:    desc("retries_total", "Commands run again on another node."),
		held:       desc("statements_held", "Statements that wait for their turn, because as many run as may."),
		refused:    desc("statements_refused_total", "Statements refused because their turn has not come in time."),
		kills:      desc("kills_total", "Sessions and statements killed, by reason.", "reason"),
		hidden:     desc("hidden_writes_total", "Reads by their text that a reader refused because they write, and the writer ran."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.statements, c.latency, c.errors, c.sessions, c.opened, c.closed, c.waiting, c.conns, c.lost, c.dials, c.retries, c.hidden, c.kills, c.held, c.refused} {
		ch <- d
	}
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
	count(c.hidden, m.hidden.Load())
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.sessions, float64(c.srv.sessionCount()))
	gauge(c.waiting, float64(m.waiting.Load()))
	gauge(c.held, float64(c.srv.flights.waiting.Load()))
	count(c.refused, uint64(c.srv.flights.refused.Load()))
	view := c.srv.cluster.View()
	for i := range view.Nodes {
		gauge(c.conns, float64(c.srv.conns.of(&view.Nodes[i]).len()), view.Nodes[i].Addr)
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
