package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy/admin"
)

// webOnly is galley where there is no cluster: a web tier and the admin door.
type webOnly struct {
	log     hclog.Logger
	path    string
	started time.Time
	reload  func() (*config.Config, error)
	reloads reloads
	web     *webTier
	admin   *admin.Server // Nil without an admin door.

	mu       sync.Mutex
	boot     *config.Config // what it was started with
	conf     *config.Config
	stopping bool
}

func newWebOnly(c *config.Config, path string, log hclog.Logger, reload func() (*config.Config, error)) (*webOnly, error) {
	o := &webOnly{log: log, path: path, started: time.Now(), reload: reload, boot: c, conf: c}
	registry, err := newRegistry()
	if err != nil {
		return nil, err
	}
	if o.web, err = newWebTier(c, log.Named("web"), registry, noTrouble); err != nil {
		return nil, err
	}
	o.admin, err = newAdmin(c.Admin, admin.Options{Logger: log.Named("admin"), Gatherer: registry, Source: o, Actions: o.web.onBackends(nil)})
	return o, err
}

// Snapshot implements admin.Source.
func (o *webOnly) Snapshot() admin.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := admin.Snapshot{At: time.Now(), Version: version(), StartedAt: o.started, ConfigPath: o.path, Ready: !o.stopping, WebOnly: true, Web: o.web.snapshot()}
	switch {
	case o.stopping:
		s.NotReady, s.Stopping = stoppingText, true
	case !hasBackend(s.Web):
		s.Ready, s.NotReady = false, "no php-fpm backend is up"
	}
	s.Problems = append(o.reloads.problems(), webProblems(s.At, s.Web)...)
	return s
}

// hasBackend says whether some pool has a backend that is given requests. Where there are no pools, none is needed.
func hasBackend(w *admin.Web) bool {
	for i := range w.Pools {
		if w.Pools[i].Usable() {
			return true
		}
	}
	return len(w.Pools) == 0
}

// run serves until ctx ends, then lets requests come to their end. A second signal cuts at once.
func (o *webOnly) run(ctx context.Context) error {
	if err := o.web.listen(ctx); err != nil {
		return err
	}
	adminAddr := ""
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	var wg sync.WaitGroup
	var failed error
	if o.admin != nil {
		if err := o.admin.Listen(); err != nil {
			return fmt.Errorf("admin: %w", err)
		}
		adminAddr = o.admin.Addr()
		wg.Go(func() {
			if err := o.admin.Run(back); err != nil && !errors.Is(err, context.Canceled) {
				failed = fmt.Errorf("admin: %w", err)
				stopFront()
			}
		})
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	wg.Go(func() { o.signals(back, signals) })
	cut, cutNow := context.WithCancel(context.WithoutCancel(ctx))
	defer cutNow()
	wg.Go(func() { o.drain(ctx, back, cutNow) })
	o.log.Info("galley serves", append([]any{"version", version(), "admin", adminAddr}, o.web.logged()...)...)
	err := o.web.serve(front, cut)
	stopBack()
	wg.Wait()
	o.log.Info("galley has stopped")
	return errors.Join(err, failed)
}

// drain tells of the stop, and has a second signal cut it short.
func (o *webOnly) drain(ctx, ended context.Context, cutNow func()) {
	select {
	case <-ended.Done():
		return
	case <-ctx.Done():
	}
	o.mu.Lock()
	o.stopping = true
	grace := o.conf.Web.Grace
	o.mu.Unlock()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	o.log.Info("stopping: waiting for requests to end", "grace", grace)
	select {
	case <-ended.Done():
	case <-again:
		o.log.Warn("a second signal: cutting all requests")
		cutNow()
	}
}

// signals reloads the configuration at each SIGHUP. A bad one changes nothing.
func (o *webOnly) signals(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		next, err := o.reload()
		if err == nil {
			err = o.web.set(next)
		}
		if err != nil {
			o.reloads.refuse(o.log, o.path, err)
			continue
		}
		o.mu.Lock()
		changes := config.Diff(o.conf, next)
		o.conf = next
		o.mu.Unlock()
		o.log.SetLevel(hclog.LevelFromString(next.Log.Level))
		warn(o.log, next)
		o.reloads.take(o.log, changes, config.Diff(o.boot, next))
	}
}
