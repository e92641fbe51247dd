package lease

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

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

// explore goes through everything that can follow from a state, and gives the path to a
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
