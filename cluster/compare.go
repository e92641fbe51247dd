package cluster

import (
	"fmt"
	"slices"
)

// differences lists what has changed from one view to the next.
func differences(prev, next *View) []Event {
	var events []Event
	add := func(e Event) {
		e.At = next.At
		events = append(events, e)
	}
	for i := range next.Nodes {
		n := &next.Nodes[i]
		was := prev.at(n.Addr)
		if was == nil {
			add(Event{Kind: EventNodeAdded, Addr: n.Addr, To: n.Reason, Detail: n.Err})
			continue
		}
		if was.ID != "" && n.ID != "" && was.ID != n.ID {
			add(Event{Kind: EventNodeRestarted, Addr: n.Addr, From: was.Reason, To: n.Reason})
		}
		if was.Reason != n.Reason {
			add(Event{Kind: EventNodeChanged, Addr: n.Addr, From: was.Reason, To: n.Reason, Detail: n.Err})
		}
		if n.Evicted && !was.Evicted {
			add(Event{Kind: EventNodeEvicted, Addr: n.Addr, From: was.Reason, To: n.Reason})
		}
	}
	for i := range prev.Nodes {
		if next.at(prev.Nodes[i].Addr) == nil {
			add(Event{Kind: EventNodeRemoved, Addr: prev.Nodes[i].Addr, From: prev.Nodes[i].Reason, To: Removed})
		}
	}
	switch {
	case next.StateUUID != prev.StateUUID:
		add(Event{Kind: EventClusterChanged, Detail: fmt.Sprintf("cluster %s, %s", next.StateUUID, viewText(next.ConfID, next.Size))})
	case next.agreed.claim != prev.agreed.claim:
		add(Event{Kind: EventViewChanged, Detail: viewText(next.ConfID, next.Size)})
	}
	if e, changed := splitChange(prev, next); changed {
		add(e)
	}
	if e, changed := degradedChange(prev, next); changed {
		add(e)
	}
	if e, changed := writerChange(prev, next); changed {
		add(e)
	}
	return events
}

// writerChange tells of another writer, and why the old one was left.
func writerChange(prev, next *View) (Event, bool) {
	was, is := prev.WriterNode(), next.WriterNode()
	e := Event{Kind: EventWriterChanged, From: prev.WriterReason, To: next.WriterReason}
	if was != nil {
		e.Was, e.From = was.Addr, Removed
		if now := next.at(was.Addr); now != nil {
			e.From, e.Detail = now.Reason, now.Err
		}
	}
	if is != nil {
		e.Addr = is.Addr
	}
	if next.switched {
		e.From, e.Detail = Switchover, ""
	}
	return e, e.Was != e.Addr
}

// at finds the node at an address.
func (v *View) at(addr string) *Node {
	for i := range v.Nodes {
		if v.Nodes[i].Addr == addr {
			return &v.Nodes[i]
		}
	}
	return nil
}

// sameUse says whether two views are the same for all that sessions care for.
func sameUse(a, b *View) bool {
	if a.agreed.claim != b.agreed.claim || a.Writer != b.Writer || a.WriterReason != b.WriterReason || a.Degraded != b.Degraded || a.leaving != b.leaving ||
		a.Server != b.Server || !slices.Equal(a.Readers, b.Readers) {
		return false
	}
	return slices.EqualFunc(a.Nodes, b.Nodes, func(x, y Node) bool {
		return x.Addr == y.Addr && x.ID == y.ID && x.Name == y.Name && x.Reason == y.Reason && x.Role == y.Role &&
			x.Backend == y.Backend && x.WriteGrade == y.WriteGrade && x.ReadGrade == y.ReadGrade && x.Evicted == y.Evicted && x.Drained == y.Drained && x.Dirty == y.Dirty
	})
}
