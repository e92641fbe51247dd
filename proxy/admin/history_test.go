package admin

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// movingSource counts 100 queries a second, of which the latency is 2 ms, and lets the receive queue follow the clock.
type movingSource struct{ start time.Time }

func (m movingSource) Snapshot() Snapshot {
	s := healthy()
	s.At = time.Now()
	n := uint64(100 * time.Since(m.start).Seconds())
	s.MySQL.QueriesTotal = n
	s.MySQL.Latency = []Bucket{{LE: time.Millisecond, Count: 0}, {LE: 3 * time.Millisecond, Count: n}, {Count: n}}
	s.Nodes[0].RecvQueue = int64(time.Since(m.start).Seconds())
	return s
}

func TestSamplerKeepsFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.Source = movingSource{time.Now()} })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.runSampler(ctx) }()

		time.Sleep(400*time.Second + time.Millisecond)
		s.board.mu.Lock()
		h := s.board.history
		queue, rates := h.nodes["u1"].recvQueue.series(), h.queries.series()
		p50, p99 := h.p50.last(), h.p99.last()
		s.board.mu.Unlock()
		if len(queue) != historyLen || queue[0] != 101 || queue[historyLen-1] != 400 {
			t.Errorf("queue runs from %v to %v over %d samples, want 101 to 400 over %d", queue[0], queue[len(queue)-1], len(queue), historyLen)
		}
		for i, r := range rates {
			if math.Abs(float64(r)-100) > 1 {
				t.Fatalf("sample %d: %v queries a second, want 100", i, r)
			}
		}
		if p50 < 0.0019 || p50 > 0.0021 || p99 < 0.0029 || p99 > 0.003 {
			t.Errorf("p50 %v and p99 %v, want 2 ms and almost 3 ms", p50, p99)
		}
		cancel()
		<-done
	})
}

func TestHistoryGaps(t *testing.T) {
	h := newHistory()
	s := healthy()
	at := testTime
	h.add(at, s)
	if !math.IsNaN(h.queries.last()) {
		t.Errorf("a rate from one sample: %v", h.queries.last())
	}
	s.MySQL.QueriesTotal += 500
	h.add(at.Add(5*time.Second), s) // the machine slept
	got := h.queries.series()[historyLen-6:]
	for _, v := range got[:5] {
		if !math.IsNaN(float64(v)) {
			t.Errorf("a gap was filled: %v", got)
		}
	}
	if got[5] != 100 {
		t.Errorf("rate over the gap is %v, want 100", got[5])
	}
	s.MySQL.QueriesTotal = 3 // another process counts from zero
	h.add(at.Add(6*time.Second), s)
	if !math.IsNaN(h.queries.last()) {
		t.Errorf("a rate from a counter that went back: %v", h.queries.last())
	}
}

func TestHistoryOfNodesThatGo(t *testing.T) {
	h := newHistory()
	s := healthy()
	h.add(testTime, s)
	s.Nodes[1].ProbeAge = time.Minute
	h.add(testTime.Add(time.Second), s)
	if v := h.nodes["u2"].recvQueue.last(); !math.IsNaN(v) {
		t.Errorf("a node that does not answer has a queue of %v", v)
	}
	s.Nodes = s.Nodes[:1]
	for i := range historyLen {
		if len(h.nodes) != 3 {
			t.Fatalf("forgotten after %d samples", i)
		}
		h.add(testTime.Add(time.Duration(i+2)*time.Second), s)
	}
	if len(h.nodes) != 1 {
		t.Errorf("%d nodes are kept, want 1", len(h.nodes))
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := newHistory()
	s := healthy()
	for i := range 200 {
		s.Nodes = append(s.Nodes, NodeRow{ID: "x" + count(float64(i)), State: "Synced"})
	}
	h.add(testTime, s)
	if len(h.nodes) != maxNodeSeries {
		t.Errorf("%d series, want %d", len(h.nodes), maxNodeSeries)
	}
}

func TestQuantile(t *testing.T) {
	ms := time.Millisecond
	tests := map[string]struct {
		buckets []Bucket
		q, want float64
	}{
		"empty":          {nil, 0.5, math.NaN()},
		"nothing":        {[]Bucket{{ms, 0}, {0, 0}}, 0.5, math.NaN()},
		"middle":         {[]Bucket{{ms, 0}, {3 * ms, 10}, {0, 10}}, 0.5, 0.002},
		"first step":     {[]Bucket{{2 * ms, 10}, {0, 10}}, 0.5, 0.001},
		"beyond the end": {[]Bucket{{ms, 1}, {2 * ms, 1}, {0, 100}}, 0.99, 0.002},
		"over empty":     {[]Bucket{{ms, 1}, {2 * ms, 1}, {3 * ms, 2}, {0, 2}}, 0.75, 0.0025},
		"no infinity":    {[]Bucket{{ms, 4}, {2 * ms, 8}}, 1, 0.002},
	}
	for name, tt := range tests {
		got := quantile(tt.buckets, tt.q)
		if math.Abs(got-tt.want) > 1e-9 || math.IsNaN(got) != math.IsNaN(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestLatencyDeltaRefusesOtherHistograms(t *testing.T) {
	a := []Bucket{{time.Millisecond, 5}, {0, 5}}
	for name, b := range map[string][]Bucket{
		"fewer steps": {{0, 9}}, "other bounds": {{time.Second, 9}, {0, 9}}, "went back": {{time.Millisecond, 4}, {0, 9}},
	} {
		if _, ok := latencyDelta(a, b); ok {
			t.Errorf("%s: subtracted", name)
		}
	}
}
