package cluster

import "github.com/prometheus/client_golang/prometheus"

// The ends of a switchover: a closed list, the label of the metric.
const (
	switchDone    = "done"
	switchForced  = "forced" // transactions were ended
	switchGivenUp = "given_up"
	switchRefused = "refused" // it was not begun
)

// switchMetrics are the measurements of switchovers.
type switchMetrics struct {
	total *prometheus.CounterVec
	held  prometheus.Histogram
}

// newSwitchMetrics registers them, if there is where.
func newSwitchMetrics(r prometheus.Registerer, s *Switcher) (*switchMetrics, error) {
	m := &switchMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "galley_switchovers_total", Help: "Switchovers, by how they ended."}, []string{"result"}),
		held: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "galley_switchover_hold_seconds", Help: "For how long writes were held at once in switchovers.",
			Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, result := range []string{switchDone, switchForced, switchGivenUp, switchRefused} {
		m.total.WithLabelValues(result)
	}
	if r == nil {
		return m, nil
	}
	active := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "galley_switchover_active", Help: "Whether a switchover is under way."}, func() float64 { return flag(s.State() != nil) })
	for _, c := range []prometheus.Collector{m.total, m.held, active} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ended counts one.
func (m *switchMetrics) ended(result string) { m.total.WithLabelValues(result).Inc() }
