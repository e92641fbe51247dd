package fpm

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"galley/balancer"
)

// Metrics are the measurements of all pools. Labels: pool is a name of the
// configuration, backend an address, result ok or a Reason, state a
// WorkerState.
type Metrics struct {
	requests *prometheus.CounterVec
	retries  *prometheus.CounterVec
	queue    *prometheus.HistogramVec
	accept   *prometheus.HistogramVec

	waiting, up, running, asking, orphans, others, workers, load, share *prometheus.Desc

	mu    sync.Mutex
	pools map[*Pool]bool
}

// NewMetrics registers the measurements.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	times := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("galley_fpm_"+name, help, append([]string{"pool"}, labels...), nil)
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "galley_fpm_requests_total", Help: "Requests by how they ended.",
		}, []string{"pool", "backend", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "galley_fpm_retries_total", Help: "Requests given to another worker, by why the one before failed.",
		}, []string{"pool", "reason"}),
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "galley_fpm_queue_seconds", Help: "Time a request waited for a worker.", Buckets: times,
		}, []string{"pool"}),
		accept: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "galley_fpm_accept_seconds", Help: "Time a backend took to give a worker.", Buckets: times,
		}, []string{"pool", "backend"}),
		waiting: of("queue_length", "Requests that wait for a worker."),
		up:      of("backend_up", "Whether the backend is given requests.", "backend"),
		running: of("backend_requests", "Requests of this galley that a worker has.", "backend"),
		asking:  of("backend_asking", "Connections on which a worker is being asked for.", "backend"),
		orphans: of("backend_orphans", "Requests whose client has gone and whose script may still run.", "backend"),
		others:  of("backend_others", "Workers busy for somebody else than this galley.", "backend"),
		workers: of("backend_workers", "Workers by what they do, from the status of php-fpm.", "backend", "state"),
		load:    of("backend_load", "Load by which the backend is chosen.", "backend"),
		share:   of("backend_share_ratio", "Part of its normal work the backend gets, 0 where it gets none.", "backend"),
		pools:   map[*Pool]bool{},
	}
	for _, part := range []prometheus.Collector{m, m.requests, m.retries, m.queue, m.accept} {
		if err := r.Register(part); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) add(p *Pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pools[p] = true
}

func (m *Metrics) remove(p *Pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pools, p)
}

// Describe sends the descriptions of what Collect collects.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.waiting, m.up, m.running, m.asking, m.orphans, m.others, m.workers, m.load, m.share} {
		out <- d
	}
}

// Collect sends what pools show of themselves.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.pools {
		s := p.Snapshot()
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{p.name}, labels...)...)
		}
		gauge(m.waiting, float64(s.Waiting))
		for i := range s.Backends {
			b := &s.Backends[i]
			up := 0.0
			if b.State == balancer.Up.String() {
				up = 1
			}
			gauge(m.up, up, b.Address)
			gauge(m.share, b.Share, b.Address)
			gauge(m.running, float64(b.Running), b.Address)
			gauge(m.asking, float64(b.Asking), b.Address)
			gauge(m.orphans, float64(b.Orphans), b.Address)
			if b.State == balancer.Down.String() {
				continue // What it last said is not so any more.
			}
			gauge(m.others, float64(b.Others), b.Address)
			gauge(m.load, b.Load, b.Address)
			for state, n := range b.WorkerStates {
				gauge(m.workers, float64(n), b.Address, string(state))
			}
		}
	}
}
