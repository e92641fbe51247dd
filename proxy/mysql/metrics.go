package mysql

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper bounds of the statement latency histogram.
func latencyBounds() [latencyBuckets]time.Duration {
	return [latencyBuckets]time.Duration{
		50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
	}
}

const latencyBuckets = 17

// metrics counts what the door does. All of it is atomic, and what is counted for each statement is a plain addition: the histogram and the labels are made when asked for.
type metrics struct {
	statements [routeReasons]atomic.Uint64
	reads      atomic.Uint64 // Of the statements, those that went to a reader.
	latency    [latencyBuckets + 1]atomic.Uint64
	latencySum atomic.Int64 // Nanoseconds.
	errors     atomic.Uint64
	dialErrors atomic.Uint64
	lostConns  atomic.Uint64
	retries    atomic.Uint64
	replays    [replayResults]atomic.Uint64
	refused    [hindrances]atomic.Uint64 // Transactions that were lost and could not be run again.
	conflicts  atomic.Uint64             // Statements run again because they were rolled back in favour of others.
	hidden     atomic.Uint64             // Reads by their text that would have written.
	sessions   atomic.Uint64
	closed     [closeReasons]atomic.Uint64
	waiting    atomic.Int64
	degraded   atomic.Uint64 // Statements refused because there was no primary component.
	gated      atomic.Uint64 // Statements that the gate has held.
	kills      [killReasons]atomic.Uint64
	pins       [pinCount]atomic.Uint64
	bounds     [latencyBuckets]time.Duration
}

// killReason is why a KILL was sent to a node: a closed list, the label of the metric.
type killReason byte

// The reasons for a KILL.
const (
	killAsked      killReason = iota // A client has asked for it.
	killClientGone                   // The client is gone while its statement runs.
	killOvertime                     // The statement has run for longer than it may.
	killReasons
)

// String gives the reason's word.
func (r killReason) String() string {
	switch r {
	case killClientGone:
		return "client_gone"
	case killOvertime:
		return "max_execution_time"
	case killAsked, killReasons:
	}
	return "asked"
}

// statement counts one statement.
func (m *metrics) statement(r routeReason, read bool) {
	m.statements[r].Add(1)
	if read {
		m.reads.Add(1)
	}
}

// took counts the time of one statement for as many as it stands for.
func (m *metrics) took(took time.Duration, weight uint64) {
	i := 0
	for i < latencyBuckets && took > m.bounds[i] {
		i++
	}
	m.latency[i].Add(weight)
	m.latencySum.Add(int64(took) * int64(weight))
}

// pinned counts pins that a session has got.
func (m *metrics) pinned(p pins) {
	for i := range m.pins {
		if p&(1<<i) != 0 {
			m.pins[i].Add(1)
		}
	}
}
