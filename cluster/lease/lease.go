// Package lease decides which node may be written to when several galleys stand
// in front of one cluster: the rules, as pure functions over values.
//
// It does no I/O and has no clock: package cluster reads and writes the rows in
// the cluster and tells the time. So a model checker can run the very rules
// through every order of events (model_test.go).
//
// The one thing to know first: there is one row with the writer and an epoch,
// and one row per galley. Each change of the first row also writes the epoch
// into all the others, and a galley confirms its permission by a conditional
// update of its own row. Galera's certification lets only one of two such
// writes through, so no galley can confirm an epoch that is over. A change of
// the writer has two steps: the row says that it moves, and then, when every
// galley has acknowledged that it has stopped or has been silent for a term,
// that it has moved.
package lease

import (
	"slices"
	"time"
)

// Row is the cluster's lease. Nodes are named by their group UUIDs, which are
// the same for all galleys and change with each start of a node.
type Row struct {
	Epoch  int64
	Writer string // the one in use; while it moves, the one that was
	Target string // where it moves to; empty while it does not move
	Holder string // the galley that made the last change
	// Soft lets transactions that are open end: an operator's wish. Otherwise
	// they are cut.
	Soft bool
}

// Moving says whether the writer is on its way to another node.
func (r Row) Moving() bool { return r.Target != "" }

// Peer is the row of one galley.
type Peer struct {
	ID    string
	Epoch int64    // written by each change of the lease
	Acked int64    // the newest epoch in which it has stopped sending to the old writer
	Beat  int64    // counts its confirmations
	Sees  []string // the nodes that it could write to
	// Term is the galley's own: how long what it has confirmed holds.
	Term time.Duration
}

// Sight is all rows at one moment.
type Sight struct {
	Row   Row
	Peers []Peer // the galley that looked among them
}

// Times are the bounds of the rules.
type Times struct {
	Term     time.Duration // how long a confirmation holds, from before it was sent
	Margin   time.Duration // clocks that run apart: what is added to the term of others
	Every    time.Duration // how long after a confirmation the next one is due
	Poll     time.Duration // how often the rows are read while the writer moves
	Glance   time.Duration // how often they are read where there are other galleys; 0 is with each confirmation only
	Patience time.Duration // how long a move waits for its holder, if that is there
}

// Permit is what a galley may send to the writer.
type Permit uint8

// The permits.
const (
	Nothing Permit = iota
	Finish         // what belongs to transactions that are open
	All
)

// mark is when a peer's beat was first seen to be what it is.
type mark struct {
	beat int64
	at   time.Duration
	term time.Duration
	// proved says that the beat was seen to change: the galley is there, and
	// the row is not what one left that has died.
	proved bool
}

// State is what one galley knows. Times are counted from any fixed moment on
// the galley's own monotonic clock. It is a value: methods that change it have
// a pointer.
type State struct {
	Self  string
	Times Times

	row       Row
	known     bool // the rows have been read
	fresh     bool // they have not been changed since, as far as is known
	joined    bool // there is a row of its own
	acked     int64
	until     time.Duration // of the newest confirmation
	confirmed time.Duration // when the newest confirmation was sent
	looked    time.Duration // when the rows were read last
	entered   time.Duration // when this epoch was first seen
	sees      []string      // as its own row says
	peers     []Peer        // the others
	marks     map[string]mark
}

// Row is the newest lease that is known.
func (s *State) Row() Row { return s.row }

// Entered is when the present epoch was first seen.
func (s *State) Entered() time.Duration { return s.entered }

// Known says whether the rows have been read.
func (s *State) Known() bool { return s.known }

// Until is when the permission ends if it is not confirmed again.
func (s *State) Until() time.Duration { return s.until }

// Saw takes a look at the rows that has ended at this moment.
func (s *State) Saw(at time.Duration, sight Sight) {
	if s.known && sight.Row.Epoch < s.row.Epoch {
		return // From a node that is behind.
	}
	if !s.known || sight.Row.Epoch != s.row.Epoch {
		s.enter(sight.Row)
		s.entered = at
	}
	s.known, s.fresh, s.joined, s.looked = true, true, false, at
	marks := make(map[string]mark, len(sight.Peers))
	s.peers = s.peers[:0:0]
	for _, p := range sight.Peers {
		if p.ID == s.Self {
			s.joined, s.sees = p.Epoch == s.row.Epoch, p.Sees
			continue
		}
		m, seen := s.marks[p.ID]
		if !seen || m.beat != p.Beat {
			m = mark{p.Beat, at, p.Term, seen}
		}
		marks[p.ID] = m
		s.peers = append(s.peers, p)
	}
	s.marks = marks
}

// enter goes over to another epoch. What was confirmed before stays good only
// for what a soft move lets finish at the same writer.
func (s *State) enter(row Row) {
	if !s.known || row.Writer != s.row.Writer || !row.Moving() {
		s.until = 0
	}
	s.row = row
}

// Confirmed takes a confirmation of an epoch that was sent at this moment and
// has found the galley's row as it should be.
func (s *State) Confirmed(sent time.Duration, epoch int64, sees []string) {
	if epoch != s.row.Epoch {
		return
	}
	s.sees, s.confirmed = sees, sent
	if s.acked < epoch || !s.row.Moving() {
		s.until = max(s.until, sent+s.Times.Term)
	}
}

// Stop is called before an acknowledgement is sent: from here on nothing more
// may be sent in this epoch.
func (s *State) Stop() { s.acked, s.until = s.row.Epoch, 0 }

// Stale takes it that the rows may have changed: this galley has changed them,
// or has found them other than it thought, or does not know. What it has
// confirmed stays confirmed.
func (s *State) Stale() { s.fresh = false }

// Permit is what may be sent to Row().Writer now.
func (s *State) Permit(now time.Duration) Permit {
	switch {
	case now >= s.until || s.row.Writer == "":
		return Nothing
	case !s.row.Moving():
		return All
	case !s.row.Soft:
		return Nothing
	case s.row.Holder == s.Self && !s.othersStopped(now):
		return All // The others first: the pause is then as short as one's own end.
	}
	return Finish
}

// stopped says whether nothing more is sent to the old writer.
func (s *State) stopped(now time.Duration) bool { return s.acked >= s.row.Epoch || now >= s.until }

// othersStopped says it of all other galleys.
func (s *State) othersStopped(now time.Duration) bool {
	return !slices.ContainsFunc(s.peers, func(p Peer) bool { return p.Acked < s.row.Epoch && !s.silent(p.ID, now) })
}

// silent says whether what a galley has confirmed is over: its newest
// confirmation was sent before it was seen.
func (s *State) silent(id string, now time.Duration) bool {
	m, ok := s.marks[id]
	return ok && now >= m.at+m.term+s.Times.Margin
}

// Live counts the other galleys that are there.
func (s *State) Live(now time.Duration) (n int) {
	for _, p := range s.peers {
		if !s.silent(p.ID, now) {
			n++
		}
	}
	return n
}

// Longest is the longest term of the galleys that are there, this one included.
func (s *State) Longest(now time.Duration) time.Duration {
	term := s.Times.Term
	for _, p := range s.peers {
		if !s.silent(p.ID, now) {
			term = max(term, p.Term)
		}
	}
	return term
}

// Gone lists galleys that have been silent for so long that their rows may be
// deleted.
func (s *State) Gone(now, after time.Duration) (ids []string) {
	for _, p := range s.peers {
		if now >= s.marks[p.ID].at+p.Term+after {
			ids = append(ids, p.ID)
		}
	}
	return ids
}
