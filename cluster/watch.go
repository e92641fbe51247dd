package cluster

import (
	"context"
	"sync"
	"time"

	"galley/balancer"
)

// watchOptions are what a watcher's loop depends on; it is started anew when
// they change.
type watchOptions struct {
	addr string
	credentials
	interval, timeout time.Duration
}

// watcher asks one node again and again over its one connection. Its loop is a
// balancer.Checker; what it learns goes into its observation.
type watcher struct {
	opts    watchOptions
	backend *balancer.Backend
	link    *link
	checker *balancer.Checker
	news    func()                                          // called after each change of the observation
	measure func(addr string, took time.Duration, r Reason) // called after each probe that ended
	stop    context.CancelFunc

	mu  sync.Mutex
	obs Observation
}

// newWatcher makes a watcher; obs is what is known of the address already.
func (m *Monitor) newWatcher(o watchOptions, obs Observation) (*watcher, error) {
	l := newLink(linkOptions{addr: o.addr, credentials: o.credentials, dialTimeout: o.timeout, dial: m.dial, tls: m.tls})
	obs.Miss = time.Time{}
	w := &watcher{opts: o, backend: obs.Backend, link: l, obs: obs}
	var err error
	w.checker, err = balancer.NewChecker(balancer.CheckerOptions{
		Interval: o.interval, Timeout: o.timeout, Backoff: probeBackoff, MinGap: probeGap, Probe: w.probe,
	})
	return w, err
}

// run probes until the context ends, then closes the connection.
func (w *watcher) run(ctx context.Context) {
	defer w.link.close()
	_ = w.checker.Run(ctx)
}

// observation is what is known now.
func (w *watcher) observation() Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.obs
}

// probe asks the node once.
func (w *watcher) probe(ctx context.Context) error {
	began := time.Now()
	w.begin(began)
	status, err := w.link.ask(ctx)
	if ctx.Err() == context.Canceled {
		return err // the watcher is being stopped: no news of the node
	}
	ended := time.Now()
	reason := OK
	if err != nil {
		reason = w.failed(err)
	} else {
		w.answered(status, began, ended)
	}
	w.measure(w.opts.addr, ended.Sub(began), reason)
	w.news()
	return err
}

// begin notes that a probe is under way. The view need not hear of it unless
// it stays without an answer: then the time for that is to be set.
func (w *watcher) begin(at time.Time) {
	w.mu.Lock()
	first := w.obs.Miss.IsZero()
	if first {
		w.obs.Miss = at
	}
	w.mu.Unlock()
	if first {
		w.news()
	}
}

// answered notes an answer.
func (w *watcher) answered(s Status, began, ended time.Time) {
	w.link.mu.Lock()
	seenAs, remote := w.link.seenAs, w.link.remote
	w.link.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &w.obs
	o.Status, o.Began, o.Ended, o.InFlight = s, began, ended, w.backend.InFlight()
	o.SeenAs, o.Remote = seenAs, remote
	o.Miss, o.Fault, o.Refused, o.Lost, o.Err = time.Time{}, OK, false, false, ""
}

// failed notes a probe without a good answer and says why.
func (w *watcher) failed(err error) Reason {
	reason, refused := fault(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &w.obs
	o.Fault, o.Refused, o.Err = reason, refused, err.Error()
	if reason != OK {
		o.Miss, o.Lost = time.Time{}, true
		return reason
	}
	return ProbeTimeout
}
