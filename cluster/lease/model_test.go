package lease

import (
	"fmt"
	"maps"
	"slices"
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
		g.st = State{Self: id, Times: Times{Term: modelTerm, Every: modelTerm / 3, Poll: 1, Patience: 4}}
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
