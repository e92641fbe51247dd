package mysql

import (
	"sync"
	"sync/atomic"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// Whoever waits for a node stands in one line, in the order of coming. It is bounded by the number of those who wait and by the bytes of what they hold; where it gets too long, the one that has
// waited longest is let go first: its client is the likeliest to have given up. When there is a node again they go on one behind the other, those for the writer and those for readers each.

// lineKind is for what one waits.
type lineKind byte

const (
	lineWriter lineKind = iota
	lineReader
	lineLogin // Whatever node there is; in no order.
	lineKinds
)

// turnAtMost is how long one waits for those before it once there is a node: the order is not worth more.
const turnAtMost = time.Second

// line is those who wait. Safe for use by many goroutines.
type line struct {
	mu    sync.Mutex
	of    [lineKinds]chain[place, *place]
	seq   uint64
	n     int
	bytes int64
	letGo atomic.Uint64
}

// place is where a session stands; the line's mu guards it.
type place struct {
	links[place]

	seq  uint64
	kind lineKind
	size int64
	in   bool
	turn chan struct{} // Closed when nobody of its kind is before it.
	out  chan struct{} // Closed when it is let go.
}

// enter puts p into the line, where it was before if it has a number already, and lets those go for whom there is no room any more. It is false where p itself is too large.
func (l *line) enter(p *place, most int, mostBytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.size > mostBytes {
		l.letGo.Add(1)
		return false
	}
	if p.seq == 0 {
		l.seq++
		p.seq = l.seq
	}
	p.in, p.turn, p.out = true, make(chan struct{}), make(chan struct{})
	q := &l.of[p.kind]
	before := q.last
	for before != nil && before.seq > p.seq {
		before = before.prev
	}
	if before == nil {
		close(p.turn)
	}
	q.insert(p, before)
	l.n++
	l.bytes += p.size
	for l.n > most || l.bytes > mostBytes {
		oldest := l.oldest()
		l.remove(oldest)
		close(oldest.out)
		l.letGo.Add(1)
	}
	return true
}

// oldest is the one that came first of all.
func (l *line) oldest() (p *place) {
	for i := range l.of {
		if f := l.of[i].first; f != nil && (p == nil || f.seq < p.seq) {
			p = f
		}
	}
	return p
}

// leave takes p out of the line, if it is there. It is the turn of the next one.
func (l *line) leave(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.in {
		l.remove(p)
	}
}

// remove takes p out; mu is held.
func (l *line) remove(p *place) {
	if next := p.next; next != nil && p.prev == nil {
		select {
		case <-next.turn: // Its turn had come before p came back.
		default:
			close(next.turn)
		}
	}
	p.in = false
	l.of[p.kind].cut(p)
	l.n--
	l.bytes -= p.size
}

// Line is how many wait for a node, and the bytes of what they hold, at one moment; LetGo is how many were let go so far because there were too many.
type Line struct {
	Sessions int
	Bytes    int64
	LetGo    uint64
}

// Line tells of those who wait for a node.
func (s *Server) Line() Line {
	l := &s.line
	l.mu.Lock()
	defer l.mu.Unlock()
	return Line{Sessions: l.n, Bytes: l.bytes, LetGo: l.letGo.Load()}
}

// stand has the session stand in the line for what waits, at the place that it had before. Its error is for the client.
func (s *session) stand(t target, w *wait) error {
	kind := lineWriter
	if t == toReader || t == toNode {
		kind = lineReader
	}
	size := int64(0)
	if w.x != nil && w.x.cmd != nil {
		size = int64(len(w.x.cmd.Packet))
	}
	if s.standing && s.spot.kind == kind {
		select {
		case <-s.spot.out:
			return s.tooMany(w)
		default:
			return nil
		}
	}
	s.stepOut()
	s.spot = place{kind: kind, size: size, seq: w.place}
	c := s.srv.config()
	if !s.srv.line.enter(&s.spot, c.MaxWaitingForNode, int64(c.MaxWaitingSize)) {
		return s.tooMany(w)
	}
	s.standing, w.place = true, s.spot.seq
	return nil
}

// stepOut has the session leave the line, if it stands there: it goes on, or has given up.
func (s *session) stepOut() {
	if s.standing {
		s.standing = false
		s.srv.line.leave(&s.spot)
	}
}

// tooMany is the error of one that is let go.
func (s *session) tooMany(w *wait) error {
	s.stepOut()
	return crowdedError(s.srv, "statement", time.Since(w.began))
}

// crowdedError says that too much waits for a node.
func crowdedError(s *Server, what string, waited time.Duration) *wire.ServerError {
	c := s.config()
	return wire.NewError(codeUnknownCommand, "galley: no node can take this %s now (%s), and more wait for one than may: at most %d sessions with %s of statements (mysql.max_waiting_for_node, mysql.max_waiting_for_node_size); "+
		"this one has waited longest, %s, or is too long by itself, and was not run. See the status page or 'galley check'", what, s.cluster.View().WriterReason, c.MaxWaitingForNode, c.MaxWaitingSize, waited.Round(time.Millisecond))
}

// awaitTurn waits, where there is a node for t again, for those that came before. Transactions that are run again go first (precede.go).
func (s *session) awaitTurn(t target) error {
	if s.log != nil && len(s.log.steps) > 0 || !s.standing {
		return nil
	}
	var late *time.Timer
	for {
		changed := s.srv.cluster.Changed()
		if !serves(s.srv.cluster.View(), t) {
			return nil
		}
		select {
		case <-s.spot.turn:
			return nil
		default:
		}
		if late == nil {
			late = time.NewTimer(turnAtMost)
			defer late.Stop()
		}
		select {
		case <-s.spot.turn:
			return nil
		case <-late.C:
			return nil
		case <-s.spot.out:
			return nil // There is a node: it goes on all the same.
		case <-changed:
		case <-s.halt:
			return errHalted()
		case <-s.ctx.Done():
			return endSession(s.stopReason(), s.ctx.Err())
		}
	}
}

// serves says whether the view has a node for t.
func serves(view *cluster.View, t target) bool {
	if t == toReader || t == toNode {
		return len(view.Readers) > 0
	}
	return view.Writer >= 0 || view.Degraded
}
