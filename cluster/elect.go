package cluster

import "slices"

// elect chooses the writer. It is sticky: it stays while it is usable, is left
// for a usable node when it is only a last resort, and does not come back by
// itself. Otherwise the first usable node in order is taken. A usable node that
// was asked for comes before all.
func (b *build) elect() {
	v := b.view
	if b.waiting() {
		v.WriterReason = Starting
		b.wakeAt(b.rules.Started.Add(b.rules.Startup))
		return
	}
	if b.leased() {
		return
	}
	current := -1
	if w := b.prev.WriterNode(); w != nil {
		current = slices.IndexFunc(v.Nodes, func(n Node) bool { return n.Addr == w.Addr || (n.ID != "" && n.ID == w.ID) })
	}
	if i := slices.IndexFunc(v.Nodes, func(n Node) bool { return b.rules.Move != "" && n.Addr == b.rules.Move }); i >= 0 && v.Nodes[i].WriteGrade == Usable {
		v.switched = i != current && b.prev.leaving.IsZero()
		b.setWriter(i)
		return
	}
	if current >= 0 && b.lingers(current) {
		b.setWriter(current)
		return
	}
	for _, grade := range []Grade{Usable, LastResort} {
		if current >= 0 && v.Nodes[current].WriteGrade == grade {
			b.setWriter(current)
			return
		}
		if i := slices.IndexFunc(v.Nodes, func(n Node) bool { return n.WriteGrade == grade }); i >= 0 {
			b.setWriter(i)
			return
		}
	}
	v.WriterReason = v.whyNone()
}

// whyNone says why no node can be written to.
func (v *View) whyNone() Reason {
	why := NoNodes
	for i := range v.Nodes {
		// The reasons are listed in the order of looking for them: the
		// highest is that of the node that came furthest.
		if r := v.Nodes[i].Reason; why == NoNodes || r > why {
			why = r
		}
	}
	return why
}

// waiting says whether the first choice of a writer is to wait for configured
// nodes that have not answered yet, or have to be asked again.
func (b *build) waiting() bool {
	if b.prev.Writer >= 0 || b.prev.agreed.known() && b.prev.WriterReason != Starting ||
		!b.rules.Now.Before(b.rules.Started.Add(b.rules.Startup)) {
		return false
	}
	return slices.ContainsFunc(b.view.Nodes, func(n Node) bool {
		return n.Configured && (n.Reason == Starting || slices.Contains(b.view.reprobe, n.Addr))
	})
}

// setWriter gives the node the role.
func (b *build) setWriter(i int) {
	v := b.view
	v.Writer, v.WriterReason = i, OK
	v.Nodes[i].Role = RoleWriter
	if w := b.prev.WriterNode(); w == nil || w.Addr != v.Nodes[i].Addr {
		v.WriterSince = b.rules.Now
	}
}

// chooseReaders chooses the nodes that may be read, all of the best kind there
// is: nodes other than the writer, the writer, nodes that are a last resort,
// and at the very end nodes whose queue has taken all of their share.
func (b *build) chooseReaders() {
	v := b.view
	kinds := []func(i int, n *Node) bool{
		func(i int, n *Node) bool {
			return n.ReadGrade == Usable && n.Share > 0 && (i != v.Writer || b.rules.ReadsOnWriter)
		},
		func(i int, n *Node) bool { return n.ReadGrade == Usable && n.Share > 0 && i == v.Writer },
		func(i int, n *Node) bool { return n.ReadGrade == LastResort && n.Share > 0 && i != v.Writer },
		func(_ int, n *Node) bool { return n.ReadGrade == LastResort && n.Share > 0 },
		func(_ int, n *Node) bool { return n.ReadGrade != Never },
	}
	for _, kind := range kinds {
		for i := range v.Nodes {
			if kind(i, &v.Nodes[i]) {
				v.Readers = append(v.Readers, i)
				v.readers = append(v.readers, v.Nodes[i].Backend)
				if i != v.Writer {
					v.Nodes[i].Role = RoleReader
				}
			}
		}
		if len(v.Readers) > 0 {
			return
		}
	}
}
