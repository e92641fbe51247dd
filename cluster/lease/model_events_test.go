package lease

import (
	"time"
)

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
