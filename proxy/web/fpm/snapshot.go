package fpm

import (
	"maps"
	"slices"
	"strings"
	"time"

	"galley/balancer"
)

// Snapshot is a pool as it is at one moment, for the status page.
type Snapshot struct {
	Name string
	// Waiting is the requests without a worker, WaitingOf the same by site.
	Waiting   int
	WaitingOf map[string]int
	// LongestWait is of the request that has waited for longest; QueueLength and QueueTime are what a queue and a wait may come to.
	LongestWait time.Duration
	QueueLength int
	QueueTime   time.Duration
	// Given is how many times a request was given a worker, Waited how long they have waited for it in all.
	Given  int64
	Waited time.Duration
	// Failed counts requests without a whole answer by why; LastRefused is when one last got no worker.
	Failed      map[Reason]int64
	LastRefused time.Time
	// Took is how long a request takes, a moving mean.
	Took     time.Duration
	Backends []BackendSnapshot
	// Unresolved are names that cannot be looked up, and why.
	Unresolved map[string]string
}

// BackendSnapshot is one backend of a pool.
type BackendSnapshot struct {
	Address string
	// Source is the configured address that it comes from.
	Source string
	// State is up, down or draining; Reason why, from a closed list.
	State, Reason string
	// LastError is of the last look, empty where that was good.
	LastError string
	Weight    int
	Limit     int
	// Share is the part of its normal work it gets, less than 1 in a slow start, 0 where it gets none.
	Share float64
	// Running is requests that a worker has, Asking those that ask for one; Orphans are of Running, without a client.
	Running, Asking, Orphans int
	// Others is workers busy for somebody else.
	Others int
	// Load is by what it is chosen.
	Load float64
	// Workers is how many it has, 0 for unknown; WorkerStates what they do, by the last status, nil without one.
	Workers      int
	WorkerStates map[WorkerState]int
	// ListenQueue is its backlog (always 0 on unix sockets).
	ListenQueue int
	Started     time.Time
	// Accept is how long 95 of 100 requests wait for its worker.
	Accept time.Duration
	// Asks says that it answers GET_VALUES and keeps the connection (PHP 8.2 and later).
	Asks           bool
	Served, Failed int64
	// Reused is how many of Served came on the connection of a request before.
	Reused int64
}

// Snapshot gives the pool as it is.
func (p *Pool) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	settings := p.settings()
	s := Snapshot{
		QueueLength: settings.QueueLength, QueueTime: settings.QueueTime, Given: p.given.Load(), Waited: time.Duration(p.waitedFor.Load()),
		Failed: maps.Clone(p.endings), LastRefused: p.refusedAt,
		Name: p.name, Waiting: p.queue.n, WaitingOf: map[string]int{}, Took: time.Duration(p.took.Load()), Unresolved: maps.Clone(p.resolveErrors),
	}
	for site, l := range p.queue.lines {
		s.WaitingOf[site] = l.waiters.Len()
		if first, ok := l.waiters.Front().Value.(*waiter); ok {
			s.LongestWait = max(s.LongestWait, time.Since(first.since))
		}
	}
	for _, b := range p.backends.Backends() {
		if m := p.members[b]; m != nil {
			shown := m.snapshot()
			switch up := m.State() == balancer.Up; {
			case !up:
				shown.Share = 0
			case p.spare(m):
				shown.Share, shown.Reason = 0, reasonSpare
			}
			s.Backends = append(s.Backends, shown)
		}
	}
	slices.SortStableFunc(s.Backends, func(a, b BackendSnapshot) int { return strings.Compare(a.Address, b.Address) })
	return s
}

// snapshot gives one member. The caller holds Pool.mu.
func (m *member) snapshot() BackendSnapshot {
	s := BackendSnapshot{
		Address: m.Addr(), Source: m.source, State: m.State().String(), Reason: m.why(), LastError: m.lastError, Weight: m.config.Weight, Limit: m.config.Limit,
		Share: m.Share(), Running: int(m.running.Load()), Asking: len(m.probes), Orphans: int(m.orphans.Load()), Others: m.others, Load: m.Load(),
		Workers: m.workers(), Accept: m.accepts.p95, Asks: mode(m.mode.Load()) == modeAsks, Served: m.served.Load(), Failed: m.failed.Load(),
		Reused: m.reused.Load(),
	}
	if m.status != nil {
		s.Started = m.status.Started
		if time.Since(m.statusAt) <= max(statusAge, 3*m.interval) { // What is older says nothing of now.
			s.WorkerStates, s.ListenQueue = atWork(m.status, m.asked), m.status.ListenQueue
		}
	}
	return s
}

// atWork is what the workers do, where asked of them were busy with the status itself.
func atWork(s *status, asked int) map[WorkerState]int {
	states := maps.Clone(s.Workers)
	if n := min(asked, states[WorkerRunning]); n > 0 {
		states[WorkerRunning] -= n
		states[WorkerIdle] += n
	}
	return states
}

// why is the reason that fits the state.
func (m *member) why() string {
	switch m.State() {
	case balancer.Draining:
		return reasonDrained
	case balancer.Up:
		if m.Share() < 1 && m.reason != reasonFull {
			return reasonSlowStart
		}
	case balancer.Down:
	}
	return m.reason
}
