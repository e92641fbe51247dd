package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Settings are what an operator decides about a cluster. SettingsOf makes them
// from the configuration.
type Settings struct {
	Nodes            []ConfiguredNode
	User, Password   string // the monitor user
	Interval         time.Duration
	ProbeTimeout     time.Duration
	Discover         bool
	DiscoverNetworks []netip.Prefix
	ReadsOnWriter    bool
	DegradedReads    bool // where there is no primary component
	AccountsInterval time.Duration
	// InFlightWeight, ThreadsWeight and QueueWeight make the load of a node
	// out of galley's own statements there, Threads_running and the receive
	// queue.
	InFlightWeight, ThreadsWeight, QueueWeight float64
	Limits                                     Limits
}

// ConfiguredNode is one node of the configuration.
type ConfiguredNode struct {
	Addr, Name string
	Weight     int
}

// Times that are no settings, each with its reason.
const (
	// suspectAfter is how long a node may be silent before nothing new is
	// sent to it. Galera itself suspects a member after 5 s; a probe that
	// takes 2 s on a healthy node is a node that reads should not go to.
	suspectAfter = 2 * time.Second
	// settle is longer than nodes of one group take to install a view one
	// after the other (a few ms on a LAN, a round trip between sites).
	settle = 100 * time.Millisecond
	// forget is longer than Galera takes to drop a member that hangs (6 s),
	// after which a view that nobody is seen in any more can have no writes.
	forget = 10 * time.Second
	// startup is how long the first writer waits for slower nodes.
	startup = time.Second
	// probeGap is the least time between probes asked for out of turn.
	probeGap = 50 * time.Millisecond
	// probeBackoff bounds how long a probe waits for a node that hangs: each
	// attempt given up counts towards the node's max_connect_errors (100).
	probeBackoff = 30 * time.Second
)

// check says what cannot work.
func (s *Settings) check() error {
	if s.Interval <= 0 || s.ProbeTimeout <= 0 {
		return fmt.Errorf("cluster: interval %v and probe timeout %v must be positive", s.Interval, s.ProbeTimeout)
	}
	seen := map[string]bool{}
	for _, n := range s.Nodes {
		if !hostPort(n.Addr) && !isSocket(n.Addr) {
			return fmt.Errorf("cluster: node %q is neither host:port nor unix: and a path", n.Addr)
		}
		if seen[n.Addr] {
			return fmt.Errorf("cluster: node %s is listed twice", n.Addr)
		}
		seen[n.Addr] = true
	}
	if len(s.Nodes) == 0 {
		return errors.New("cluster: no nodes")
	}
	return nil
}

// rules are the settings as BuildView wants them.
func (s *Settings) rules(started, now time.Time) Rules {
	// A backend's load counts what is in flight as one each, so the other
	// weights are taken in proportion to that.
	unit := max(s.InFlightWeight, 0.01)
	return Rules{
		Now: now, Started: started, Limits: s.Limits, ReadsOnWriter: s.ReadsOnWriter, DegradedReads: s.DegradedReads,
		ThreadsWeight: s.ThreadsWeight / unit, QueueWeight: s.QueueWeight / unit,
		Interval: s.Interval, SuspectAfter: suspectAfter, Settle: settle, Forget: forget, Startup: startup,
	}
}

// configured gives the place and the settings of a configured node.
func (s *Settings) configured(addr string) (rank int, n ConfiguredNode, ok bool) {
	rank = slices.IndexFunc(s.Nodes, func(n ConfiguredNode) bool { return n.Addr == addr })
	if rank < 0 {
		return len(s.Nodes), ConfiguredNode{Addr: addr, Weight: 1}, false
	}
	return rank, s.Nodes[rank], true
}
