package fpm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/balancer"
	"galley/config"
	"galley/proxy/web/fcgi"
)

// Options are what a pool is made of.
type Options struct {
	Config config.FPMPool
	// Logger may be nil.
	Logger hclog.Logger
	// Metrics are shared by all pools; nil for none.
	Metrics *Metrics
	// Dial is for tests; nil is net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolver is for tests; nil is net.DefaultResolver.
	Resolver Resolver
}

// Pool is a set of php-fpm backends that serve the same scripts. Run keeps it
// going; all other methods may be called from any goroutine.
type Pool struct {
	name     string
	log      hclog.Logger
	metrics  *Metrics
	waited   prometheus.Observer
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	resolver Resolver
	config   atomic.Pointer[config.FPMPool]
	changed  chan struct{}
	buffers  fcgi.Buffers
	backends *balancer.Pool
	keepTime time.Duration
	took     atomic.Int64 // how long requests take, a moving mean in nanoseconds

	given, waitedFor atomic.Int64 // how often a worker was given, and the nanoseconds waited for it in all

	life  context.Context //nolint:containedctx // of what the pool starts by itself; ends with Run
	end   context.CancelFunc
	tasks sync.WaitGroup

	mu            sync.Mutex
	queue         *queue
	fresh         int // workers asked for that are not late
	members       map[*balancer.Backend]*member
	skip          [2][]*balancer.Backend // room for choose
	drained       map[string]bool        // by address, kept over changes of the set
	resolveErrors map[string]string
	orphans       map[*worker]bool
	endings       map[Reason]int64 // requests without a whole answer
	refusedAt     time.Time        // when one last got no worker
}

// New checks the options; it does no I/O.
func New(o Options) (*Pool, error) {
	switch {
	case o.Config.Name == "":
		return nil, errors.New("fpm: a pool needs a name")
	case len(o.Config.Backends) == 0:
		return nil, fmt.Errorf("fpm: the pool %s has no backends", o.Config.Name)
	}
	p := &Pool{
		name: o.Config.Name, log: o.Logger, metrics: o.Metrics, dial: o.Dial, resolver: o.Resolver, changed: make(chan struct{}, 1),
		backends: balancer.NewPool(balancer.TwoChoices), queue: newQueue(), members: map[*balancer.Backend]*member{}, drained: map[string]bool{},
		resolveErrors: map[string]string{}, orphans: map[*worker]bool{}, endings: map[Reason]int64{}, keepTime: keepTime,
	}
	if p.log == nil {
		p.log = hclog.NewNullLogger()
	}
	if p.metrics == nil {
		var err error
		if p.metrics, err = NewMetrics(prometheus.NewRegistry()); err != nil {
			return nil, err
		}
	}
	if p.dial == nil {
		p.dial = dialer()
	}
	if p.resolver == nil {
		p.resolver = net.DefaultResolver
	}
	p.waited = p.metrics.queue.WithLabelValues(p.name)
	p.config.Store(&o.Config)
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Name is the pool's name, which never changes.
func (p *Pool) Name() string { return p.name }

// ScriptRoot is where php-fpm finds the scripts; empty where that is as galley sees it.
func (p *Pool) ScriptRoot() string { return p.settings().ScriptRoot }

func (p *Pool) settings() *config.FPMPool { return p.config.Load() }

// Reload takes over new settings: backends that stay keep their state, those
// that go finish what they have.
func (p *Pool) Reload(c config.FPMPool) error {
	if c.Name != p.name {
		return fmt.Errorf("fpm: the pool %s cannot become %s", p.name, c.Name)
	}
	p.config.Store(&c)
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return nil
}

// Run looks after the backends until the context ends. Requests that are under
// way then go on; scripts whose clients have gone are no longer waited for.
func (p *Pool) Run(ctx context.Context) error {
	p.metrics.add(p)
	defer p.metrics.remove(p)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	p.resolve(ctx)
	resolved := time.Now()
	for {
		select {
		case <-ctx.Done():
			p.stop()
			return ctx.Err()
		case <-p.changed:
			p.resolve(ctx)
			resolved = time.Now()
		case <-tick.C:
			if time.Since(resolved) >= p.settings().ResolveInterval && p.named() {
				p.resolve(ctx)
				resolved = time.Now()
			}
			p.mu.Lock()
			p.rescore()
			p.topUp()
			p.mu.Unlock()
		}
	}
}

// stop ends all that the pool has started.
func (p *Pool) stop() {
	p.end()
	p.set(nil)
	p.mu.Lock()
	for w := range p.orphans {
		w.conn.Interrupt()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

// found is a member that the settings and the names in them ask for.
type found struct {
	address, source string
	config          config.FPMBackend
	level           int
}

// set makes these the members, and keeps those that are there already.
func (p *Pool) set(wanted []found) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := map[string]*member{}
	for b, m := range p.members {
		old[b.Addr()] = m
	}
	next := map[*balancer.Backend]*member{}
	list := make([]*balancer.Backend, 0, len(wanted))
	for _, f := range wanted {
		m := old[f.address]
		if m == nil {
			m = newMember(f.address, f.source, f.config)
			m.accept = p.metrics.accept.WithLabelValues(p.name, f.address)
			m.answered = p.metrics.requests.WithLabelValues(p.name, f.address, "ok")
			p.start(m)
			p.log.Info("fpm backend joins", "pool", p.name, "backend", f.address)
		}
		delete(old, f.address)
		if m.interval != p.settings().CheckInterval {
			m.cancel()
			p.start(m)
		}
		m.config, m.source, m.level = f.config, f.source, f.level
		m.statusDial = statusAddress(m.Addr(), f.config.StatusListen, p.settings().StatusListen)
		if p.drained[f.address] {
			m.SetState(balancer.Draining)
		}
		next[m.Backend] = m
		list = append(list, m.Backend)
	}
	p.members = next
	p.backends.Set(list)
	for _, m := range old {
		m.cancel()
		m.SetState(balancer.Draining)
		m.letGo()
		p.log.Info("fpm backend leaves", "pool", p.name, "backend", m.Addr())
	}
	p.rescore()
	p.topUp()
}

// start begins to look at a member. The caller holds mu.
func (p *Pool) start(m *member) {
	ctx, cancel := context.WithCancel(p.life)
	m.cancel, m.interval = cancel, p.settings().CheckInterval
	checker, _ := balancer.NewChecker(balancer.CheckerOptions{
		Interval: m.interval, Timeout: lookTime, Backoff: lookBackoff, MinGap: 100 * time.Millisecond,
		Probe: func(ctx context.Context) error { return p.look(ctx, m) },
	})
	m.checker.Store(checker)
	p.tasks.Go(func() { _ = checker.Run(ctx) })
}

// letGo gives up the places of a member's probes in its backlog. The caller holds mu.
func (m *member) letGo() {
	for pr := range m.probes {
		pr.cancel()
	}
}

// rescore sets weights, shares and loads from what is known. The caller holds mu.
func (p *Pool) rescore() {
	now, settings := time.Now(), p.settings()
	usual := 0
	for _, m := range p.members {
		usual = max(usual, m.workers())
	}
	for _, m := range p.members {
		m.weigh(usual, now)
		m.ramp(settings.SlowStart, now)
	}
}

// Drain gives a backend nothing more; what it has goes on. The backend is an
// address of the snapshot, or one of the configuration for all that it stands
// for.
func (p *Pool) Drain(backend string) error {
	return p.each(backend, func(m *member) {
		p.drained[m.Addr()] = true
		m.SetState(balancer.Draining)
		m.letGo()
		p.log.Info("fpm backend is drained", "pool", p.name, "backend", m.Addr())
	})
}

// Undrain ends a drain: the backend is used again when a look finds it alive.
func (p *Pool) Undrain(backend string) error {
	return p.each(backend, func(m *member) {
		if !p.drained[m.Addr()] {
			return
		}
		delete(p.drained, m.Addr())
		m.reason = reasonUnchecked
		m.SetState(balancer.Down)
		m.trigger()
		p.log.Info("fpm backend is drained no more", "pool", p.name, "backend", m.Addr())
	})
}

// ErrUnknownBackend says that a pool has no such backend.
var ErrUnknownBackend = errors.New("no such fpm backend")

func (p *Pool) each(backend string, do func(*member)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := false
	names := make([]string, 0, len(p.members))
	for _, m := range p.members {
		names = append(names, m.Addr())
		if m.Addr() == backend || m.source == backend {
			known = true
			do(m)
		}
	}
	if !known {
		return fmt.Errorf("%w: %s in the pool %s; there are %s", ErrUnknownBackend, backend, p.name, strings.Join(names, ", "))
	}
	p.topUp()
	return nil
}
