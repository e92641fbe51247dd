package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// apart notes since when the node has shown itself in a primary component that
// is not the agreed one. No answer for a moment changes nothing; a refused
// connection, or an answer from elsewhere, does.
func (b *build) apart(i int) {
	n, a := &b.view.Nodes[i], &b.view.agreed
	was := b.before(n.Addr)
	c, ok := b.claims(i)
	switch {
	case ok && a.known() && c != a.claim:
		n.apartSince = b.rules.Now
		if was != nil && !was.apartSince.IsZero() {
			n.apartSince = was.apartSince
		}
		n.Apart = was != nil && was.Apart || b.twoPrimaries(n, c)
	case !ok && !b.fresh[i] && was != nil && !b.obs[i].Refused && b.rules.Now.Sub(n.LastSeen) < b.rules.Forget:
		n.apartSince, n.Apart = was.apartSince, was.Apart
	}
	if n.Apart && ok && c.uuid != a.uuid && a.confirmed.After(n.apartSince) && !slices.Contains(a.rivals, c.uuid) {
		a.rivals = append(slices.Clone(a.rivals), c.uuid)
	}
}

// mayReplace says whether another UUID may replace the known one as far as
// their data go. One that was seen beside it has lost what the known one
// acknowledged since: it is followed only when most nodes of the known view
// have joined it, which is what an operator does to choose it.
func (b *build) mayReplace(known *agreement, id string, tallies []tally) bool {
	if !slices.Contains(known.rivals, id) {
		return true
	}
	joined := 0
	for i := range tallies {
		if tallies[i].uuid == id {
			joined += b.knownIn(known, &tallies[i])
		}
	}
	return 2*joined > len(known.holders)
}

// twoPrimaries says whether a claim besides the agreed one is no mere delay.
// Another UUID is another history of data as soon as the nodes have had time to
// install the agreed view. With the same one the node may have been cut off or
// stopped: Galera itself finds that out within 6 s, so after Forget it is a
// second primary component.
func (b *build) twoPrimaries(n *Node, c claim) bool {
	a := &b.view.agreed
	stands := b.rules.Forget
	if c.uuid != a.uuid {
		stands = b.rules.Settle
	}
	return !n.Began.Before(a.since.Add(b.rules.Settle)) && b.rules.Now.Sub(n.apartSince) >= stands
}

// Apart lists the addresses of the nodes that are in another primary component
// than the one galley goes by: a split brain, if there are any.
func (v *View) Apart() []string {
	var out []string
	for i := range v.Nodes {
		if v.Nodes[i].Apart {
			out = append(out, v.Nodes[i].Addr)
		}
	}
	return out
}

// SplitBrain tells of nodes that are in another primary component, in a text
// for people; it is empty when there are none.
func (v *View) SplitBrain() string {
	var parts []string
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Apart {
			parts = append(parts, fmt.Sprintf("%s (cluster %s, %s)", n.Addr, n.Status.StateUUID, viewText(n.Status.ConfID, n.Status.ClusterSize)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("in another primary component: %s; galley stays with cluster %s, %s",
		strings.Join(parts, ", "), v.StateUUID, viewText(v.ConfID, v.Size))
}

// viewText names a view of the group for people.
func viewText(conf int64, size int) string {
	if size == 1 {
		return fmt.Sprintf("view number %d with 1 member", conf)
	}
	return fmt.Sprintf("view number %d with %d members", conf, size)
}

// splitChange tells when the nodes of another primary component are not the
// ones from before.
func splitChange(prev, next *View) (Event, bool) {
	was, is := prev.Apart(), next.Apart()
	switch {
	case slices.Equal(was, is):
		return Event{}, false
	case len(is) == 0:
		return Event{Kind: EventSplitBrainOver, Detail: "was at " + strings.Join(was, ", ")}, true
	}
	return Event{Kind: EventSplitBrain, Detail: next.SplitBrain()}, true
}
