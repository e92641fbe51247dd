package mysql

import "time"

// Where sessions wait for conns, all conns there may be need not be of use: a node with fewer statements at a time has each of them done sooner, as long as the CPU is what they wait for, and its
// caches hold what these few need. Where they wait for locks, disks, the network or other nodes, more at a time is faster. Which of both it is is tried out while sessions wait: for
// moments fewer conns are given to them, and what is served then is compared. The conns that nobody gets are idle meanwhile. Who comes when nobody waits gets any idle one.

const (
	// turnTime is the least time between two looks at what is served. Statements that have run for one or two turns are not counted: they keep nobody from a conn.
	turnTime = growAfter
	// trialArm is how many turns fewer or more conns are given at a stretch, of which the first does not count, and trialArms how many such stretches a trial has.
	trialArm, trialArms = 3, 10
	// trialLapse between two turns ends a trial without a result.
	trialLapse = 100 * time.Millisecond
	// narrowest is the least width: few enough for a node with few CPUs.
	narrowest = 12
	// A trial has shown that fewer are enough where they serve enoughServed of what more do, and that more are better where they serve less than tooFew.
	enoughServed, tooFew = 0.95, 0.85
	// Between trials that change nothing there is a while: longer each time where all conns are given, as a trial costs something there.
	pauseNarrow, pauseWide, pauseMost = 2 * time.Second, time.Second, 16 * time.Second
	// lookAhead is how many of those who wait while conns rest are looked at for one who cannot use these: there may be thousands of them.
	lookAhead = 100
	// widthLasts is how long a width is of use when nobody waits any more.
	widthLasts = 10 * time.Second
)

// width is how many conns of a node work at a time while sessions wait for one. It belongs to a connSet, whose mutex guards it.
type width struct {
	most    int // 0 for all.
	trying  bool
	few     int       // The fewer of a trial; the more are most, or above where most is as few as there may be.
	arm     int       // Counts the stretches of a trial; those with odd numbers have fewer.
	turns   int       // In the stretch.
	until   time.Time // When the next trial may begin.
	pause   time.Duration
	last    time.Time // Of the last turn.
	served  [2]uint64 // In turns that count, with more and with fewer.
	lasting [2]time.Duration
}

// now is how many conns may work now, 0 for all.
func (w *width) now() int {
	switch {
	case w.trying && w.arm%2 == 1:
		return w.few
	case w.trying && w.most == narrowest:
		return wider(narrowest)
	}
	return w.most
}

func wider(n int) int { return n * 3 / 2 }

func narrower(n int) int { return max(narrowest, n*2/3) }

// turn notes what was served since the last turn, while sessions waited all the time. Of the open conns so many work.
func (w *width) turn(now time.Time, served uint64, working, open int) {
	took := now.Sub(w.last)
	w.last = now
	if took > widthLasts {
		*w = width{last: now}
	}
	if took > trialLapse { // Nobody has waited for a while, or galley had no CPU.
		w.trying = false
	}
	if !w.trying {
		w.begin(now, working)
		return
	}
	if w.turns++; w.turns > 1 {
		w.served[w.arm%2] += served
		w.lasting[w.arm%2] += took
	}
	if w.turns == trialArm {
		w.turns = 0
		if w.arm++; w.arm == trialArms {
			w.judge(now, open)
		}
	}
}

// begin begins a trial, if it is time for one, and there are enough conns at work for it.
func (w *width) begin(now time.Time, working int) {
	more := w.most
	if more == 0 {
		more = working
	}
	if now.Before(w.until) || more < narrowest || w.most == 0 && narrower(more) == more {
		return
	}
	w.trying, w.few, w.arm, w.turns, w.served, w.lasting = true, narrower(more), 0, 0, [2]uint64{}, [2]time.Duration{}
}

// judge ends a trial.
func (w *width) judge(now time.Time, open int) {
	more := w.now() // Its last stretch was one with fewer.
	w.trying = false
	with := func(i int) float64 { return float64(w.served[i]) / max(w.lasting[i].Seconds(), 1e-9) }
	switch most, few := with(0), with(1); {
	case most > 0 && few >= enoughServed*most:
		if w.most == w.few {
			w.until = now.Add(pauseNarrow)
		}
		w.most, w.pause = w.few, 0
	case most == 0 || few < tooFew*most:
		if w.most == 0 {
			w.pause = min(max(2*w.pause, pauseWide), pauseMost)
			w.until = now.Add(w.pause)
			return
		}
		if w.most = wider(more); w.most >= open {
			w.most = 0
		}
	default:
		w.until = now.Add(pauseNarrow)
	}
}

// lend counts a conn that a session gets.
func (c *connSet) lend(b *backendConn) {
	b.lentIn = c.lent
	c.young[c.lent%2]++
}

// unlend counts a conn that comes back, or is gone.
func (c *connSet) unlend(b *backendConn) {
	if b.lentIn == 0 {
		return
	}
	if c.lent-b.lentIn <= 1 {
		c.young[b.lentIn%2]--
	}
	b.lentIn = 0
	c.served++
}

// working is how many conns have been with a session for less than two turns.
func (c *connSet) working() int { return c.young[0] + c.young[1] }

// enoughWork says whether as many conns work as are to.
func (c *connSet) enoughWork() bool {
	most := c.width.now()
	return most > 0 && c.working() >= most
}

// turn begins another turn of the width, if it is time, and gives out the conns that may work now.
func (c *connSet) turn(now time.Time) {
	if c.queue.first == nil || now.Sub(c.width.last) < turnTime {
		return
	}
	c.width.turn(now, c.served, c.working(), len(c.conns))
	c.served = 0
	c.lent++
	c.young[c.lent%2] = 0
	for w := c.queue.first; w != nil && c.idle > 0 && !c.enoughWork(); {
		next := w.next
		if b := c.popFor(w); b != nil {
			c.queue.remove(w)
			c.handOver(b, w.session)
			w.ch <- delivery{b: b}
		}
		w = next
	}
}

// rest keeps b, which sessions wait for, idle for now, or gives it to one of them. What b's last session has left there and may ask for is not kept waiting.
func (c *connSet) rest(b *backendConn) {
	switch {
	case b.missed():
		c.deliver(b)
		return
	case !c.enoughWork():
		w := c.queue.first
		if w.fits(b) {
			c.deliver(b)
			return
		}
		o := c.popFor(w)
		if o == nil {
			c.deliver(b)
			return
		}
		c.queue.remove(w)
		c.handOver(o, w.session)
		w.ch <- delivery{b: o}
	}
	c.handOver(b, nil) // Its session waits like the others.
	c.idle++
	b.idleList().plain.pushFront(b)
}
