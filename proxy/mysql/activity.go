package mysql

import (
	"sync/atomic"
	"time"
)

// activity says whether a session has a command under way, and which. It is another value for each command and for each wait for one, so that whoever looks now and then
// can tell one that lasts from the next. It costs the session two stores a command.
type activity struct {
	now   atomic.Uint64 // The count of commands, shifted; below it the byte of the one under way, 0 for none, activityOver.
	count uint64        // The session's own.
}

const (
	activityBits = 8
	activityMask = 1<<activityBits - 1
	// activityOver stands for a session that was ended while it waited for a command: no command has the number.
	activityOver = activityMask
)

// begin notes that a command has come. It is false where the session has been ended while it waited for one.
func (a *activity) begin(com byte) bool {
	a.count++
	return a.now.Swap(a.count<<activityBits|uint64(min(max(com, 1), activityOver-1)))&activityMask != activityOver
}

// end notes that the command is over.
func (a *activity) end() { a.now.Store(a.count << activityBits) }

// busy says whether a command is under way.
func (a *activity) busy() bool { return a.command() != 0 }

// command gives the byte of the command under way, or 0.
func (a *activity) command() byte { return byte(a.now.Load()) }

// over ends the wait for a command that was seen; it is false where one has come.
func (a *activity) over(seen uint64) bool { return a.now.CompareAndSwap(seen, seen|activityOver) }

// lasting is what the sweeper remembers of a session from one look to the next. Others may read since when it does what it does.
type lasting struct {
	seen  atomic.Uint64 // The activity.
	since atomic.Int64  // When it was first seen, in nanoseconds of time.Now.

	next    int64     // When an idle session is to be looked at again.
	stall   uint32    // The client's write that waits.
	stalled time.Time // Since when.
	dealt   uint64    // The activity whose statement has been killed.

	asleep atomic.Bool // It is not looked at in each tick. What follows is guarded by the mutex of sleepers.
	seq    uint32      // Counts its sleeps.
	at     int         // Its place among those awake, if it is listed there.
	listed bool
	left   bool
}

// runs publishes that x runs on b, and whether it only reads.
func (s *session) runs(b *backendConn, x *exchange) {
	if reads := x.reads && !x.writes; b.reads.Load() != reads {
		b.reads.Store(reads)
	}
	s.shown.running.Store(b)
}

// since is how long the session has been doing what it does, as far as that was seen.
func (s *session) since(now time.Time) time.Duration {
	if s.shown.swept.seen.Load() != s.shown.busy.now.Load() {
		return 0
	}
	return max(0, now.Sub(time.Unix(0, s.shown.swept.since.Load())))
}
