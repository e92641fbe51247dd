package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"galley/config"
	"galley/proxy/web"
)

// webTier is the front door for browsers. Nil is none.
type webTier struct {
	log    hclog.Logger
	server *web.Server
}

// newWebTier makes the web tier of a configuration that has one.
func newWebTier(c *config.Config, log hclog.Logger, registry prometheus.Registerer) (*webTier, error) {
	if !c.Web.On() {
		return nil, nil //nolint:nilnil // none is nil
	}
	t := &webTier{log: log}
	var err error
	t.server, err = web.New(web.Options{Config: c.Web, Pool: t.pool, Logger: log, Registerer: registry})
	return t, err
}

// pool finds a pool for a site.
func (t *webTier) pool(string) web.Pool { return nil }

func (t *webTier) listen(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.server.Listen(ctx)
}

// serve serves browsers until front ends.
func (t *webTier) serve(front, cut context.Context) error {
	if t == nil {
		return nil
	}
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
	return t.server.SetConfig(next.Web)
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
