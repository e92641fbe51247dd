package fpm

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"galley/balancer"
	"galley/config"
)

const (
	// maxProbes is how many connections a backend may be asked on at a time for a worker. Few, so that several galleys do not fill its backlog, whose
	// places are lost for those that die there; more than one, so that a worker that becomes free finds the next request already asking.
	maxProbes = 4
	// minPatience and maxPatience bound how long one backend is waited for before a second one is asked as well.
	minPatience = 2 * time.Millisecond
	maxPatience = 20 * time.Millisecond
	// statusAge is how long a status is believed.
	statusAge = 3 * time.Second
	// firstShare is the part of its work that a backend gets when it has just been started and its opcache is cold.
	firstShare = 0.1
)

// Why a backend is as it is, from a closed list.
const (
	reasonOK         = "ok"
	reasonUnchecked  = "unchecked"   // nobody has looked yet
	reasonFull       = "full"        // lives, and all workers are busy
	reasonSlowStart  = "slow_start"  // was started not long ago
	reasonSpare      = "spare"       // lives, and so does one of a better priority
	reasonDrained    = "drained"     // an operator's word
	reasonRefused    = "refused"     // takes no connections
	reasonClosed     = "closed"      // takes connections and closes them
	reasonSilent     = "silent"      // takes connections, and nothing there moves
	reasonNotFastCGI = "not_fastcgi" // answers something else
)

// mode is what a backend does with GET_VALUES.
type mode int32

const (
	modeUnknown mode = iota
	modeAsks         // PHP from 8.2 on: answers and keeps the connection
	modeOld          // closes after the answer, so that it cannot be asked
)

// member is one backend of a pool.
type member struct {
	*balancer.Backend
	network, dial string // for net.Dial
	config        config.FPMBackend
	source        string // the configured address it comes from
	level         int    // of its SRV record: how many better priorities the source has
	statusDial    string // address for the status, empty for the backend's own
	checker       atomic.Pointer[balancer.Checker]
	cancel        func()
	interval      time.Duration // of its looks
	accept        prometheus.Observer
	answered      prometheus.Counter

	mode    atomic.Int32
	running atomic.Int64 // requests that a worker has
	orphans atomic.Int64 // of them those whose client has gone
	life    atomic.Int64 // when a worker last gave a sign of life, Unix nanoseconds
	served  atomic.Int64
	failed  atomic.Int64
	reused  atomic.Int64 // of served those on a connection that had another one before

	keepBroke atomic.Int32 // connections in a row that were closed when they were used again
	keepNot   atomic.Int64 // until when none is used again, Unix nanoseconds

	// What follows is guarded by Pool.mu.
	probes    map[*probe]bool
	late      int // probes that were not answered in time
	notBefore time.Time
	backoff   time.Duration
	refused   int // dials in a row
	silent    int // looks in a row that nobody answered
	reason    string
	lastError string
	learned   int // the most workers seen
	status    *status
	statusAt  time.Time
	asked     int // workers that were busy with that status itself
	others    int
	started   time.Time // of slow start; zero where there is none
	accepts   samples
}

// newMember makes a member that is down until somebody has looked at it.
func newMember(address, source string, b config.FPMBackend) *member {
	m := &member{
		Backend: balancer.NewBackend(address, b.Weight), config: b, source: source, probes: map[*probe]bool{}, reason: reasonUnchecked,
	}
	m.network, m.dial = split(address)
	return m
}

// split makes of an address what net.Dial takes.
func split(address string) (network, dial string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// alive notes that a worker has answered something.
func (m *member) alive() { m.life.Store(time.Now().UnixNano()) }

// trigger asks for a look at once.
func (m *member) trigger() { m.checker.Load().Trigger() }

// workers is how many the backend has, as far as anybody knows; 0 is unknown.
func (m *member) workers() int {
	if m.config.Workers > 0 {
		return m.config.Workers
	}
	return m.learned
}

// patience is how long a worker is waited for before another backend is asked too.
func (m *member) patience() time.Duration {
	return min(max(m.accepts.p95, minPatience), maxPatience)
}

// weigh sets weight, limit and load from what is known. usual is the number of workers where it is unknown.
func (m *member) weigh(usual int, now time.Time) {
	workers := m.workers()
	if workers == 0 {
		workers = max(usual, 1)
	}
	m.SetWeight(m.config.Weight * workers)
	limit := m.config.Limit
	if mode(m.mode.Load()) == modeOld && m.workers() > 0 && (limit == 0 || limit > m.workers()) {
		limit = m.workers() // more would wait in the backlog, where they cannot be cancelled
	}
	m.SetLimit(limit)
	others := m.others
	if now.Sub(m.statusAt) > statusAge {
		others = 0
	}
	m.SetReported(float64(others + m.late))
}

// ramp sets the share for a slow start that takes so long.
func (m *member) ramp(length time.Duration, now time.Time) {
	m.SetShare(share(m.started, length, now))
	if m.Share() == 1 {
		m.started = time.Time{}
	}
}

// share grows from firstShare to 1 in the time of a slow start.
func share(started time.Time, length time.Duration, now time.Time) float64 {
	if started.IsZero() || length <= 0 {
		return 1
	}
	return min(max(firstShare+(1-firstShare)*float64(now.Sub(started))/float64(length), firstShare), 1)
}

// samples keep the last times that a backend took to give a worker.
type samples struct {
	last [64]time.Duration
	n    int
	p95  time.Duration
}

// add counts a time in; the quantile follows every sixteenth.
func (s *samples) add(d time.Duration) {
	s.last[s.n%len(s.last)] = d
	s.n++
	if s.n%16 == 0 {
		sorted := slices.Clone(s.last[:min(s.n, len(s.last))])
		slices.Sort(sorted)
		s.p95 = sorted[len(sorted)*95/100]
	}
}
