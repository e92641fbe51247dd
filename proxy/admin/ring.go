package admin

import "math"

// historyLen is how many samples the page looks back: five minutes at one a second.
const historyLen = 300

// ring holds the last historyLen samples of one figure; NaN where there was none. All rings of a history are pushed
// together, so that the same position is the same second. Not safe for use from several goroutines.
type ring struct {
	values [historyLen]float32
	next   int
}

func newRing() *ring {
	r := &ring{}
	r.skip(historyLen)
	return r
}

func (r *ring) push(v float64) {
	r.values[r.next] = float32(v)
	r.next = (r.next + 1) % historyLen
}

// skip pushes n seconds without a sample.
func (r *ring) skip(n int) {
	for range min(n, historyLen) {
		r.push(math.NaN())
	}
}

// series copies the samples out, oldest first.
func (r *ring) series() []float32 {
	out := make([]float32, 0, historyLen)
	out = append(out, r.values[r.next:]...)
	return append(out, r.values[:r.next]...)
}

func (r *ring) last() float64 {
	return float64(r.values[(r.next+historyLen-1)%historyLen])
}
