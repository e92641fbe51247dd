package fpm

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"galley/proxy/web/fcgi/fcgitest"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	peer := fcgitest.Start(t, fcgitest.Options{}, page("hi"))
	p := run(t, Options{Config: settings(peer.Addr()), Metrics: metrics})
	until(t, "it is up", p.allUp)
	if _, _, err := do(t.Context(), p, &Request{}); err != nil {
		t.Fatal(err)
	}
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"galley_fpm_requests_total": 1, "galley_fpm_queue_seconds": 1, "galley_fpm_accept_seconds": 1, "galley_fpm_backend_up": 1, "galley_fpm_queue_length": 0,
		"galley_fpm_backend_share_ratio": 1, "galley_fpm_backend_requests": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
	peer.Stop()
	until(t, "it is down", func() bool { return gathered(t, registry)["galley_fpm_backend_up"] == 0 })
	got = gathered(t, registry)
	if share := got["galley_fpm_backend_share_ratio"]; share != 0 {
		t.Errorf("a backend that is down has a share of %v", share)
	}
	if load, ok := got["galley_fpm_backend_load"]; ok {
		t.Errorf("a backend that is down has a load of %v", load)
	}
}

// gathered sums each metric over its labels.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				got[f.GetName()] += m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				got[f.GetName()] += m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				got[f.GetName()] += float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return got
}
