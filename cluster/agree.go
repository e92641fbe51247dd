package cluster

import (
	"slices"
	"time"
)

// claim is the view of the group that a node says it is in. Two views of one
// number and different sizes are a split group.
type claim struct {
	uuid string
	conf int64
	size int
}

// tally is a claim and who makes it.
type tally struct {
	claim
	first time.Time // when it was first seen
	nodes []int
}

// holder is a node that was seen in the agreed view.
type holder struct{ addr, id string }

// agreement is the view of the group that galley goes by. It outlives the
// answers it came from: a node that was left behind is recognised even when it
// is the only one that answers.
type agreement struct {
	claim
	since     time.Time // when it was first seen
	replaced  bool      // it came after another one, from which nodes may be late
	confirmed time.Time // begin of the newest probe that found a node in it
	holders   []holder
	members   []string
	rivals    []string // other UUIDs that were seen beside this one, each with data of its own
	seen      []tally  // all claims of the last build, for when each was first seen
}

// known says whether there is an agreement at all.
func (a *agreement) known() bool { return a.uuid != "" }

// claims gives what the node claims, if its answer stands and it is in a
// primary component.
func (b *build) claims(i int) (claim, bool) {
	s := &b.view.Nodes[i].Status
	if !b.fresh[i] || !s.Galera || !s.Primary || s.StateUUID == "" || s.ConfID < 0 {
		return claim{}, false
	}
	return claim{s.StateUUID, s.ConfID, s.ClusterSize}, true
}

// agree finds the view that the nodes agree on, and keeps the known one when
// what they say now cannot replace it.
func (b *build) agree() {
	known := &b.prev.agreed
	tallies := b.tally(known)
	next := *known
	next.seen = tallies
	if t := b.choose(known, tallies); t != nil {
		if t.uuid != known.uuid {
			next.rivals = nil
		}
		if t.claim != known.claim {
			next.claim, next.since, next.replaced, next.holders = t.claim, b.rules.Now, known.known(), nil
		}
		b.hold(&next, t)
	}
	b.view.agreed = next
	b.view.ConfID, b.view.StateUUID, b.view.Size, b.view.Members = next.conf, next.uuid, next.size, next.members
}

// tally counts who claims what.
func (b *build) tally(known *agreement) []tally {
	var tallies []tally
	for i := range b.view.Nodes {
		c, ok := b.claims(i)
		if !ok {
			continue
		}
		at := slices.IndexFunc(tallies, func(t tally) bool { return t.claim == c })
		if at < 0 {
			t := tally{claim: c, first: b.rules.Now}
			if j := slices.IndexFunc(known.seen, func(s tally) bool { return s.claim == c }); j >= 0 {
				t.first = known.seen[j].first
			}
			tallies, at = append(tallies, t), len(tallies)
		}
		tallies[at].nodes = append(tallies[at].nodes, i)
	}
	return tallies
}

// hold notes who is in the agreed view, and whom it says to be its members.
func (b *build) hold(a *agreement, t *tally) {
	holders := slices.Clone(a.holders)
	for n, i := range t.nodes {
		node := &b.view.Nodes[i]
		node.wasIn, node.lastConf, node.lastUUID, node.silent = true, t.conf, t.uuid, b.rules.Now
		node.Evicted = false
		at := slices.IndexFunc(holders, func(h holder) bool { return h.addr == node.Addr })
		if at < 0 {
			holders = append(holders, holder{node.Addr, node.ID})
		} else {
			holders[at].id = node.ID
		}
		if node.Began.After(a.confirmed) {
			a.confirmed = node.Began
		}
		if n == 0 {
			a.members = announced(node.Status.Members)
		}
	}
	a.holders = holders
}

// announced takes AUTO, empty entries (arbitrators) and repeats out of a
// member list.
func announced(list []string) []string {
	var out []string
	for _, m := range list {
		if hostPort(m) && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// choose picks the claim to go by, or nil to stay with the known one.
func (b *build) choose(known *agreement, tallies []tally) *tally {
	id := b.chooseUUID(known, tallies)
	if id == "" {
		return nil
	}
	var same []*tally
	for i := range tallies {
		if tallies[i].uuid == id {
			same = append(same, &tallies[i])
		}
	}
	slices.SortStableFunc(same, func(x, y *tally) int {
		if x.conf != y.conf {
			return int(y.conf - x.conf)
		}
		return b.knownIn(known, y) - b.knownIn(known, x)
	})
	refused := false // the known view itself turned out to be a minority's
	for _, t := range same {
		if known.uuid == id && t.conf < known.conf && !refused && !b.bornAnew(known, t) {
			return nil
		}
		if !b.minority(known, t, same) {
			return t
		}
		refused = true
	}
	return same[0]
}

// chooseUUID picks the cluster. The known one stays as long as any node is in
// it; another one replaces it only where a node of the known cluster is now in
// that one and none can be left in the known one: a foreign node in the
// configuration must never get the writes of a cluster that is out of sight.
func (b *build) chooseUUID(known *agreement, tallies []tally) string {
	votes, order := map[string]int{}, []string{}
	for _, t := range tallies {
		if votes[t.uuid] == 0 {
			order = append(order, t.uuid)
		}
		votes[t.uuid] += len(t.nodes)
	}
	if votes[known.uuid] > 0 && known.known() {
		return known.uuid
	}
	if known.known() && !b.gone(known) {
		return ""
	}
	best := ""
	for _, id := range order {
		if known.known() && !slices.ContainsFunc(tallies, func(t tally) bool { return t.uuid == id && b.knownIn(known, &t) > 0 }) || !b.mayReplace(known, id, tallies) {
			continue
		}
		if best == "" || votes[id] > votes[best] {
			best = id
		}
	}
	return best
}

// knownIn counts the claimants that were seen in the known view.
func (b *build) knownIn(known *agreement, t *tally) int {
	n := 0
	for _, i := range t.nodes {
		if slices.ContainsFunc(known.holders, func(h holder) bool { return h.addr == b.view.Nodes[i].Addr }) {
			n++
		}
	}
	return n
}

// minority says whether more nodes than the claimed view has members are
// surely outside of it: a part of a split group that was made primary by hand,
// or one bootstrapped twice. Answers from before the view was first seen say
// nothing about it.
func (b *build) minority(known *agreement, t *tally, same []*tally) bool {
	outside, theirs := 0, 0
	for _, other := range same {
		if other == t {
			continue
		}
		for _, i := range other.nodes {
			if !b.view.Nodes[i].Began.Before(t.first.Add(b.rules.Settle)) {
				outside++
			}
		}
		theirs += b.knownIn(known, other)
	}
	return outside > t.size || (outside == t.size && theirs > b.knownIn(known, t))
}

// bornAnew says whether a view with a lower number than the known one is that
// of a cluster that was bootstrapped since (the count starts at 1 again), not
// that of a node left behind.
func (b *build) bornAnew(known *agreement, t *tally) bool {
	if !b.gone(known) {
		return false
	}
	if b.rules.Now.Sub(known.confirmed) >= b.rules.Forget {
		return true
	}
	for _, i := range t.nodes {
		n := &b.view.Nodes[i]
		// Uptime counts whole seconds.
		if !n.Began.Add(-n.Status.Uptime - 2*time.Second).Before(known.confirmed) {
			return true
		}
		at := slices.IndexFunc(known.holders, func(h holder) bool { return h.addr == n.Addr })
		if at >= 0 && known.holders[at].id != n.ID {
			return true
		}
	}
	return false
}

// gone says whether no node can still be in the known view: each one seen in
// it answers that it is elsewhere, does not listen any more, or has been
// silent for long.
func (b *build) gone(known *agreement) bool {
	for _, h := range known.holders {
		i := slices.IndexFunc(b.view.Nodes, func(n Node) bool { return n.Addr == h.addr })
		if i < 0 || b.obs[i].Refused {
			continue
		}
		if c, ok := b.claims(i); ok && c != known.claim {
			continue
		} else if !ok && b.fresh[i] {
			continue
		}
		if last := b.view.Nodes[i].silent; b.rules.Now.Sub(last) < b.rules.Forget {
			b.wakeAt(last.Add(b.rules.Forget))
			return false
		}
	}
	return true
}

// crossCheck refuses a node that is not in the agreed view, however healthy it
// says it is. A node in use is refused only on a probe that began after that
// view was seen, or when it has left; one out of use comes back only on such a
// probe. Either way it is asked again at once.
func (b *build) crossCheck(i int) {
	n, a := &b.view.Nodes[i], &b.view.agreed
	c, ok := b.claims(i)
	if a.known() {
		b.evict(i, ok && c == a.claim)
	}
	if !n.usable() {
		return
	}
	if !ok || !a.known() {
		n.refuse(NonPrimary) // says that it is in a primary component, but not in which
		return
	}
	late := !n.Began.Before(a.since.Add(b.rules.Settle))
	switch {
	case c == a.claim && (late || !a.replaced || b.used(n.Addr)):
		return
	case !late:
		b.view.reprobe = append(b.view.reprobe, n.Addr)
	}
	switch {
	case c.uuid != a.uuid: // no change of view explains that
		n.refuse(ForeignClusterUUID)
	case late || !b.used(n.Addr) || b.left(i):
		n.refuse(BehindView)
	}
}

// left says whether a node in use whose answer is from before the agreed view
// is surely not in that one, so that it is given nothing more until it has
// answered again. A member that was in use itself has to say so: one that was
// not may have been made primary by hand, and the others go on. The writer
// keeps its role until its own answer, for the same reason.
func (b *build) left(i int) bool {
	n := &b.view.Nodes[i]
	if w := b.prev.WriterNode(); !n.Evicted || w != nil && w.Addr == n.Addr {
		return false
	}
	for j := range b.view.Nodes {
		if c, ok := b.claims(j); ok && c == b.view.agreed.claim && b.used(b.view.Nodes[j].Addr) {
			return true
		}
	}
	return false
}

// evict notes whether the agreed view has gone on without the node: it was in
// an earlier one and either all members of this one are accounted for without
// it, or its address is not among them.
func (b *build) evict(i int, in bool) {
	n, a := &b.view.Nodes[i], &b.view.agreed
	switch {
	case in || !n.wasIn:
		n.Evicted = false
	case n.lastUUID != a.uuid:
		n.Evicted = true
	case n.lastConf >= a.conf:
		n.Evicted = n.lastConf > a.conf // the cluster was born anew
	default:
		n.Evicted = b.accounted(i) || b.unlisted(i)
	}
	switch {
	case !n.Evicted:
		n.evicted = time.Time{}
	case n.evicted.IsZero():
		n.evicted = b.rules.Now
	}
}

// accounted says whether every member of the agreed view that is no arbitrator
// is a node seen in it. Arbitrators are listed without an address; so is a node
// that announces none, which may then be the one in question.
func (b *build) accounted(i int) bool {
	a := &b.view.agreed
	seen, size := 0, a.size
	for j := range b.view.Nodes {
		if c, ok := b.claims(j); ok && c == a.claim {
			if seen++; seen == 1 && b.view.Nodes[i].Status.Incoming != "" {
				for _, m := range b.view.Nodes[j].Status.Members {
					if m == "" {
						size--
					}
				}
			}
		}
	}
	return seen > 0 && seen >= size
}

// unlisted says whether the agreed view names the client addresses of all its
// members and the node's is not among them.
func (b *build) unlisted(i int) bool {
	a, n := &b.view.agreed, &b.view.Nodes[i]
	if len(a.members) < a.size || n.Incoming() == "" {
		return false
	}
	return !slices.Contains(a.members, n.Incoming()) && !slices.Contains(a.members, n.Addr)
}

// Incoming is the client address that the node announces to the group, if it
// says one.
func (n *Node) Incoming() string {
	if hostPort(n.Status.Incoming) {
		return n.Status.Incoming
	}
	return ""
}
