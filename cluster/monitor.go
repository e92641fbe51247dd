package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/balancer"
)

// Options are what a Monitor needs.
type Options struct {
	Settings   Settings
	Logger     hclog.Logger
	Registerer prometheus.Registerer // may be nil
	Dial       DialFunc              // nil for the system's own
	TLS        NodeTLS               // may be nil
	Drains     Drains                // nil for a set of this galley's own
}

// Monitor watches the nodes and publishes a View after each change. Run owns
// all its goroutines; View, Changed, ProbeNow, SetSettings, Events and History
// may be called from any goroutine at any time.
type Monitor struct {
	log     hclog.Logger
	dial    DialFunc
	tls     NodeTLS
	metrics *metrics
	lease   *Lease // nil where galley decides alone
	view    atomic.Pointer[View]
	drains  Drains
	kick    chan struct{} // something was observed or set
	moves   chan *move
	stopped chan struct{} // closed when Run ends
	started time.Time
	orderly atomic.Bool // see Rules

	mu       sync.Mutex
	settings Settings
	reset    bool // the configuration names another cluster
	watchers map[string]*watcher
	changed  chan struct{}
	past     past

	// Owned by the goroutine of Run.
	ctx      context.Context //nolint:containedctx // the life of Run, for the watchers it starts
	running  sync.WaitGroup
	backends map[string]*balancer.Backend
	aliases  map[string]string // second addresses of a node -> its ID
}

// New checks the options; it does no I/O. The view it starts with has the
// configured nodes and no writer.
func New(o Options) (*Monitor, error) {
	if err := o.Settings.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		return nil, errors.New("cluster: no logger given")
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: 10 * time.Second}).DialContext
	}
	if o.Drains == nil {
		o.Drains = NewLocalDrains()
	}
	m := &Monitor{
		log: o.Logger, drains: o.Drains, moves: make(chan *move), stopped: make(chan struct{}), dial: o.Dial, tls: o.TLS, kick: make(chan struct{}, 1), changed: make(chan struct{}), settings: o.Settings,
		watchers: map[string]*watcher{}, backends: map[string]*balancer.Backend{}, aliases: map[string]string{},
	}
	m.past.init()
	var obs []Observation
	for rank, n := range o.Settings.Nodes {
		b := balancer.NewBackend(n.Addr, n.Weight)
		m.backends[n.Addr] = b
		obs = append(obs, Observation{Addr: n.Addr, Name: n.Name, Configured: true, Rank: rank, Backend: b})
	}
	now := time.Now()
	m.view.Store(BuildView(nil, obs, o.Settings.rules(now, now)))
	var err error
	if m.metrics, err = newMetrics(o.Registerer, m); err != nil {
		return nil, fmt.Errorf("cluster metrics: %w", err)
	}
	return m, nil
}

// View is the newest view; never nil.
func (m *Monitor) View() *View { return m.view.Load() }

// Changed gives a channel that is closed when the view next changes in a way
// that matters to sessions (its Version). Take it before looking at View, and
// anew each time.
func (m *Monitor) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// ProbeNow asks for a probe of a node at once, for a session that met trouble
// there. Many calls are one probe, and not more than twenty a second are made.
func (m *Monitor) ProbeNow(addr string) {
	m.mu.Lock()
	w := m.watchers[addr]
	m.mu.Unlock()
	if w != nil {
		w.checker.Trigger()
	}
}

// SetSettings replaces the settings; what is known of the nodes that stay is
// kept. The view follows as soon as Run has seen it.
func (m *Monitor) SetSettings(s Settings) error {
	if err := s.check(); err != nil {
		return err
	}
	m.mu.Lock()
	m.settings = s
	m.reset = true
	m.mu.Unlock()
	m.notify()
	return nil
}

// Events are the latest changes, oldest first.
func (m *Monitor) Events() []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.past.list()
}

// History is what was measured of a node over the last minutes, oldest first.
func (m *Monitor) History(addr string) []Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.past.samples(addr)
}

// notify wakes Run.
func (m *Monitor) notify() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Run watches the nodes until the context ends, and returns when all its
// goroutines have.
func (m *Monitor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	m.ctx, m.started = ctx, time.Now()
	defer func() {
		close(m.stopped)
		cancel()
		m.running.Wait()
	}()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		var wish *move
		drained := m.drains.Changed()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.kick:
		case <-wake.C:
		case <-drained:
		case wish = <-m.moves:
		}
		view := m.step(wish)
		if !view.wake.IsZero() {
			wake.Reset(time.Until(view.wake))
		}
	}
}

// step follows the settings and the membership, and makes and publishes one
// view. A wish, if there is one, is answered.
func (m *Monitor) step(wish *move) *View {
	m.mu.Lock()
	s, reset := m.settings, m.reset
	m.reset = false
	m.mu.Unlock()
	prev := m.view.Load()
	if reset {
		prev = forgetStrangers(prev, &s)
	}
	untrusted := m.follow(&s, prev)
	obs := append(m.observations(&s), untrusted...)
	rules := s.rules(m.started, time.Now())
	if wish != nil {
		rules.Move = wish.addr
	}
	rules.Lease, rules.Orderly = m.lease, m.orderly.Load()
	view := BuildView(prev, obs, rules)
	m.publish(prev, view, obs)
	if wish != nil {
		wish.done <- view.moved(wish.addr)
	}
	if !slices.Equal(prev.Members, view.Members) {
		m.notify() // there may be a node to watch, or one to leave
	}
	return view
}

// forgetStrangers drops what is known of a cluster of which the configuration
// no longer names any node.
func forgetStrangers(v *View, s *Settings) *View {
	for _, h := range v.agreed.holders {
		if _, _, ok := s.configured(h.addr); ok {
			return v
		}
	}
	fresh := *v
	fresh.agreed = agreement{claim: claim{conf: -1}}
	return &fresh
}

// observations collects what each watcher knows, under the settings of now.
func (m *Monitor) observations(s *Settings) []Observation {
	obs := make([]Observation, 0, len(m.watchers))
	drained := m.drains.Drained()
	for addr, w := range m.watchers {
		o := w.observation()
		rank, n, ok := s.configured(addr)
		o.Name, o.Configured, o.Rank, o.Drained = n.Name, ok, rank, slices.Contains(drained, addr)
		w.backend.SetWeight(n.Weight)
		obs = append(obs, o)
	}
	return obs
}

// publish brings a view into effect: the backends first, so that whoever sees
// the view meets them as it says.
func (m *Monitor) publish(prev, view *View, obs []Observation) {
	for i := range view.Nodes {
		n := &view.Nodes[i]
		n.Backend.SetReported(n.Load)
		n.Backend.SetShare(n.Share)
		n.enact()
	}
	m.view.Store(view)
	m.mu.Lock()
	m.past.add(view, obs)
	if view.Version != prev.Version {
		close(m.changed)
		m.changed = make(chan struct{})
	}
	watchers := maps.Clone(m.watchers)
	m.mu.Unlock()
	for _, addr := range view.reprobe {
		if w := watchers[addr]; w != nil {
			w.checker.Trigger()
		}
	}
	m.metrics.count(view.Events)
	m.tell(view.Events)
}

// note remembers and logs what is no difference between two views.
func (m *Monitor) note(e Event) {
	m.mu.Lock()
	m.past.note(e)
	m.mu.Unlock()
	m.tell([]Event{e})
}

// tell logs what happened.
func (m *Monitor) tell(events []Event) {
	for _, e := range events {
		args := []any{"node", e.Addr, "from", e.From.String(), "to", e.To.String()}
		if e.Kind == EventWriterChanged {
			args = append(args, "was", e.Was)
		}
		if e.Detail != "" {
			args = append(args, "detail", e.Detail)
		}
		switch {
		case e.passing():
			m.log.Info(e.Kind.String(), args...)
		case e.Kind == EventSplitBrain, e.Kind == EventWriterChanged && e.Addr == "":
			m.log.Error(e.Kind.String(), args...)
		case e.Kind == EventDegraded, e.Kind == EventNodeEvicted, e.Kind == EventSwitchoverGivenUp, e.To != OK && e.To != Starting:
			m.log.Warn(e.Kind.String(), args...)
		default:
			m.log.Info(e.Kind.String(), args...)
		}
	}
}
