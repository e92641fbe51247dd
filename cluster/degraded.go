package cluster

import (
	"fmt"
	"strings"
	"time"
)

// degradedAfter is how long there must have been no primary component before
// writes are refused: while the nodes of a split group find each other again
// everything waits, as it does without this mode.
const degradedAfter = time.Second

// degrade has nodes outside of a primary component read where no node is in
// one and the operator wants that (cluster.degraded): what they have may be
// old, and nothing is written. Such nodes are Dirty: they answer reads only
// with wsrep_dirty_reads=ON. Their grades stay never, so that nothing but
// reads goes by them.
func (b *build) degrade() {
	v := b.view
	if b.waiting() || !b.noPrimary() {
		return
	}
	if v.noPrimary = b.prev.noPrimary; v.noPrimary.IsZero() {
		v.noPrimary = b.rules.Now
	}
	if !b.rules.DegradedReads {
		return
	}
	if at := v.noPrimary.Add(degradedAfter); b.rules.Now.Before(at) {
		b.wakeAt(at)
		return
	}
	newest := false // there is one that was in the newest view
	for i := range v.Nodes {
		newest = newest || b.dirtyReads(i) && b.inNewest(i)
	}
	for i := range v.Nodes {
		if !b.dirtyReads(i) || newest && !b.inNewest(i) {
			continue
		}
		n := &v.Nodes[i]
		n.Dirty, n.Role = true, RoleReader
		v.Readers = append(v.Readers, i)
	}
	v.Degraded = len(v.Readers) > 0
}

// noPrimary says whether nodes answer and none of them is in a primary
// component.
func (b *build) noPrimary() bool {
	outside := false
	for i := range b.view.Nodes {
		n := &b.view.Nodes[i]
		switch {
		case !b.fresh[i] || !n.Status.Galera:
		case n.Status.Primary:
			return false
		default:
			outside = true
		}
	}
	return outside
}

// dirtyReads says whether a node outside of a primary component can be read:
// when it was last in one it had all its data, and they are those of the
// cluster that galley goes by.
func (b *build) dirtyReads(i int) bool {
	n, s := &b.view.Nodes[i], &b.view.Nodes[i].Status
	a := &b.view.agreed
	ours := !a.known() || s.StateUUID == a.uuid || s.StateUUID == "" && n.wasIn && n.lastUUID == a.uuid
	return b.fresh[i] && s.Galera && ours && !n.incomplete && !s.RejectsAll && !s.Maintenance && !n.Drained
}

// inNewest says whether the node was seen in the newest agreed view.
func (b *build) inNewest(i int) bool {
	n, a := &b.view.Nodes[i], &b.view.agreed
	return n.wasIn && n.lastUUID == a.uuid && n.lastConf == a.conf
}

// completeness notes whether a node in a primary component has all of its data:
// one that is still being given them is not read outside of it either.
func (n *Node) completeness() {
	if n.Status.Primary {
		n.incomplete = n.Status.State == StateJoining || n.Status.State == StateUndefined || n.Status.State == StateError
	}
}

// Outage says since when no node that answers is in a primary component, and
// what that means, in a text for people; it is empty where one is.
func (v *View) Outage() (since time.Time, text string) {
	if v.noPrimary.IsZero() {
		return time.Time{}, ""
	}
	if !v.Degraded {
		return v.noPrimary, "No primary component: no node that answers may be written or read."
	}
	var names []string
	for _, i := range v.Readers {
		names = append(names, v.Nodes[i].title())
	}
	return v.noPrimary, fmt.Sprintf("No primary component: reads only (cluster.degraded: readonly). They are answered by %s and may be old; writes are refused.", strings.Join(names, ", "))
}

// degradedChange tells when the reads of nodes outside of a primary component
// begin and end.
func degradedChange(prev, next *View) (Event, bool) {
	switch {
	case prev.Degraded == next.Degraded:
		return Event{}, false
	case next.Degraded:
		_, text := next.Outage()
		return Event{Kind: EventDegraded, Detail: text}, true
	}
	return Event{Kind: EventDegradedOver}, true
}
