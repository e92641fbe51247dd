package cluster

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"galley/balancer"
)

// follow starts and stops watchers so that there is one for each configured
// node and, if members are to be discovered, for each member that no other
// watcher sees. It gives the members that may not be asked.
func (m *Monitor) follow(s *Settings, v *View) (untrusted []Observation) {
	wanted := map[string]bool{}
	for _, n := range s.Nodes {
		wanted[n.Addr] = true
	}
	m.forgetAliases(v)
	if s.Discover {
		known := m.knownAddresses(s)
		for _, addr := range v.Members {
			if wanted[addr] || known[addr] || m.aliases[addr] != "" {
				continue
			}
			if !m.trusted(s, addr) {
				untrusted = append(untrusted, Observation{Addr: addr, Rank: len(s.Nodes), Untrusted: true, Backend: m.backend(addr)})
				continue
			}
			wanted[addr] = true
		}
		m.keepLeaving(v, wanted)
	}
	m.watch(s, wanted)
	for addr, b := range m.backends {
		if !wanted[addr] && !slices.ContainsFunc(untrusted, func(o Observation) bool { return o.Addr == addr }) {
			b.SetHealthy(false)
			delete(m.backends, addr)
		}
	}
	return untrusted
}

// keepLeaving keeps discovered nodes that are no longer among the members: one
// that still shows itself in the agreed view (it announces another address
// now), and one that was lost or evicted just now.
func (m *Monitor) keepLeaving(v *View, wanted map[string]bool) {
	for addr := range m.watchers {
		n := v.at(addr)
		if n == nil || wanted[addr] || m.aliases[addr] != "" {
			continue
		}
		if n.usable() || v.At.Sub(n.LostSince) < forget || v.At.Sub(n.evicted) < forget {
			wanted[addr] = true
		}
	}
}

// backend is the one backend of an address.
func (m *Monitor) backend(addr string) *balancer.Backend {
	b := m.backends[addr]
	if b == nil {
		b = balancer.NewBackend(addr, 1)
		m.backends[addr] = b
	}
	return b
}

// knownAddresses are the addresses under which configured nodes are members:
// where they are reached, and what they announce to the group.
func (m *Monitor) knownAddresses(s *Settings) map[string]bool {
	known := map[string]bool{}
	for addr, w := range m.watchers {
		if _, _, ok := s.configured(addr); !ok {
			continue
		}
		o := w.observation()
		if o.Remote.IsValid() {
			known[o.Remote.String()] = true
		}
		if hostPort(o.Status.Incoming) {
			known[o.Status.Incoming] = true
		}
	}
	return known
}

// forgetAliases notes which discovered addresses are second ones of a node
// that has a watcher already, and forgets those whose node is out of use: it
// may be reached under the second address still.
func (m *Monitor) forgetAliases(v *View) {
	ids := map[string]string{}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.ID != "" && n.usable() {
			ids[n.ID] = n.Addr
		}
	}
	for addr, w := range m.watchers {
		o := w.observation()
		if first, ok := ids[o.Status.GcommUUID]; ok && first != addr && !o.Configured && o.Fault == OK && o.answered() {
			m.aliases[addr] = o.Status.GcommUUID
		}
	}
	maps.DeleteFunc(m.aliases, func(_, id string) bool { return ids[id] == "" })
}

// trusted says whether a member at this address may get credentials: its host
// is that of a configured node, or it is in one of the networks given for it.
func (m *Monitor) trusted(s *Settings, addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	isIP := err == nil
	if isIP {
		ip = ip.Unmap()
	}
	for _, n := range s.Nodes {
		if h, _, _ := net.SplitHostPort(n.Addr); h == host {
			return true
		}
		if w := m.watchers[n.Addr]; w != nil && isIP && w.observation().Remote.Addr() == ip {
			return true
		}
	}
	return isIP && slices.ContainsFunc(s.DiscoverNetworks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// watch makes the watchers those that are wanted. One whose options have
// changed is replaced and hands on what it knows.
func (m *Monitor) watch(s *Settings, wanted map[string]bool) {
	next := map[string]*watcher{}
	for addr := range wanted {
		rank, n, ok := s.configured(addr)
		o := watchOptions{addr: addr, credentials: credentials{s.User, s.Password}, interval: s.Interval, timeout: s.ProbeTimeout}
		obs := Observation{Addr: addr, Name: n.Name, Configured: ok, Rank: rank, Backend: m.backend(addr)}
		if w := m.watchers[addr]; w != nil {
			obs = w.observation()
			if w.opts == o {
				w.setConfigured(ok)
				next[addr] = w
				continue
			}
		}
		obs.Configured = ok
		w, err := m.newWatcher(o, obs)
		if err != nil {
			m.log.Error("node cannot be watched", "node", addr, "error", err)
			continue
		}
		w.news, w.measure = m.notify, m.metrics.probed
		m.start(w)
		next[addr] = w
	}
	for addr, w := range m.watchers {
		if next[addr] != w {
			w.stop()
		}
		if next[addr] == nil {
			m.metrics.forget(addr)
		}
	}
	m.mu.Lock()
	m.watchers = next
	m.mu.Unlock()
}

// start runs a watcher until it is stopped or Run ends.
func (m *Monitor) start(w *watcher) {
	ctx, cancel := context.WithCancel(m.ctx)
	w.stop = cancel
	m.running.Go(func() { w.run(ctx) })
}

// setConfigured follows the configuration.
func (w *watcher) setConfigured(ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.obs.Configured = ok
}

// Sample is what one probe measured, for the page's small graphs.
type Sample struct {
	At             time.Time
	RecvQueue      int
	SendQueue      int
	Paused         float64 // part of the time since the last sample in flow control
	Asked          bool    // the node has asked for that since then
	ThreadsRunning int
	InFlight       int64
	Load           float64
}
