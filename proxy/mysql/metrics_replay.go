package mysql

import "github.com/prometheus/client_golang/prometheus"

// replayDescs describes the counters of what is run again.
type replayDescs struct{ conflicts, results, refused *prometheus.Desc }

func newReplayDescs() replayDescs {
	return replayDescs{
		conflicts: newDesc("deadlock_retries_total", "Autocommit statements run again because they were rolled back in favour of others."),
		results:   newDesc("replays_total", "Transactions run again on another node, or because they were rolled back in favour of others, by result.", "result"),
		refused:   newDesc("replays_refused_total", "Transactions that were lost and not run again, by reason.", "reason"),
	}
}

func (d *replayDescs) describe(ch chan<- *prometheus.Desc) {
	ch <- d.conflicts
	ch <- d.results
	ch <- d.refused
}

func (d *replayDescs) collect(ch chan<- prometheus.Metric, m *metrics) {
	count := func(desc *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	count(d.conflicts, m.conflicts.Load())
	for r := range replayResults {
		count(d.results, m.replays[r].Load(), r.String())
	}
	for r := hinderedNot + 1; r < hindrances; r++ {
		count(d.refused, m.refused[r].Load(), r.String())
	}
}
