package mysql

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"galley/balancer"
	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// poolKey says which sessions may use the same backend conns of a node: those of one account, as it is now, with the same capabilities.
type poolKey struct {
	user    string
	account accountRow
	caps    wire.Capability
	reads   bool           // Set up so that the node refuses writes.
	dirty   bool           // Set up for reads outside of a primary component.
	client  netip.AddrPort // Where the node is told who the client is.
}

// accountRow names a row of the cluster's accounts, as it is with all that is granted to it.
type accountRow struct {
	user, host  string
	fingerprint uint64
}

// connPool is the idle conns to one node with one key. It belongs to a connSet, whose mutex guards it.
type connPool struct {
	key    poolKey
	chosen idleConns // Those with a schema: a conn never gets rid of one.
	bare   idleConns // Those without.
	open   int       // All conns with this key, with those being opened.
	opens  int       // Those being opened.
	seen   int       // For pump.
	grew   time.Time
	stale  bool  // The account is not what it was: its conns are closed when given back.
	login  login // Of the session that came last.
	used   int64 // In ticks, when a session last asked for a conn.
}

// connSet is all backend conns to one node: those in use, the idle ones, and the sessions that wait for one. Safe for use by many goroutines.
type connSet struct {
	commands  atomic.Uint64 // Sent to the node so far.
	opened    atomic.Uint64
	resets    atomic.Uint64
	moved     atomic.Uint64 // Times that a conn went from one session to another.
	waited    atomic.Uint64 // Times that a session had to wait for a conn.
	waits     atomic.Uint64 // Times that a statement had to wait for the node to apply.
	waitedFor atomic.Int64  // How long, in nanoseconds.
	shown     poolCounts
	applying

	node *balancer.Backend

	mu      sync.Mutex
	srv     *Server
	conns   map[*backendConn]struct{}
	pools   map[poolKey]*connPool
	users   map[string]int // Conns by user, with those being opened.
	queue   waitList       // In order of arrival.
	alarm   *time.Timer    // Looks after the queue; see queue.go.
	alarmed bool           // It will.
	opening int
	idle    int
	gone    bool // The view has no such node any more.

	width  width
	lent   uint32 // The turn of the width, from 1 on.
	young  [2]int // Conns that sessions have got in this turn and in the one before.
	served uint64 // Conns that came back in this turn.
}

// waiter is a session that waits for a conn.
type waiter struct {
	links[waiter]

	key     poolKey
	bare    bool // Only a conn without a schema will do.
	node    *cluster.Node
	login   *login
	session *session
	since   time.Time
	ch      chan delivery

	in    atomic.Pointer[connSet] // In whose queue it is; it changes under the mutex of that.
	woken bool                    // Told to look up, and has not yet.
}

// delivery is what a waiter gets: a conn that is its own, or the error of the opening of one, or nothing in time. With woken it is to look whether it still wants one, and waits on.
type delivery struct {
	b           *backendConn
	err         error
	late, woken bool
}

const (
	// easyConns is how many conns with a key are opened without hesitation. Beyond, a session first waits growAfter for one that comes back, and one more is opened at a time, the more
	// there are the more slowly: more conns rarely make a node faster, and a burst is over before they are of use. From 8 to 100 takes some 6 s.
	easyConns = 8
	growAfter = 10 * time.Millisecond
	// patience is how long the first in the queue waits for a conn with its key, before one with another key is closed to make room for it.
	patience = 50 * time.Millisecond
	// unknownLimit bounds the conns to a node whose max_connections is not known.
	unknownLimit = 100
)

//go:noinline // Its frame would be part of the stack of each session that asks for a conn.
func newConnSet(srv *Server, node *balancer.Backend) *connSet {
	c := &connSet{srv: srv, node: node, applying: newApplying(), conns: map[*backendConn]struct{}{}, pools: map[poolKey]*connPool{}, users: map[string]int{}, lent: 1}
	c.queue.of = c
	return c
}

// limit is how many conns to node there may be.
func (s *Server) limit(node *cluster.Node) int {
	if n := s.config().Pool.MaxPerNode; n > 0 {
		return n
	}
	if n := node.Status.MaxConnections; n > 0 {
		return max(1, n*3/4)
	}
	return unknownLimit
}

// takeOwn takes b if the session had it last and nobody has taken it since.
func (c *connSet) takeOwn(s *session, b *backendConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.owner != s || b.in == nil || b.lost.Load() {
		return false
	}
	c.unlink(b)
	return true
}

// take gives an idle conn with w's key, or puts w into the queue and gives nil. room is false where the queue is as long as it may be.
func (c *connSet) take(w *waiter) (b *backendConn, room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pool(w.key)
	p.login, p.used = *w.login, c.srv.tick.Load()
	if c.queue.first == nil || !c.enoughWork() {
		if b := c.popFor(w); b != nil {
			c.handOver(b, w.session)
			return b, true
		}
	}
	if c.queue.n >= c.srv.config().Pool.MaxWaiting {
		return nil, false
	}
	if c.gone || drained(w.node) { // The view is an old one.
		w.ch <- delivery{}
		return nil, true
	}
	w.since = time.Now()
	c.queue.push(w)
	c.waited.Add(1)
	if p.open < easyConns || w.bare && p.chosen.any() { // Beyond, only time tells.
		c.pump(w.since)
	}
	c.watchQueue(w.since)
	return nil, true
}

func (c *connSet) pool(key poolKey) *connPool {
	p := c.pools[key]
	if p == nil {
		p = &connPool{key: key}
		c.pools[key] = p
	}
	return p
}

// unlink takes b out of the idle ones.
func (c *connSet) unlink(b *backendConn) {
	b.in.remove(b)
	c.idle--
	c.lend(b)
}

// handOver makes b the session's, or nobody's. Who had it before is told where to find what it has left there.
func (c *connSet) handOver(b *backendConn, s *session) {
	if b.owner == s && (s == nil || b.epoch == s.epoch.Load()) {
		return
	}
	if s != nil {
		c.moved.Add(1)
	}
	if b.missed() {
		b.rescue = newRescue(b, b.own)
		b.owner.leave(b.rescue)
	}
	if b.unsure {
		b.vars = []variable{{name: "unknown"}} // What no session has: it resets the conn.
	}
	if b.foreign |= b.dirt; b.foreign&tieMaybe != 0 {
		b.foreign |= tieVariables
	}
	b.owner, b.epoch, b.own, b.dirt, b.synced, b.left = s, 0, 0, 0, 0, 0
	if s != nil {
		b.epoch = s.epoch.Load()
	}
}

// own makes of b, which the session has, one of its present epoch.
func (c *connSet) own(b *backendConn, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.epoch = s.epoch.Load()
}

// missed says whether there is something on b that the session which had it last may ask for.
func (b *backendConn) missed() bool {
	return b.owner != nil && b.own != 0 && !b.owner.over.Load() && b.epoch == b.owner.epoch.Load()
}

// give takes back a conn that its session does not need for now: for the first that waits for one, or to be idle.
func (c *connSet) give(b *backendConn) {
	b.endRescue()
	c.mu.Lock()
	c.unlend(b)
	if b.lost.Load() || b.killers.Load() != 0 || b.retire || c.tooOld(b) || b.pool.stale && !c.awaited(b) || c.gone || drained(b.node) || c.spent(b) || len(b.Window()) > 0 {
		c.forgetConn(b)
		c.bury(b)
		c.pump(time.Time{})
		c.mu.Unlock()
		return
	}
	b.idleSince = c.srv.tick.Load()
	if c.queue.first == nil {
		c.idle++
		if b.missed() {
			b.idleList().left.pushBack(b)
		} else {
			b.idleList().plain.pushFront(b)
		}
		c.mu.Unlock()
		return
	}
	c.rest(b)
	c.mu.Unlock()
}

// tooOld says whether b has been open for as long as a conn may be.
func (c *connSet) tooOld(b *backendConn) bool {
	return time.Duration(c.srv.tick.Load()-b.opened)*poolTick > c.srv.config().Pool.Lifetime
}

// deliver gives b to the first waiter that it fits. Where the first of all has waited long for another key, b is closed to make room.
func (c *connSet) deliver(b *backendConn) {
	first := c.queue.first
	w := first
	for w != nil && !w.fits(b) {
		w = w.next
	}
	hungry := w != first && c.pool(first.key).opens == 0
	if most := c.srv.config().Pool.MaxPerUser; most > 0 && c.users[first.key.user] >= most {
		hungry = hungry && b.pool.key.user == first.key.user // No other user's conn makes room for it.
	} else {
		hungry = hungry && len(c.conns)+c.opening >= c.srv.limit(first.node)
	}
	switch {
	case hungry && (w == nil || time.Since(first.since) > patience):
		c.forgetConn(b)
		c.bury(b)
		c.pump(time.Time{})
		return
	case w == nil:
		c.idle++
		b.idleList().plain.pushFront(b)
		c.pump(time.Time{})
		return
	}
	c.queue.remove(w)
	c.lend(b)
	c.handOver(b, w.session)
	w.ch <- delivery{b: b}
}

// awaited says whether a session waits for a conn like b.
func (c *connSet) awaited(b *backendConn) bool {
	w := c.queue.first
	for w != nil && !w.fits(b) {
		w = w.next
	}
	return w != nil
}

// fits says whether w may use b, which no session has.
func (w *waiter) fits(b *backendConn) bool { return w.key == b.pool.key && (!w.bare || b.schema == "") }

// pump has conns opened for those that wait, as many as there may be at a time and in all. now is zero where the time does not matter.
func (c *connSet) pump(now time.Time) {
	conf := &c.srv.config().Pool
	for _, p := range c.pools {
		p.seen = 0
	}
	resting := 0
	for w := c.queue.first; w != nil && c.opening < conf.Opening && !c.gone; w = w.next {
		full := len(c.conns)+c.opening >= c.srv.limit(w.node)
		if full && c.idle == 0 {
			return
		}
		p := c.pool(w.key)
		if p.bare.plain.first != nil || !w.bare && p.chosen.plain.first != nil { // What is waited for is that one may work.
			if resting++; resting > lookAhead {
				return
			}
			continue
		}
		if p.seen++; p.seen <= p.opens {
			continue
		}
		if p.open >= easyConns {
			if c.swap(p, w) {
				full = false
			} else if !c.mayGrow(p, w, now) {
				continue
			}
		}
		if most := perUser(conf.MaxPerUser, w.login.conns); most > 0 && c.users[w.key.user] >= most {
			if !c.evict(w, func(b *backendConn) bool { return b.pool.key.user == w.key.user }) {
				continue
			}
			full = false
		}
		if full && !c.evict(w, func(*backendConn) bool { return true }) {
			continue
		}
		c.openFor(p, w)
	}
}

// mayGrow says whether it is time for another conn with p's key, beyond those that are opened without hesitation.
func (c *connSet) mayGrow(p *connPool, w *waiter, now time.Time) bool {
	if now.Sub(w.since) < growAfter || now.Sub(p.grew) < growAfter*time.Duration(p.open)/easyConns {
		return false
	}
	p.grew = now
	return true
}

// swap closes an idle conn with a schema for w, which needs one of the same kind without: so conns that have got a schema do not add up.
func (c *connSet) swap(p *connPool, w *waiter) bool {
	return w.bare && c.evict(w, func(b *backendConn) bool { return b.pool == p })
}

// perUser is how many conns of a user there may be, by the configuration and by the account; 0 is no limit.
func perUser(configured, account int) int {
	if configured == 0 || account > 0 && account < configured {
		return account
	}
	return configured
}

// evict closes an idle conn, the one unused for longest, to make room for one with w's key.
func (c *connSet) evict(w *waiter, may func(*backendConn) bool) bool {
	var oldest *backendConn
	for _, p := range c.pools {
		for _, b := range []*backendConn{p.chosen.plain.last, p.chosen.left.first, p.bare.plain.last, p.bare.left.first} {
			if b != nil && !w.fits(b) && may(b) && (oldest == nil || b.idleSince < oldest.idleSince) {
				oldest = b
			}
		}
	}
	if oldest == nil {
		return false
	}
	c.discard(oldest)
	return true
}

// discard closes an idle conn.
func (c *connSet) discard(b *backendConn) {
	c.unlink(b)
	c.forgetConn(b)
	c.bury(b)
}

// bury closes a conn that is nobody's any more. What its last session has left there is read before.
func (c *connSet) bury(b *backendConn) {
	if !b.missed() {
		b.closeQuietly()
		return
	}
	r := newRescue(b, b.own)
	b.owner.leave(r)
	c.srv.openers.Add(1)
	go c.srv.lastWords(b, r)
}

// forgetConn takes b out of the count.
func (c *connSet) forgetConn(b *backendConn) {
	if _, ok := c.conns[b]; !ok {
		return
	}
	delete(c.conns, b)
	c.unlend(b)
	b.pool.open--
	c.countUser(b.pool.key.user, -1)
}

func (c *connSet) countUser(user string, n int) {
	if c.users[user] += n; c.users[user] <= 0 {
		delete(c.users, user)
	}
}

// remove takes a conn out that its session has closed.
func (c *connSet) remove(b *backendConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.in != nil {
		c.unlink(b)
	}
	c.forgetConn(b)
	c.pump(time.Time{})
}

func (c *connSet) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.n
}

// counts gives how many conns are open, how many of them are idle, and how many sessions wait for one.
func (c *connSet) counts() (open, idle, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns), c.idle, c.queue.n
}

// cutOf closes b if it is s's now.
func (c *connSet) cutOf(s *session, b *backendConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.owner == s && b.in == nil {
		b.lost.Store(true)
		_ = b.Close()
	}
}

// end cuts the set for good.
func (c *connSet) end() {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.cut()
}

// cut closes every conn of the set; the sessions that use them see a lost connection, and those that wait look for another node.
func (c *connSet) cut() int {
	c.cutWait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.conns {
		b.lost.Store(true)
		_ = b.Close()
		if b.in != nil {
			c.discard(b)
		}
	}
	for w := c.queue.first; w != nil; w = c.queue.first {
		c.queue.remove(w)
		w.ch <- delivery{}
	}
	return len(c.conns)
}
