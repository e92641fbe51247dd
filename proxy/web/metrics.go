package web

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"galley/proxy/web/site"
)

// metrics are what is counted of all sites.
type metrics struct {
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	refused  prometheus.Counter
	reasons  *prometheus.CounterVec

	turnedAway, unknown atomic.Int64 // What refused and requests of other have, for Snapshot.
}

// siteCount is the part of the metrics that is a site's own, looked up once.
type siteCount struct {
	name    string
	classes [6]prometheus.Counter
	totals  [6]atomic.Int64
	bytes   prometheus.Counter
	file    prometheus.Observer
	script  prometheus.Observer
	running atomic.Int64

	sent                   atomic.Int64
	fileTimes, scriptTimes times
}

func newMetrics(s *Server, registerer prometheus.Registerer) (*metrics, error) {
	buckets := bounds()
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "galley_web_requests_total", Help: "Requests by site and class of status (other: before a site was found)."}, []string{"site", "class"}),
		times: prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: "galley_web_request_seconds", Help: "Time from a request's header to the end of its answer.", Buckets: buckets[:]}, []string{"site", "kind"}),
		bytes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "galley_web_sent_bytes_total", Help: "Bytes of bodies sent to clients."}, []string{"site"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "galley_web_connections_refused_total", Help: "Connections turned away because there were web.max_connections."}),
		reasons: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "galley_web_refusals_total", Help: "Requests not answered as asked for, by reason."}, []string{"reason"}),
	}
	if registerer == nil {
		return m, nil
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "galley_web_connections", Help: "Connections of clients."}, func() float64 { return float64(s.open.Load()) })
	cached := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "galley_web_file_cache_bytes", Help: "Memory that holds small files."}, func() float64 { return float64(s.files.Bytes()) })
	quick := prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: "galley_web_quick_answers_total", Help: "Requests that were answered where they were read, past net/http: simple ones by HTTP/1.1 without TLS."},
		func() float64 { return float64(s.quicks.answers.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.times, m.bytes, m.refused, m.reasons, open, cached, quick, newCacheMetrics(s.pages)} {
		if err := registerer.Register(c); err != nil {
			return nil, errors.Join(errors.New("registering metrics of the web tier"), err)
		}
	}
	return m, nil
}

// other is the site of requests that belong to none.
const other = "other"

// site gives the counters of a site. They go on where the site was there before.
func (m *metrics) site(name string, old *settings) *siteCount {
	if old != nil {
		for _, h := range old.all {
			if h.name == name {
				return h.count
			}
		}
	}
	c := &siteCount{
		name: name, bytes: m.bytes.WithLabelValues(name), file: m.times.WithLabelValues(name, "file"), script: m.times.WithLabelValues(name, "script"),
	}
	for i := 1; i < len(c.classes); i++ {
		c.classes[i] = m.requests.WithLabelValues(name, fmt.Sprint(i, "xx"))
	}
	return c
}

// observe counts a request.
func (m *metrics) observe(w *writer, v *visit) {
	if reason := textOf(&v.reason); reason != "" {
		m.reasons.WithLabelValues(reason).Inc()
	}
	class := min(max(w.status/100, 1), 5)
	if v.host == nil {
		m.requests.WithLabelValues(other, fmt.Sprint(class, "xx")).Inc()
		m.unknown.Add(1)
		return
	}
	c := v.host.count
	c.classes[class].Inc()
	c.totals[class].Add(1)
	if w.bytes > 0 {
		c.bytes.Add(float64(w.bytes))
		c.sent.Add(w.bytes)
	}
	took := time.Since(v.start).Seconds()
	if v.route.Action == site.Run {
		c.script.Observe(took)
		c.scriptTimes.add(took)
	} else {
		c.file.Observe(took)
		c.fileTimes.add(took)
	}
}
