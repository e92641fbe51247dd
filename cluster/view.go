// Package cluster is what Galera says: it asks each node, judges the answers,
// and puts them together into one immutable View with a writer and readers. It
// also imports the cluster's accounts and the facts that a MySQL greeting
// needs.
//
// It carries no client's traffic and keeps no connections for sessions; it
// never changes anything on a node.
//
// The one thing to know first: everything is decided in pure functions over
// values (ParseStatus, Classify, BuildView); Monitor does the I/O around them
// and publishes each View behind an atomic pointer that the data path reads.
package cluster

import (
	"net/netip"
	"time"

	"galley/balancer"
)

// Role is what a node does in a view.
type Role uint8

// The roles.
const (
	RoleNone Role = iota
	RoleReader
	RoleWriter
)

// String gives the word for logs, metrics and the page.
func (r Role) String() string {
	switch r {
	case RoleNone:
		return "none"
	case RoleReader:
		return "reader"
	case RoleWriter:
		return "writer"
	}
	return "unknown"
}

// Node is one member, or one that should be, as a view has it.
type Node struct {
	ID         string // wsrep_gcomm_uuid of its newest answer; empty before the first
	Addr       string // where galley dials it
	Name       string // from the configuration, else the node's own
	Configured bool
	SeenAs     netip.Addr // galley's address as this node sees it; invalid before the first answer
	Remote     netip.AddrPort
	Backend    *balancer.Backend // the same over all views for the same address
	Status     Status            // newest answer, zero before the first
	Role       Role
	WriteGrade Grade
	ReadGrade  Grade
	Reason     Reason
	Err        string    // what the newest probe failed with; empty when it did not
	Share      float64   // part of its normal reads, by its receive queue
	Load       float64   // reported load that Backend carries
	Began      time.Time // begin of the newest answered probe
	LastSeen   time.Time // end of the newest answered probe
	LostSince  time.Time // since when it is not usable for anything; zero while it is
	Drained    bool      // an operator has taken it out, whatever else there is about it
	// Evicted says that the newest view of the primary component no longer
	// has this node: what is in flight there will not commit. A discovered
	// node stays in the view for ten seconds after that, so that whoever holds
	// connections to it sees it.
	Evicted bool
	// Apart says that it is in another primary component than the one galley
	// goes by: a split brain.
	Apart bool
	// Dirty says that it is read outside of a primary component: with
	// wsrep_dirty_reads=ON, as the view is Degraded.
	Dirty bool

	rank     int // order in the configuration; discovered ones come last
	blocked  bool
	wasIn    bool // was in the agreed view once, as the node ID
	lastConf int64
	lastUUID string
	silent   time.Time // when it last claimed the agreed view
	evicted  time.Time // since when it is Evicted
	// apartSince is since when it has claimed another primary component.
	apartSince time.Time
	stale      bool // Status is what it said before it fell silent
	incomplete bool // when it was last in a primary component, it lacked data
}

// View is one picture of the cluster. It is immutable: everything reachable
// from it, except the atomics in a Backend, stays as it is.
type View struct {
	Version   uint64 // grows with each change of anything a session may care for
	ConfID    int64  // of the view the nodes agree on; -1 when there is none
	StateUUID string
	Size      int      // of the agreed view, arbitrators included
	Members   []string // client addresses in the agreed view, AUTO and empty ones left out
	At        time.Time
	Nodes     []Node // in configured order, then by address
	Writer    int    // index into Nodes, or -1
	// WriterReason says why there is no writer; OK when there is one.
	WriterReason Reason
	WriterSince  time.Time
	Readers      []int // usable for reads now, best grade only
	Server       ServerFacts
	Events       []Event // what is different from the view before
	// Degraded says that no node is in a primary component and that Readers
	// are outside of one: they are read all the same, and nothing is written.
	Degraded bool

	switched bool // the writer is another one because that was asked for

	lease   *Lease // nil where galley decides alone
	agreed  agreement
	reprobe []string  // addresses whose answers are too old to judge them by
	leaving time.Time // since when its writer is to be left in order; zero where it is not
	wake    time.Time // when time alone changes the view; zero for never
	// noPrimary is since when no node that answers is in a primary component.
	noPrimary time.Time
	readers   []*balancer.Backend
}

// WriterNode is the writer, or nil.
func (v *View) WriterNode() *Node {
	if v.Writer < 0 {
		return nil
	}
	return &v.Nodes[v.Writer]
}

// PickReader chooses the least loaded reader; it may be the writer. It is nil
// when no node may be read. It takes no lock and allocates nothing.
func (v *View) PickReader() *Node { return v.PickReaderExcept(nil) }

// PickReaderExcept is PickReader for a further attempt: skip lists those that
// have had theirs.
func (v *View) PickReaderExcept(skip []*balancer.Backend) *Node {
	b := balancer.LeastLoaded(v.readers, balancer.Pick{Skip: skip})
	if b == nil && len(v.readers) > 0 {
		// All of them have lost their share, their weight or their state since
		// the view was made: a reader that is left is better than none.
		b = balancer.First(v.readers, balancer.Pick{Skip: skip})
	}
	if b == nil {
		w := v.WriterNode()
		if w == nil || w.ReadGrade == Never || !(balancer.Pick{Skip: skip}).Fits(w.Backend) {
			return nil
		}
		return w
	}
	for _, i := range v.Readers {
		if v.Nodes[i].Backend == b {
			return &v.Nodes[i]
		}
	}
	return nil
}

// Node finds a node by its address or its name.
func (v *View) Node(key string) *Node {
	for i := range v.Nodes {
		if v.Nodes[i].Addr == key || v.Nodes[i].Name == key {
			return &v.Nodes[i]
		}
	}
	return nil
}
