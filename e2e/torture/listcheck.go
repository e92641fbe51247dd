package torture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// checkLists says what of the transactions cannot have been, given the lists at the end. It is pure.
func checkLists(txns []txn, final map[int][]int64) []string {
	g := graph{txns: txns, edges: make([][]edge, len(txns)), writer: map[int64]int{}, final: final}
	found := g.values()
	found = append(found, g.reads()...)
	if len(found) > 0 {
		return found // An order cannot be found from lists that contradict each other.
	}
	g.orderOfLists()
	g.orderOfReads()
	g.orderOfTime()
	return g.cycles()
}

// graph has an edge from each transaction to those that must come behind it.
type graph struct {
	txns   []txn
	edges  [][]edge
	writer map[int64]int // Of each value.
	final  map[int][]int64
}

type edge struct {
	to  int
	why string
}

func (g *graph) add(from, to int, why string) {
	if from != to {
		g.edges[from] = append(g.edges[from], edge{to, why})
	}
}

// values looks for what was lost, doubled, or seen though it was refused.
func (g *graph) values() []string {
	var found []string
	told := map[int64]Outcome{}
	for i, t := range g.txns {
		for _, op := range t.ops {
			if op.append {
				g.writer[op.value] = i
				told[op.value] = t.outcome
			}
		}
	}
	there := map[int64]int{}
	for key, list := range g.final {
		for _, v := range list {
			there[v]++
			if _, known := g.writer[v]; !known {
				found = append(found, fmt.Sprintf("list %d has %d, which nobody appended", key, v))
			}
		}
	}
	return append(found, compareOnce("value", told, there)...)
}

// reads looks for reads that are no beginning of the list at the end: they saw something that was taken back, or another order.
func (g *graph) reads() []string {
	var found []string
	for i, t := range g.txns {
		if t.outcome != OK {
			continue
		}
		for _, op := range t.ops {
			list := g.final[op.key]
			if !op.append && (len(op.read) > len(list) || !slices.Equal(op.read, list[:len(op.read)])) {
				found = append(found, fmt.Sprintf("transaction %d read %v of list %d, which is %v at the end", i, op.read, op.key, list))
			}
		}
	}
	return found
}

// orderOfLists: who appended first comes first.
func (g *graph) orderOfLists() {
	for key, list := range g.final {
		for i := 1; i < len(list); i++ {
			g.add(g.writer[list[i-1]], g.writer[list[i]], fmt.Sprintf("appended to list %d before", key))
		}
	}
}

// orderOfReads: a reader comes behind who appended the last that it saw, and before who appended the first that it did not.
func (g *graph) orderOfReads() {
	for i, t := range g.txns {
		if t.outcome != OK {
			continue
		}
		for _, op := range t.ops {
			if op.append {
				continue
			}
			n, list := len(op.read), g.final[op.key]
			if n > 0 {
				g.add(g.writer[list[n-1]], i, fmt.Sprintf("its value in list %d was seen by", op.key))
			}
			if n < len(list) {
				g.add(i, g.writer[list[n]], fmt.Sprintf("did not see in list %d the value of", op.key))
			}
		}
	}
}

// orderOfTime: what was written and acknowledged before another began comes before it. Only edges from the newest ones are needed, the others follow.
// A read gives no such edge: it may see what is committed and not yet acknowledged, and the next one, on another node, not yet.
func (g *graph) orderOfTime() {
	type moment struct {
		at    int64
		txn   int
		begin bool
	}
	var moments []moment
	for i, t := range g.txns {
		moments = append(moments, moment{t.began, i, true})
		if t.outcome == OK && t.appends() {
			moments = append(moments, moment{t.ended, i, false})
		}
	}
	slices.SortFunc(moments, func(a, b moment) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		return cmp.Compare(b2i(b.begin), b2i(a.begin)) // At the same instant nothing is known.
	})
	var newest []int // Ended, and nothing that began behind their end has ended.
	for _, m := range moments {
		if m.begin {
			for _, before := range newest {
				g.add(before, m.txn, "was acknowledged before the begin of")
			}
			continue
		}
		began := g.txns[m.txn].began
		newest = slices.DeleteFunc(newest, func(before int) bool { return g.txns[before].ended < began })
		newest = append(newest, m.txn)
	}
}

func (t *txn) appends() bool {
	return slices.ContainsFunc(t.ops, func(op listOp) bool { return op.append })
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cycles gives one short cycle of each knot of transactions that would have to come before themselves.
func (g *graph) cycles() []string {
	var found []string
	for _, knot := range g.knots() {
		if len(knot) > 1 {
			found = append(found, g.describe(g.shortest(knot)))
		}
	}
	return found
}

// knots are the strongly connected components (Tarjan, without recursion).
func (g *graph) knots() [][]int {
	n := len(g.txns)
	index, low, on := make([]int, n), make([]int, n), make([]bool, n)
	var stack []int
	var knots [][]int
	count := 0
	type frame struct{ node, next int }
	for root := range n {
		if index[root] != 0 {
			continue
		}
		frames := []frame{{root, 0}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			v := f.node
			if f.next == 0 {
				count++
				index[v], low[v], on[v] = count, count, true
				stack = append(stack, v)
			}
			if f.next < len(g.edges[v]) {
				to := g.edges[v][f.next].to
				f.next++
				if index[to] == 0 {
					frames = append(frames, frame{to, 0})
				} else if on[to] {
					low[v] = min(low[v], index[to])
				}
				continue
			}
			if low[v] == index[v] {
				at := slices.Index(stack, v)
				for _, w := range stack[at:] {
					on[w] = false
				}
				knots = append(knots, slices.Clone(stack[at:]))
				stack = stack[:at]
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				parent := frames[len(frames)-1].node
				low[parent] = min(low[parent], low[v])
			}
		}
	}
	return knots
}

// step is one edge of a way through a knot.
type step struct {
	from int
	edge edge
}

// shortest finds a shortest cycle through a member of a knot.
func (g *graph) shortest(knot []int) []step {
	inside := map[int]bool{}
	for _, v := range knot {
		inside[v] = true
	}
	var best []step
	for _, start := range knot[:min(len(knot), 50)] {
		came := map[int]step{}
		queue := []int{start}
		for len(queue) > 0 {
			v := queue[0]
			queue = queue[1:]
			for _, e := range g.edges[v] {
				if !inside[e.to] {
					continue
				}
				if _, seen := came[e.to]; seen {
					continue
				}
				came[e.to] = step{v, e}
				queue = append(queue, e.to)
			}
			if _, back := came[start]; back {
				break
			}
		}
		var way []step
		for at := start; ; {
			s := came[at]
			way = append([]step{s}, way...)
			if at = s.from; at == start {
				break
			}
		}
		if best == nil || len(way) < len(best) {
			best = way
		}
	}
	return best
}

func (g *graph) describe(way []step) string {
	var b strings.Builder
	b.WriteString("a cycle: ")
	for _, s := range way {
		fmt.Fprintf(&b, "T%d %s ", s.from, s.edge.why)
	}
	fmt.Fprintf(&b, "T%d", way[0].from)
	return b.String()
}
