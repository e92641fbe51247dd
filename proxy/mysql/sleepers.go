package mysql

import (
	"sync"
	"time"
)

// sleepers says which sessions the sweeper looks at in a tick: all that have had a command lately, and of those that have been idle for a while the few whose turn it is. So
// thousands of idle clients cost nothing to speak of. An idle session comes back by itself with its next command. Safe for use by many goroutines.
type sleepers struct {
	mu    sync.Mutex
	awake []*session
	slots [napSlots][]nap // Of sessions asleep, by the tick of their next look.
	swept int64           // The tick up to which slots have been looked at.
}

// nap is a session asleep, if it still is, and in the same sleep.
type nap struct {
	*session
	seq uint32
}

const (
	// sleepAfter is how long a session is idle before it is not looked at in each tick any more.
	sleepAfter = 2 * time.Second
	napSlots   = 64
)

// The sweeper looks at an idle session every idleLook at least, before its slot comes round again.
const _ = uint(napSlots - int(idleLook/sweepTick) - 2)

// add has s looked at in each tick.
func (l *sleepers) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := &s.shown.swept; !w.left && !w.listed {
		w.listed, w.at = true, len(l.awake)
		l.awake = append(l.awake, s)
	}
}

// leave takes out s, which has ended.
func (l *sleepers) leave(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.shown.swept.left = true
	s.shown.swept.asleep.Store(false)
	l.unlist(s)
}

func (l *sleepers) unlist(s *session) {
	w := &s.shown.swept
	if !w.listed {
		return
	}
	last := len(l.awake) - 1
	moved := l.awake[last]
	l.awake[w.at], moved.shown.swept.at = moved, w.at
	l.awake[last] = nil
	l.awake = l.awake[:last]
	w.listed = false
}

// stir wakes s if it is asleep: it has a command.
func (l *sleepers) stir(s *session) {
	if a := &s.shown.swept.asleep; a.Load() && a.CompareAndSwap(true, false) {
		l.add(s)
	}
}

// due appends the sessions that are to be looked at now.
func (l *sleepers) due(all []*session, now time.Time) []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = append(all, l.awake...)
	tick := now.UnixNano() / int64(sweepTick)
	for t := max(l.swept+1, tick-napSlots+1); t <= tick; t++ {
		slot := &l.slots[t%napSlots]
		for i, n := range *slot {
			if n.shown.swept.asleep.Load() && n.shown.swept.seq == n.seq {
				all = append(all, n.session)
			}
			(*slot)[i] = nap{}
		}
		*slot = (*slot)[:0]
	}
	l.swept = max(l.swept, tick)
	return all
}

// rest lets s sleep until its next look, if it has been idle for long enough. Only the sweeper calls it, after its look.
func (l *sleepers) rest(s *session, now time.Time) {
	w := &s.shown.swept
	doing := w.seen.Load()
	switch asleep := w.asleep.Load(); {
	case byte(doing) != 0, w.next <= now.UnixNano():
		if asleep {
			l.stir(s)
		}
		return
	case !asleep && now.UnixNano()-w.since.Load() < int64(sleepAfter):
		return
	}
	l.lay(s, w.next)
	if s.shown.busy.now.Load() != doing {
		l.stir(s) // It may have looked before it was asleep.
	}
}

// lay puts s into the slot of the time next.
func (l *sleepers) lay(s *session, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &s.shown.swept
	if w.left || !w.listed && !w.asleep.Load() {
		return // It has ended, or is on its way back.
	}
	l.unlist(s)
	w.seq++
	w.asleep.Store(true)
	t := max((next+int64(sweepTick)-1)/int64(sweepTick), l.swept+1)
	slot := &l.slots[t%napSlots]
	*slot = append(*slot, nap{s, w.seq})
}
