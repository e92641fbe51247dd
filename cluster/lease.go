package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/balancer"
	"galley/cluster/lease"
)

// The values of LeaseOptions.Mode.
const (
	// LeaseAuto keeps a lease where the monitor user may, and goes without
	// where it may not.
	LeaseAuto = "auto"
	// LeaseOff goes without: then there must be no other galley.
	LeaseOff = "off"
	// LeaseRequired writes nothing without a lease.
	LeaseRequired = "required"
)

// Times that are no settings, each with its reason.
const (
	// leasePoll is how often the rows are read while the writer moves: it is a
	// part of the pause that clients see.
	leasePoll = 20 * time.Millisecond
	// leaseGlance is how often they are read else, where there are other
	// galleys: one of them may hold its writes until this one has stopped.
	leaseGlance = 200 * time.Millisecond
	// leaseRetry is how long after an error the next attempt comes.
	leaseRetry = 100 * time.Millisecond
	// leaseAgain is how often a galley that may not keep a lease tries again.
	leaseAgain = time.Minute
	// leaseForget is how long the row of a galley that is gone is kept.
	leaseForget = 10 * time.Minute
	// leaseBeats is how many confirmations are due in a term. While a member is
	// lost and not yet evicted none comes through, for 6 s, and reads that must
	// see what other galleys have acknowledged are sure of the writer for no
	// longer than the newest one holds.
	leaseBeats = 6
	// leaseBye is how long the end of a galley may take to say so.
	leaseBye = time.Second
)

// LeaseOptions are what a Lease needs.
type LeaseOptions struct {
	Mode   string
	Schema string
	Term   time.Duration
	Logger hclog.Logger
	// Quiet says whether nothing of this galley is under way on a node that was
	// the writer: no statement, and where soft says so no transaction. Nil for
	// statements in flight as the backend counts them.
	Quiet func(n *Node, soft bool) bool
}

// Lease agrees with other galleys on one writer, by rows in the cluster. Run
// owns its goroutine; the other methods may be called from any.
type Lease struct {
	opts    LeaseOptions
	monitor *Monitor
	log     hclog.Logger
	self    string
	name    string
	origin  time.Time // what the times of lease.State are counted from
	kick    chan struct{}
	grant   atomic.Pointer[leaseGrant]
	waiting atomic.Bool // a confirmation is in flight

	mu     sync.Mutex
	phase  leasePhase
	state  LeaseState
	order  *switchOrder
	drains []drainOrder

	// Owned by Run.
	shared   *sharedDrains
	drained  []string // names, as the rows have them
	hard     int64    // the epoch of the newest move that did not wait for what was open
	rules    lease.State
	store    leaseStore
	at       string // the node that store asks
	link     *link
	login    credentials
	reported string
	tidied   time.Time
	joined   time.Duration // when its own row was written, until the rows were read behind that
	still    time.Duration // until when it writes nothing, as it has come new to others
	looked   time.Duration // when the rows were read
}

// leasePhase is how far a galley has come with the lease.
type leasePhase uint8

const (
	leaseUnknown leasePhase = iota // not asked yet: nothing may be written
	leaseMissing                   // there is none, and this galley may not make one
	leaseKept
)

// leaseGrant is what may be sent now; it is not changed after it was stored.
type leaseGrant struct {
	off    bool // there is no lease: the view's writer is this galley's own choice
	writer string
	permit lease.Permit
	until  time.Time
	moving bool
	cut    bool // the newest move did not wait for what was open on the writer
	// alone is until when this galley is surely the only one that acknowledges
	// writes, as time since origin; for ever where there is no lease.
	alone time.Duration
}

// LeaseState is how the lease is doing, for the page and for check.
type LeaseState struct {
	Off     bool // by the configuration
	Kept    bool // it is in use
	Missing *LeaseGrant
	Err     error // of the newest attempt; nil if it worked
	Epoch   int64
	Writer  string // address, as galley dials it
	Target  string // where it moves to; empty while it does not
	Until   time.Time
	Holder  string // the galley that made the last change
	Own     bool   // that is this one
	Peers   int    // other galleys that are there
}

// NewLease makes a lease and ties the monitor to it: without it there is no
// writer until Run has found out how things are. Call it before Monitor.Run.
func NewLease(m *Monitor, o LeaseOptions) (*Lease, error) {
	switch {
	case m == nil || o.Logger == nil:
		return nil, errors.New("cluster: a lease needs a monitor and a logger")
	case o.Mode != LeaseAuto && o.Mode != LeaseOff && o.Mode != LeaseRequired:
		return nil, fmt.Errorf("cluster: no such lease: %q", o.Mode)
	case o.Mode != LeaseOff && (o.Schema == "" || o.Term <= 0):
		return nil, errors.New("cluster: a lease needs a schema and a term")
	}
	if o.Quiet == nil {
		o.Quiet = func(n *Node, _ bool) bool { return n.Backend.InFlight() == 0 }
	}
	host, _ := os.Hostname() // For people only.
	l := &Lease{
		opts: o, monitor: m, log: o.Logger, self: rand.Text(), name: fmt.Sprintf("%s/%d", host, os.Getpid()), origin: time.Now(),
		kick: make(chan struct{}, 1),
	}
	l.store.schema = "`" + strings.ReplaceAll(o.Schema, "`", "``") + "`"
	l.rules = lease.State{Self: l.self, Times: lease.Times{Term: o.Term, Margin: o.Term / 10, Every: o.Term / leaseBeats, Poll: leasePoll, Glance: min(leaseGlance, o.Term/3), Patience: 2 * o.Term}}
	l.grant.Store(&leaseGrant{off: o.Mode == LeaseOff})
	l.state.Off = o.Mode == LeaseOff
	if o.Mode != LeaseOff {
		l.shared = &sharedDrains{LocalDrains: NewLocalDrains(), lease: l}
		m.drains = l.shared
	}
	m.lease = l
	return l, nil
}

// now is the time since origin, on the monotonic clock.
func (l *Lease) now() time.Duration { return time.Since(l.origin) }

// State says how the lease is doing.
func (l *Lease) State() LeaseState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Peers says whether other galleys are in front of the cluster, as far as is
// known: then a write that this galley did not see may have been acknowledged.
// known is false where there is no lease, so that nobody can tell.
//
// It is sound without asking: a galley that joins writes nothing before
// everybody who is there has read its row, and who has not read the rows for so
// long does not count on being alone.
func (l *Lease) Peers() (peers, known bool) {
	g := l.grant.Load()
	return !g.off && l.now() >= g.alone, !g.off
}

// news is how old the rows may be that say that there is nobody else, by the
// galley's own term, and how long a galley that joins others keeps still, by
// the longest term of all, with a margin for clocks.
func news(term time.Duration) (old, still time.Duration) {
	return term / 2, term/2 + term/10
}

// wake has Run look again.
func (l *Lease) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Permit is what a statement needs to know before it is sent to a node as to
// the writer.
type Permit uint8

// The permits.
const (
	// Held statements wait: the lease is being confirmed, or the writer moves.
	Held Permit = iota
	// Ending lets through what belongs to an open transaction or to a pin.
	Ending
	// Granted lets everything through.
	Granted
	// Refused says that the node is not the writer any more: what is open there
	// is lost.
	Refused
)

// Permit says whether a statement may be sent to a node as to the writer. It is
// asked after the statement was counted on the backend (Begin), so that who
// waits for the backend's rest misses none. It takes no lock.
func (v *View) Permit(b *balancer.Backend) Permit {
	if v.lease == nil {
		return Granted
	}
	g := v.lease.grant.Load()
	if g.off {
		return Granted
	}
	i := v.Writer
	if i < 0 || v.Nodes[i].ID != g.writer {
		i = v.byID(g.writer)
	}
	switch {
	case g.writer == "":
		return Held
	case i < 0 || v.Nodes[i].Backend != b:
		return Refused
	case g.permit == lease.Nothing && g.moving:
		return Refused
	case g.permit == lease.Nothing || !time.Now().Before(g.until):
		return Held
	case g.permit == lease.Finish:
		return Ending
	}
	return Granted
}

// Cut says whether the writer's role was taken from the node before without
// waiting for what was open there, so that other galleys may have transactions
// to run again. It is false where there is no lease.
func (v *View) Cut() bool { return v.lease != nil && v.lease.grant.Load().cut }

// byID finds a node by its group UUID; -1 if there is none.
func (v *View) byID(id string) int {
	for i := range v.Nodes {
		if v.Nodes[i].ID == id && id != "" {
			return i
		}
	}
	return -1
}

// leased gives the role of the writer to the node that has the lease, if this
// galley may write to it. It is false where there is no lease.
func (b *build) leased() bool {
	l := b.rules.Lease
	if l == nil {
		return false
	}
	g := l.grant.Load()
	if g.off {
		return false
	}
	v := b.view
	v.WriterReason = NoLease
	switch {
	case g.moving:
		v.WriterReason = Handover
	case l.waiting.Load():
		v.WriterReason = LeaseStalled
	}
	i := v.byID(g.writer)
	switch {
	case !slices.ContainsFunc(v.Nodes, func(n Node) bool { return n.WriteGrade != Never }):
		v.WriterReason = v.whyNone() // A lease would not help.
	case i < 0:
	case v.Nodes[i].WriteGrade == Never:
		v.WriterReason = v.Nodes[i].Reason
	case g.permit == lease.All && b.rules.Now.Before(g.until):
		b.setWriter(i)
		b.wakeAt(g.until)
	}
	return true
}

// switchOrder is an operator's wish that the writer move.
type switchOrder struct {
	target string // the node's group UUID
	force  bool   // cut what is open
	abort  bool
	done   chan error // takes one error without waiting
}

// errAborted says that a move was taken back.
var errAborted = errors.New("the writer stays: the move was taken back")

// MoveWriter gives the writer's role to the node at an address for all galleys,
// and returns when it has it. Transactions that are open end first, also those
// of other galleys; force cuts them. Where ctx ends before, the move is taken
// back.
func (l *Lease) MoveWriter(ctx context.Context, addr string, force bool) error {
	n := l.monitor.View().at(addr)
	switch {
	case n == nil:
		return fmt.Errorf("node %s is not in the cluster", addr)
	case n.WriteGrade != Usable:
		return fmt.Errorf("node %s cannot be the writer: %s", addr, n.Reason)
	}
	o := &switchOrder{target: n.ID, force: force, done: make(chan error, 1)}
	l.mu.Lock()
	if l.order != nil {
		l.mu.Unlock()
		return errors.New("the writer is being moved already")
	}
	l.order = o
	l.mu.Unlock()
	l.wake()
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	o.abort = true
	l.mu.Unlock()
	l.wake()
	select {
	case err := <-o.done:
		return err
	case <-time.After(l.opts.Term):
		l.mu.Lock()
		l.order = nil
		l.mu.Unlock()
		return context.Cause(ctx)
	}
}

// Kept says whether there is a lease to move the writer by.
func (l *Lease) Kept() bool { return l.State().Kept }
