package lease

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"
)

// This is an exhaustive model checker. It runs the rules of this package, as
// they are, through every order of events within bounds: galleys act, their
// messages are sent, applied in the cluster and answered, or lost on either
// way, and applied after the sender has given up; reads come from nodes that
// are behind; clocks tick; galleys and nodes die; each galley loses sight of
// nodes; an operator moves the writer and takes it back; clients write.
//
// The cluster is modelled as what Galera gives: changes of rows are in one
// order, and a conditional one sees all that were before it. Only reads are
// stale.
//
// Invariants, checked in every state:
//   1. at most one node is believed by galleys to be the one to write to;
//   2. a write that was acknowledged to its client has been executed;
//   3. no write has been executed twice;
//   4. a galley that acknowledges that it has stopped has nothing under way,
//      unless its permission had ended before.

const modelTerm = 3 // ticks, so that a third is one

// flaw is a rule that is broken on purpose, to see that the checker finds it.
type flaw string

const (
	none          flaw = ""
	ackTooEarly   flaw = "acknowledges without stopping"
	noFence       flaw = "a change does not reach the galleys' rows"
	blindConfirm  flaw = "confirms whatever the epoch is"
	blindEnd      flaw = "ends a move by what it saw, and not by what is so"
	noWait        flaw = "does not wait for a silent galley's term"
	busyAck       flaw = "acknowledges while a write is under way"
	sendsTwice    flaw = "sends a write again when its answer was lost"
	tellsTooEarly flaw = "tells the client before the node has answered"
)

// bounds are how often what is rare may happen in one run.
type bounds struct{ ticks, lates, losses, sights, deaths, crashes, orders, writes int8 }

type opState uint8

const (
	idle opState = iota
	sent
	applied
	refused
)

// message is what a galley has under way with the cluster.
type message struct {
	state opState
	step  Step
	at    int8 // when it was sent
	sees  uint8
	row   Row   // what a change makes of the lease
	sight Sight // what a read has found
}

type writeState uint8

const (
	noWrite writeState = iota
	onItsWay
	executed
	told
)

type galley struct {
	dead    bool
	st      State
	op      message
	ghost   message // was given up, and may yet be applied
	sees    uint8
	write   writeState
	node    string // where the write went
	runs    int8
	ordered bool
	abort   bool
	early   bool // acknowledged with a write under way
}

// world is one state.
type world struct {
	now   int8
	row   Row
	peers []Peer
	prev  *Sight // what a node that is behind shows
	gone  uint8  // nodes that have died
	g     []galley
	left  bounds
}

// modelNodes are all nodes.
var modelNodes = []string{"A", "B"}

func nodesOf(mask uint8) (out []string) {
	for i, n := range modelNodes {
		if mask&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

func bit(node string) uint8 { return 1 << slices.Index(modelNodes, node) }

func newWorld(galleys int, b bounds) world {
	w := world{left: b, g: make([]galley, galleys)}
	for i := range w.g {
		id := fmt.Sprint("g", i)
		g := &w.g[i]
		g.sees = 3
		g.st = State{Self: id, Times: Times{Term: modelTerm, Poll: 1, Patience: 4}}
	}
	return w
}

// settled is a world in which all galleys have joined and have confirmed the
// first node as the writer.
func settled(galleys int, b bounds) world {
	w := newWorld(galleys, b)
	w.row = Row{Epoch: 2, Writer: "A", Holder: "g0"}
	for i := range w.g {
		w.peers = append(w.peers, Peer{ID: w.g[i].st.Self, Epoch: 2, Acked: 1, Beat: 1, Sees: []string{"A", "B"}, Term: modelTerm})
	}
	for i := range w.g {
		before := w.sight()
		for k := range before.Peers {
			before.Peers[k].Beat = 0
		}
		w.g[i].st.Saw(0, before)
		w.g[i].st.Saw(0, w.sight())
		w.g[i].st.Confirmed(0, 2, []string{"A", "B"})
	}
	return w
}

func (w *world) sight() Sight { return Sight{Row: w.row, Peers: slices.Clone(w.peers)} }

func (w *world) clone() world {
	c := *w
	c.peers = slices.Clone(w.peers)
	c.g = slices.Clone(w.g)
	for i := range c.g {
		st := &c.g[i].st
		st.peers = slices.Clone(st.peers)
		marks := make(map[string]mark, len(st.marks))
		maps.Copy(marks, st.marks)
		st.marks = marks
	}
	return c
}

func (w *world) wish(g *galley, f flaw) Wish {
	q := g.write != onItsWay && g.write != executed || f == busyAck
	return Wish{Sees: nodesOf(g.sees), Quiet: q, Soft: w.row.Writer != "" && w.gone&bit(w.row.Writer) == 0, Switch: map[bool]string{true: "B"}[g.ordered && !g.abort], Abort: g.abort}
}

// apply brings a message into effect in the cluster.
func (w *world) apply(self string, m *message, f flaw) {
	before := w.sight()
	ok := false
	mine := slices.IndexFunc(w.peers, func(p Peer) bool { return p.ID == self })
	switch m.step.Do {
	case Read:
		m.sight, m.state = w.sight(), applied
		return
	case Confirm, Ack:
		if ok = mine >= 0 && (w.peers[mine].Epoch == m.step.Epoch || f == blindConfirm); ok {
			p := &w.peers[mine]
			p.Beat++
			p.Sees = nodesOf(m.sees)
			if m.step.Do == Ack {
				p.Acked = m.step.Epoch
			}
		}
	case Join:
		if ok = w.row.Epoch == m.step.Epoch; ok {
			if mine < 0 {
				w.peers = append(w.peers, Peer{ID: self, Term: modelTerm})
				mine = len(w.peers) - 1
			}
			p := &w.peers[mine]
			p.Epoch, p.Beat, p.Sees = m.step.Epoch, p.Beat+1, nodesOf(m.sees)
		}
	case Begin, End, Undo:
		if ok = (w.row.Epoch == m.row.Epoch-1) && (m.step.Do != End || f == blindEnd || m.step.Holds(self, w.peers)); ok {
			w.row = m.row
			for i := range w.peers {
				if f != noFence || w.peers[i].ID == self {
					w.peers[i].Epoch = m.row.Epoch
				}
			}
		}
	case Wait:
	}
	m.state = refused
	if ok {
		if m.state = applied; w.row.Epoch != before.Row.Epoch {
			w.prev = &before
		}
	}
}

// deliver gives a galley the answer.
func (w *world) deliver(g *galley) {
	m := g.op
	g.op = message{}
	switch {
	case m.step.Do == Read:
		g.st.Saw(time.Duration(w.now), m.sight)
	case m.state == applied && (m.step.Do == Confirm || m.step.Do == Ack):
		g.st.Confirmed(time.Duration(m.at), m.step.Epoch, nodesOf(m.sees))
		if m.step.Do == Ack {
			g.st.Stale()
		}
	default:
		g.st.Stale()
	}
}

// start has a galley do what the rules say.
func (w *world) start(g *galley, f flaw) bool {
	now := time.Duration(w.now)
	step := g.st.Next(now, w.wish(g, f))
	if step.Do == Wait {
		return false
	}
	if f == noWait && step.Do == Read && g.st.known && g.st.fresh && g.st.row.Moving() && g.st.row.Holder == g.st.Self {
		step.Do, step.Others = End, map[string]int64{}
		for _, p := range g.st.peers {
			step.Others[p.ID] = p.Beat
		}
	}
	g.op = message{state: sent, step: step, at: w.now, sees: g.sees, row: step.After(g.st.row, g.st.Self)}
	if step.Do == Ack && (f != ackTooEarly || g.st.Self == "g0") {
		if (g.write == onItsWay || g.write == executed) && now < g.st.until {
			g.early = true
		}
		g.st.Stop()
	}
	return true
}

// next calls out with every state that may follow.
func (w *world) next(f flaw, out func(what string, n world)) {
	branch := func(what string, i int, change func(n *world, g *galley) bool) {
		n := w.clone()
		if change(&n, &n.g[max(i, 0)]) {
			out(what, n)
		}
	}
	// What a galley does next is decided by what it knows: it does so at once, and
	// its message may be late. No other order shows anything else.
	for i := range w.g {
		if g := &w.g[i]; !g.dead && g.op.state == idle && g.st.Next(time.Duration(w.now), w.wish(g, f)).Do != Wait {
			branch(g.st.Self+" acts", i, func(n *world, g *galley) bool { return n.start(g, f) })
			return
		}
	}
	if w.left.ticks > 0 {
		branch("tick", -1, func(n *world, _ *galley) bool { n.now++; n.left.ticks--; return true })
	}
	for i := range w.g {
		g := &w.g[i]
		name := g.st.Self
		if g.ghost.state == sent {
			branch(name+": what it gave up is applied", i, func(n *world, g *galley) bool { n.apply(name, &g.ghost, f); g.ghost = message{}; return true })
		}
		if g.dead {
			continue
		}
		w.talk(i, f, branch)
		w.clients(i, f, branch)
		if w.left.deaths > 0 {
			branch(name+" dies", i, func(n *world, g *galley) bool {
				n.left.deaths--
				g.dead = true
				if g.op.state == sent {
					g.ghost = g.op
				}
				g.op = message{}
				return true
			})
		}
		for k, node := range modelNodes {
			if w.left.sights > 0 {
				branch(name+" loses or gains sight of "+node, i, func(n *world, g *galley) bool {
					n.left.sights--
					g.sees ^= 1 << k
					return true
				})
			}
		}
		if i == 0 && w.left.orders > 0 {
			branch("an operator speaks", i, func(n *world, g *galley) bool {
				n.left.orders--
				if g.ordered {
					g.abort = true
				}
				g.ordered = true
				return true
			})
		}
	}
	if w.left.crashes > 0 && w.gone == 0 {
		branch("node A dies", -1, func(n *world, _ *galley) bool { n.left.crashes--; n.gone |= 1; return true })
	}
}

// talk is a galley's talk with the cluster.
func (w *world) talk(i int, f flaw, branch func(string, int, func(*world, *galley) bool)) {
	name, op := w.g[i].st.Self, w.g[i].op
	switch op.state {
	case idle:
	case sent:
		branch(name+": "+op.step.Do.String()+" is applied", i, func(n *world, g *galley) bool {
			n.apply(name, &g.op, f)
			n.deliver(g)
			return true
		})
		if op.step.Do != Read && w.left.lates > 0 { // What is read late is as what is read from a node that is behind.
			branch(name+": "+op.step.Do.String()+" is applied, its answer is late", i, func(n *world, g *galley) bool {
				n.left.lates--
				n.apply(name, &g.op, f)
				return true
			})
		}
		if op.step.Do == Read && w.prev != nil {
			branch(name+": a node behind is read", i, func(n *world, g *galley) bool {
				g.op.sight = *n.prev
				n.deliver(g)
				return true
			})
		}
	case applied, refused:
		branch(name+" has the answer", i, func(n *world, g *galley) bool { n.deliver(g); return true })
	}
	if w.left.losses > 0 && op.state != idle && op.step.Do != Read {
		branch(name+" gives up", i, func(n *world, g *galley) bool {
			n.left.losses--
			if g.op.state == sent && g.op.step.Do != Read {
				g.ghost = g.op
			}
			g.op = message{}
			g.st.Stale()
			return true
		})
	}
}

// clients write through a galley.
func (w *world) clients(i int, f flaw, branch func(string, int, func(*world, *galley) bool)) {
	name, g := w.g[i].st.Self, &w.g[i]
	switch g.write {
	case noWrite:
		if w.left.writes > 0 && g.st.Permit(time.Duration(w.now)) == All {
			branch(name+" sends a write", i, func(n *world, g *galley) bool {
				n.left.writes--
				g.write, g.node, g.runs = onItsWay, g.st.row.Writer, 0
				if f == tellsTooEarly {
					g.write = told
				}
				return true
			})
		}
	case onItsWay:
		if w.gone&bit(g.node) == 0 {
			branch(name+"'s write runs", i, func(_ *world, g *galley) bool { g.write = executed; g.runs++; return true })
		} else {
			branch(name+"'s write is lost", i, func(_ *world, g *galley) bool { g.write, g.node = noWrite, ""; return true })
		}
	case executed:
		branch(name+" tells its client", i, func(_ *world, g *galley) bool { g.write = told; return true })
		if w.gone&bit(g.node) != 0 {
			branch(name+" gives up its write", i, func(_ *world, g *galley) bool {
				if g.write, g.node = noWrite, ""; f == sendsTwice {
					g.write, g.node = onItsWay, "B"
				} else {
					g.runs = 0
				}
				return true
			})
		}
	case told:
		branch(name+"'s client goes on", i, func(_ *world, g *galley) bool {
			g.write, g.node, g.runs = noWrite, "", 0
			return true
		})
	}
}

// wrong says which invariant a state breaks.
func (w *world) wrong() string {
	writer := ""
	for i := range w.g {
		g := &w.g[i]
		if g.runs > 1 {
			return g.st.Self + "'s write has run twice"
		}
		if g.write == told && g.runs == 0 {
			return g.st.Self + " has acknowledged a write that did not run"
		}
		if g.early {
			return g.st.Self + " has acknowledged with a write under way"
		}
		if g.dead || g.st.Permit(time.Duration(w.now)) == Nothing {
			continue
		}
		if to := g.st.row.Writer; writer == "" {
			writer = to
		} else if to != writer {
			return "two writers: " + writer + " and " + to
		}
	}
	return ""
}

// key makes equal what differs only in when it is.
func (w *world) key(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	put := func(vs ...int) {
		for _, v := range vs {
			_ = h.WriteByte(byte(v))
		}
	}
	text := func(ts ...string) {
		for _, t := range ts {
			_, _ = h.WriteString(t)
			_ = h.WriteByte(0)
		}
	}
	at := func(t time.Duration) int { return int(max(t-time.Duration(w.now), -8)) }
	epoch := func(e int64) int { return int(max(e-w.row.Epoch, -9)) }
	row := func(r Row) { put(epoch(r.Epoch), b2i(r.Soft)); text(r.Writer, r.Target, r.Holder) }
	beats := map[string]int64{}
	for _, p := range w.peers {
		beats[p.ID] = p.Beat
	}
	peers := func(ps []Peer) {
		put(len(ps))
		for _, p := range ps {
			text(p.ID, strings.Join(p.Sees, ""))
			put(epoch(p.Epoch), epoch(p.Acked), int(max(p.Beat-beats[p.ID], -9)))
		}
	}
	msg := func(m *message) {
		if put(int(m.state)); m.state != idle {
			put(int(m.step.Do), epoch(m.step.Epoch), at(time.Duration(m.at)), int(m.sees))
			row(m.row)
			row(m.sight.Row)
			peers(m.sight.Peers)
			for _, p := range w.peers {
				put(int(max(m.step.Others[p.ID]-p.Beat, -9)))
			}
		}
	}
	row(w.row)
	peers(w.peers)
	if w.prev != nil {
		row(w.prev.Row)
		peers(w.prev.Peers)
	}
	l := w.left
	put(int(w.gone), int(l.ticks), int(l.lates), int(l.losses), int(l.sights), int(l.deaths), int(l.crashes), int(l.orders), int(l.writes))
	for i := range w.g {
		g := &w.g[i]
		s := &g.st
		put(b2i(g.dead), b2i(s.known), b2i(s.fresh), b2i(s.joined), epoch(s.acked), at(s.until), at(s.confirmed), at(s.looked), at(s.entered))
		row(s.row)
		text(strings.Join(s.sees, ""), g.node)
		peers(s.peers)
		for _, p := range s.peers {
			m := s.marks[p.ID]
			put(int(max(m.beat-beats[p.ID], -9)), at(m.at), b2i(m.proved))
		}
		msg(&g.op)
		msg(&g.ghost)
		put(int(g.sees), int(g.write), int(g.runs), b2i(g.ordered), b2i(g.abort), b2i(g.early))
	}
	return h.Sum64()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// run explores everything that can follow from a state, and gives the path to a
// state that is wrong.
func explore(start world, f flaw, limit int) (states int, wrong string) {
	seed := maphash.MakeSeed()
	type place struct {
		w    world
		from int
		what string
	}
	seen := map[uint64]struct{}{start.key(seed): {}}
	queue := []place{{w: start, from: -1}}
	for at := 0; at < len(queue); at++ {
		w := queue[at].w
		w.next(f, func(what string, n world) {
			k := n.key(seed)
			if _, ok := seen[k]; ok || wrong != "" {
				return
			}
			seen[k] = struct{}{}
			queue = append(queue, place{n, at, what})
			if bad := n.wrong(); bad != "" {
				var path []string
				for i := len(queue) - 1; i > 0; i = queue[i].from {
					path = append(path, queue[i].what)
				}
				slices.Reverse(path)
				wrong = bad + ":\n  " + strings.Join(path, "\n  ")
			}
		})
		queue[at].w = world{} // Only its path is needed.
		if wrong != "" || len(seen) > limit {
			break
		}
	}
	return len(seen), wrong
}

// String gives the word for paths.
func (d Do) String() string {
	return [...]string{"wait", "read", "join", "confirm", "ack", "begin", "end", "undo"}[d]
}
