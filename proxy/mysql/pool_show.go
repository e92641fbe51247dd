package mysql

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"galley/cluster"
)

// NodeStats is the backend conns to one node at one moment, what keeps them and who waits for one, and what came of them so far.
type NodeStats struct {
	Open, Idle, Opening, Limit int
	Waiting                    int           // Sessions that wait for a conn.
	Longest                    time.Duration // How long the first of them has waited.
	Users                      []UserPool    // By name.

	// What keeps the conns in use; each is counted once.
	Pinned        int
	PinnedBy      []PinCount // By the first pin of each.
	InTransaction int
	Running       int // A statement and nothing else.
	Kept          int // Between statements for other reasons: cursors, or mysql.pool.multiplex is off.

	Commands    uint64 // Sent to the node.
	Opened      uint64
	Resets      uint64
	Moved       uint64
	Waits       uint64
	Waited      time.Duration
	Timeouts    uint64
	LastTimeout time.Time // Zero if there was none.

	ApplyWaits    uint64
	ApplyWaited   time.Duration
	ApplyGivenUp  uint64
	ApplyBatches  uint64          // Questions to the node whether it has all of the group's, each for all that waited then.
	ApplyByNumber uint64          // Waits for a write's number, because the group was slow to answer or refused to.
	Fallbacks     []FallbackCount // Those that numbers could not answer, by reason.
	Rescues       uint64
	RescuesLost   uint64
}

// InUse is how many conns sessions have now.
func (n *NodeStats) InUse() int { return n.Open - n.Idle }

// FallbackCount is how often a node was not waited for by its number, for a reason.
type FallbackCount struct {
	Reason string
	N      uint64
}

// PinCount is how many sessions a pin holds.
type PinCount struct {
	Reason string
	N      int
}

// UserPool is the part of a node's conns that are of one user.
type UserPool struct {
	User                              string
	Open, Idle, Opening, Waiting, Max int // Max is mysql.pool.max_per_user; 0 is none.
}

// poolCounts are the counts of a connSet that only the page and the metrics read.
type poolCounts struct {
	queuedFor   atomic.Int64 // How long sessions have waited for conns, in nanoseconds.
	timeouts    atomic.Uint64
	lastTimeout atomic.Int64 // In nanoseconds of time.Now.
	notApplied  atomic.Uint64
	rescues     atomic.Uint64
	rescuesLost atomic.Uint64
}

// timedOut counts a session that got no conn.
func (p *poolCounts) timedOut() {
	p.timeouts.Add(1)
	p.lastTimeout.Store(time.Now().UnixNano())
}

// queued counts how long w has waited.
func (p *poolCounts) queued(w *waiter) { p.queuedFor.Add(int64(time.Since(w.since))) }

// NodeStats gives what there is to say of the conns to a node.
func (s *Server) NodeStats(node *cluster.Node) NodeStats {
	n := s.conns.of(node).stats(time.Now())
	n.Limit = s.limit(node)
	return n
}

// stats reads the set.
func (c *connSet) stats(now time.Time) NodeStats {
	n := NodeStats{
		Commands: c.commands.Load(), Opened: c.opened.Load(), Resets: c.resets.Load(), Moved: c.moved.Load(),
		Waits: c.waited.Load(), Waited: time.Duration(c.shown.queuedFor.Load()), Timeouts: c.shown.timeouts.Load(),
		ApplyWaits: c.waits.Load(), ApplyWaited: time.Duration(c.waitedFor.Load()), ApplyGivenUp: c.shown.notApplied.Load(),
		Rescues: c.shown.rescues.Load(), RescuesLost: c.shown.rescuesLost.Load(),
	}
	n.ApplyBatches, n.ApplyByNumber = c.batches.Load(), c.numbered.Load()
	for why := range fallbackReasons {
		n.Fallbacks = append(n.Fallbacks, FallbackCount{why.String(), c.fallbacks[why].Load()})
	}
	if last := c.shown.lastTimeout.Load(); last != 0 {
		n.LastTimeout = time.Unix(0, last)
	}
	perUser := c.srv.config().Pool.MaxPerUser
	users := map[string]*UserPool{}
	user := func(name string) *UserPool {
		u := users[name]
		if u == nil {
			u = &UserPool{User: name, Max: perUser}
			users[name] = u
		}
		return u
	}
	var by [pinCount]int
	c.mu.Lock()
	n.Open, n.Idle, n.Opening, n.Waiting = len(c.conns), c.idle, c.opening, c.queue.n
	for key, p := range c.pools {
		if p.opens > 0 {
			user(key.user).Opening += p.opens
		}
	}
	for b := range c.conns {
		u := user(b.pool.key.user)
		u.Open++
		if b.in != nil {
			u.Idle++
			continue
		}
		n.hold(keptFor(b), &by)
	}
	for w := c.queue.first; w != nil; w = w.next {
		user(w.key.user).Waiting++
	}
	if w := c.queue.first; w != nil {
		n.Longest = max(0, now.Sub(w.since))
	}
	c.mu.Unlock()
	n.PinnedBy = pinCounts(&by)
	for _, u := range users {
		n.Users = append(n.Users, *u)
	}
	slices.SortFunc(n.Users, func(a, b UserPool) int { return cmp.Compare(a.User, b.User) })
	return n
}

// keeping says what keeps a conn in use.
type keeping struct {
	pins             pins
	inTrans, running bool
}

// keptFor says what keeps b, which is a session's now.
func keptFor(b *backendConn) keeping {
	s := b.owner
	if s == nil {
		return keeping{running: true} // Just opened, on its way to one that waits.
	}
	k := keeping{running: s.shown.busy.busy()}
	if !b.readOnly { // Pins hold the conn on which writes run.
		k.pins = pins(s.shown.pins.Load())
	}
	if on := s.shown.node.Load(); on != nil && on.Backend == b.node.Backend {
		k.inTrans = s.shown.inTrans.Load()
	}
	return k
}

// hold counts one conn in use.
func (n *NodeStats) hold(k keeping, by *[pinCount]int) {
	switch {
	case k.pins != 0:
		n.Pinned++
		for i := range by {
			if k.pins&(1<<i) != 0 {
				by[i]++
				return
			}
		}
	case k.inTrans:
		n.InTransaction++
	case k.running:
		n.Running++
	default:
		n.Kept++
	}
}

// pinCounts names the counts that are not zero, the greatest first.
func pinCounts(by *[pinCount]int) (counts []PinCount) {
	for i, name := range pinNames() {
		if by[i] > 0 {
			counts = append(counts, PinCount{Reason: name, N: by[i]})
		}
	}
	slices.SortStableFunc(counts, func(a, b PinCount) int { return cmp.Compare(b.N, a.N) })
	return counts
}

// holders gives the sessions that have conns now, with the nodes to which they are.
func (c *connSets) holders() map[*session][]string {
	c.mu.Lock()
	sets := slices.Collect(maps.Values(c.sets))
	c.mu.Unlock()
	held := map[*session][]string{}
	for _, set := range sets {
		set.mu.Lock()
		for b := range set.conns {
			if b.in == nil && b.owner != nil {
				held[b.owner] = append(held[b.owner], b.node.Addr)
			}
		}
		set.mu.Unlock()
	}
	return held
}

// pinned gives how many sessions each pin holds.
func (s *Server) pinned() (by [pinCount]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		p := pins(c.shown.pins.Load())
		for i := 0; p != 0; i, p = i+1, p>>1 {
			if p&1 != 0 {
				by[i]++
			}
		}
	}
	return by
}
