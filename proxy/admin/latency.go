package admin

import (
	"math"
	"slices"
	"time"
)

// latencySamples is over how many seconds a percentile is taken: one second alone is noise at a few statements a second.
const latencySamples = 5

// latencyWindow turns ever-growing histograms into percentiles of the last few seconds.
type latencyWindow struct {
	past [][]Bucket // oldest first
}

// add takes the newest histogram and returns p50 and p99, in seconds, of what was added since the oldest kept one; NaN
// when nothing was.
func (w *latencyWindow) add(now []Bucket) (p50, p99 float64) {
	p50, p99 = math.NaN(), math.NaN()
	if len(w.past) > 0 {
		if delta, ok := latencyDelta(w.past[0], now); ok {
			p50, p99 = quantile(delta, 0.50), quantile(delta, 0.99)
		}
	}
	if len(w.past) == latencySamples {
		w.past = slices.Delete(w.past, 0, 1)
	}
	w.past = append(w.past, slices.Clone(now))
	return p50, p99
}

// latencyDelta subtracts histograms; not ok when they are not the same steps or counts went back (a restart).
func latencyDelta(before, now []Bucket) ([]Bucket, bool) {
	if len(before) != len(now) {
		return nil, false
	}
	delta := make([]Bucket, len(now))
	for i, b := range now {
		if b.LE != before[i].LE || b.Count < before[i].Count {
			return nil, false
		}
		delta[i] = Bucket{LE: b.LE, Count: b.Count - before[i].Count}
	}
	return delta, true
}

// quantile estimates a quantile in seconds, linear within a step as Prometheus' histogram_quantile does. What lies
// beyond the last bound is said to be at that bound. NaN for an empty histogram.
func quantile(buckets []Bucket, q float64) float64 {
	if len(buckets) == 0 || buckets[len(buckets)-1].Count == 0 {
		return math.NaN()
	}
	rank := q * float64(buckets[len(buckets)-1].Count)
	var lower time.Duration
	var below uint64
	for _, b := range buckets {
		if b.LE <= 0 {
			break
		}
		if float64(b.Count) >= rank && b.Count > below {
			within := (rank - float64(below)) / float64(b.Count-below)
			return lower.Seconds() + within*(b.LE-lower).Seconds()
		}
		lower, below = b.LE, b.Count
	}
	return lower.Seconds()
}
