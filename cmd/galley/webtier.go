package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/config"
	"galley/proxy/web"
	"galley/proxy/web/fpm"
)

// webTier is the front door for browsers with its fpm pools. Nil is none.
type webTier struct {
	log     hclog.Logger
	server  *web.Server
	metrics *fpm.Metrics
	trouble func() string // What keeps pages from their database now; empty for nothing.

	mu    sync.Mutex
	pools map[string]*runningPool
	back  context.Context //nolint:containedctx // what pools that a reload brings run under; nil before serve
	wg    sync.WaitGroup
}

// runningPool is a pool and its end.
type runningPool struct {
	*fpm.Pool
	stop context.CancelFunc
}

// newWebTier makes the web tier of a configuration that has one. trouble says what keeps pages from their database at a moment.
func newWebTier(c *config.Config, log hclog.Logger, registry prometheus.Registerer, trouble func() string) (*webTier, error) {
	if !c.Web.On() {
		return nil, nil //nolint:nilnil // none is nil
	}
	t := &webTier{log: log, trouble: trouble, pools: map[string]*runningPool{}}
	var err error
	if t.metrics, err = fpm.NewMetrics(registry); err != nil {
		return nil, err
	}
	if err = t.setPools(c.Web.Pools); err != nil {
		return nil, err
	}
	t.server, err = web.New(web.Options{Config: c.Web, Pool: t.pool, Trouble: func() bool { return trouble() != "" }, Logger: log, Registerer: registry})
	return t, err
}

// pool finds a pool for a site.
func (t *webTier) pool(name string) web.Pool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.pools[name]; p != nil {
		return p.Pool
	}
	return nil
}

// setPools makes and changes pools. Those that are gone go on until dropPools.
func (t *webTier) setPools(pools []config.FPMPool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range pools {
		if p := t.pools[pools[i].Name]; p != nil {
			if err := p.Reload(pools[i]); err != nil {
				return err
			}
			continue
		}
		p, err := fpm.New(fpm.Options{Config: pools[i], Logger: t.log.Named(pools[i].Name), Metrics: t.metrics})
		if err != nil {
			return err
		}
		t.pools[pools[i].Name] = &runningPool{Pool: p}
		if t.back != nil {
			t.start(t.pools[pools[i].Name])
		}
	}
	return nil
}

// dropPools ends those that are not in the configuration any more.
func (t *webTier) dropPools(pools []config.FPMPool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, p := range t.pools {
		if !slices.ContainsFunc(pools, func(c config.FPMPool) bool { return c.Name == name }) {
			delete(t.pools, name)
			if p.stop != nil {
				p.stop()
			}
		}
	}
}

// start has a pool run.
func (t *webTier) start(p *runningPool) {
	var ctx context.Context
	ctx, p.stop = context.WithCancel(t.back)
	t.wg.Go(func() {
		if err := p.Run(ctx); err != nil && ctx.Err() == nil {
			t.log.Error("a pool has failed", "pool", p.Name(), "error", err)
		}
	})
}

func (t *webTier) listen(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.server.Listen(ctx)
}

// serve serves browsers until front ends; pools outlive the last request.
func (t *webTier) serve(front, cut context.Context) error {
	if t == nil {
		return nil
	}
	back, stop := context.WithCancel(context.WithoutCancel(front))
	defer t.wg.Wait()
	defer stop()
	t.mu.Lock()
	t.back = back
	for _, p := range t.pools {
		t.start(p)
	}
	t.mu.Unlock()
	if err := t.server.Serve(front, cut); err != nil {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// set applies another configuration. A web tier comes and goes by a restart only.
func (t *webTier) set(next *config.Config) error {
	if t == nil || !next.Web.On() {
		return nil
	}
	if err := t.setPools(next.Web.Pools); err != nil {
		return err
	}
	if err := t.server.SetConfig(next.Web); err != nil {
		return err
	}
	t.dropPools(next.Web.Pools)
	return nil
}

// addr is where browsers connect by HTTP.
func (t *webTier) addr() string {
	plain, _ := t.server.Addrs()
	return plain
}

// logged are the addresses for the log.
func (t *webTier) logged() []any {
	if t == nil {
		return nil
	}
	plain, secure := t.server.Addrs()
	return []any{"http", plain, "https", secure}
}

// both waits for two parts that serve clients, and ends the other one when one has failed.
func both(stop func(), a, b func() error) error {
	results := make(chan error, 2)
	for _, part := range []func() error{a, b} {
		go func() { results <- part() }()
	}
	first := <-results
	if first != nil {
		stop()
	}
	return errors.Join(first, <-results)
}
