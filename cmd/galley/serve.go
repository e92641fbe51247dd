package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
	"galley/proxy/admin"
	"galley/proxy/mysql"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy until SIGTERM; SIGHUP reloads the configuration",
		Args:  cobra.NoArgs,
	}
	load := configFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, path, err := load()
		if err != nil {
			return err
		}
		log := newLogger(c.Log, os.Stderr)
		warn(log, c)
		reload := func() (*config.Config, error) {
			next, _, err := load()
			return next, err
		}
		if c.MySQL.Listen == "" {
			o, err := newWebOnly(c, path, log, reload)
			if err != nil {
				return err
			}
			return o.run(cmd.Context())
		}
		g, err := newGalley(c, path, log, reload)
		if err != nil {
			return err
		}
		return g.run(cmd.Context())
	}
	return cmd
}

// galley is the running whole.
type galley struct {
	log       hclog.Logger
	path      string
	started   time.Time
	reload    func() (*config.Config, error)
	monitor   *cluster.Monitor
	lease     *cluster.Lease
	accounts  *cluster.Accounts
	vars      *cluster.Variables
	engines   *cluster.Engines
	mysql     *mysql.Server
	switcher  *cluster.Switcher
	serverTLS *proxy.ServerTLS
	nodeTLS   *proxy.ClientTLS
	troubled  troubleWatch
	reloads   reloads
	web       *webTier       // Nil without a front door for browsers.
	admin     *admin.Server  // Nil without an admin door.
	doors     []net.Listener // Of MySQL clients: TCP first.

	mu       sync.Mutex
	boot     *config.Config // what it was started with
	conf     *config.Config
	stopping bool
}

func newGalley(c *config.Config, path string, log hclog.Logger, reload func() (*config.Config, error)) (*galley, error) {
	g := &galley{log: log, path: path, started: time.Now(), reload: reload, boot: c, conf: c}
	registry, err := newRegistry()
	if err != nil {
		return nil, err
	}
	if g.serverTLS, err = proxy.NewServerTLS(c.MySQL.TLS, log.Named("mysql")); err != nil {
		return nil, fmt.Errorf("mysql.tls: %w", err)
	}
	if g.nodeTLS, err = proxy.NewClientTLS(c.Cluster.TLS, log.Named("cluster")); err != nil {
		return nil, fmt.Errorf("cluster.tls: %w", err)
	}
	if g.monitor, err = cluster.New(cluster.Options{Settings: cluster.SettingsOf(c.Cluster), TLS: g.nodeTLS, Logger: log.Named("cluster"), Registerer: registry}); err != nil {
		return nil, err
	}
	if g.lease, err = cluster.NewLease(g.monitor, cluster.LeaseOptionsOf(c.Cluster, log.Named("lease"), g.quiet)); err != nil {
		return nil, err
	}
	if g.accounts, err = cluster.NewAccounts(cluster.AccountsOptions{Monitor: g.monitor, Configured: cluster.AccountsOf(c.MySQL.Users), Logger: log.Named("accounts")}); err != nil {
		return nil, err
	}
	if g.vars, err = cluster.NewVariables(g.monitor, log.Named("cluster")); err != nil {
		return nil, err
	}
	if g.engines, err = cluster.NewEngines(g.monitor, log.Named("cluster")); err != nil {
		return nil, err
	}
	if g.mysql, err = mysql.New(mysql.Options{
		Config: c.MySQL, TLS: g.serverTLS, NodeTLS: g.nodeTLS, SendProxyHeader: c.Cluster.SendProxyProtocol, Cluster: g.monitor, Accounts: g.accounts, Variables: g.vars, Engines: g.engines, Logger: log.Named("mysql"), Registerer: registry,
		AllowPublicKeyRetrieval: c.Cluster.AllowPublicKeyRetrieval,
		User:                    c.Cluster.Monitor.User, Password: c.Cluster.Monitor.Password,
		Peers: func() bool { peers, _ := g.lease.Peers(); return peers },
	}); err != nil {
		return nil, err
	}
	if g.web, err = newWebTier(c, log.Named("web"), registry, g.databaseTrouble); err != nil {
		return nil, err
	}
	if g.switcher, err = cluster.NewSwitcher(cluster.SwitchOptions{
		Monitor: g.monitor, Door: g.mysql, Timeout: func() time.Duration { return g.config().MySQL.SwitchTimeout }, Logger: log.Named("cluster"), Registerer: registry,
	}); err != nil {
		return nil, err
	}
	g.admin, err = newAdmin(c.Admin, admin.Options{Logger: log.Named("admin"), Gatherer: registry, Source: g, Actions: g.web.onBackends(g.actions())})
	return g, err
}

// newRegistry is for the metrics of one galley; those of Go, of the process and of the version are in it.
func newRegistry() (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	for _, col := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newInfo()} {
		if err := registry.Register(col); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return registry, nil
}

// newAdmin is the admin door that the configuration asks for: nil where it asks for none.
func newAdmin(c config.Admin, o admin.Options) (*admin.Server, error) {
	if c.Listen == "" && c.Socket == "" {
		return nil, nil //nolint:nilnil // No door is no error.
	}
	o.Listen, o.Token, o.Socket, o.AllowedHosts = c.Listen, c.Token.Reveal(), c.Socket, c.AllowedHosts
	return admin.New(o)
}

// newInfo is the metric that carries the version.
func newInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "galley_build_info", Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": version()}})
	info.Set(1)
	return info
}

// listen opens galley's doors.
func (g *galley) listen(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			for _, l := range g.doors {
				_ = l.Close()
			}
		}
	}()
	c := g.conf.MySQL
	l, err := proxy.ListenTCP(ctx, c.Listen)
	if err != nil {
		return fmt.Errorf("mysql.listen: %w", err)
	}
	g.doors = append(g.doors, l)
	if c.Socket != "" {
		if l, err = proxy.ListenUnix(ctx, proxy.Socket{Path: c.Socket, Mode: c.SocketMode, Group: c.SocketGroup}); err != nil {
			return fmt.Errorf("mysql.socket: %w", err)
		}
		g.doors = append(g.doors, l)
	}
	if err := g.web.listen(ctx); err != nil {
		return err
	}
	if g.admin == nil {
		return nil
	}
	if err := g.admin.Listen(); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// mysqlAddr is where clients connect by TCP.
func (g *galley) mysqlAddr() string { return g.doors[0].Addr().String() }

// run serves until ctx ends, then drains: clients first, then what they need. A second signal cuts at once.
func (g *galley) run(ctx context.Context) error {
	if err := g.listen(ctx); err != nil {
		return err
	}
	cut, cutNow := context.WithCancel(context.WithoutCancel(ctx))
	defer cutNow()
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	var wg sync.WaitGroup
	failed := make(chan error, 8)
	start := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(back); err != nil && !errors.Is(err, context.Canceled) {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	start("cluster", g.monitor.Run)
	start("lease", g.lease.Run)
	start("switcher", g.switcher.Run)
	start("accounts", g.accounts.Run)
	start("variables", g.vars.Run)
	start("engines", g.engines.Run)
	if g.admin != nil {
		start("admin", g.admin.Run)
	}
	start("signals", func(ctx context.Context) error { return g.signals(ctx, signals) })
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	served := make(chan error, 1)
	go func() {
		served <- both(stopFront, func() error { return g.mysql.Serve(front, cut, g.doors...) }, func() error { return g.web.serve(front, cut) })
	}()
	g.log.Info("galley serves", append([]any{
		"version", version(), "mysql", g.mysqlAddr(), "socket", g.conf.MySQL.Socket, "admin", g.adminAddr(), "nodes", len(g.conf.Cluster.Nodes),
	}, g.web.logged()...)...)
	err := g.wait(ctx, failed, served, stopFront, cutNow)
	stopBack()
	wg.Wait()
	g.log.Info("galley has stopped")
	return err
}

// wait waits for the end: a signal, or a part that failed. After the first signal the MySQL door drains; another one cuts it short.
func (g *galley) wait(ctx context.Context, failed, served chan error, stopFront, cutNow func()) error {
	select {
	case err := <-served:
		return err
	case err := <-failed:
		g.log.Error("a part of galley has failed", "error", err)
		stopFront()
		return errors.Join(err, <-served)
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.stopping = true
	g.mu.Unlock()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	g.log.Info("stopping: waiting for statements and transactions to end", "grace", g.config().MySQL.Grace)
	stopFront()
	select {
	case err := <-served:
		return err
	case <-again:
		g.log.Warn("a second signal: cutting all sessions")
		cutNow()
		return <-served
	}
}

func (g *galley) config() *config.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conf
}

func (g *galley) adminAddr() string {
	if g.admin == nil {
		return ""
	}
	return g.admin.Addr()
}

// signals reloads the configuration at each SIGHUP.
func (g *galley) signals(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-signals:
			g.reconfigure()
		}
	}
}

// reconfigure reads the configuration again and applies it as one. A bad one changes nothing.
func (g *galley) reconfigure() {
	next, err := g.reload()
	if err != nil {
		g.reloads.refuse(g.log, g.path, err)
		return
	}
	old := g.config()
	changes := config.Diff(old, next)
	if err := g.apply(old, next); err != nil {
		g.reloads.refuse(g.log, g.path, err)
		return
	}
	g.accounts.SetConfigured(cluster.AccountsOf(next.MySQL.Users))
	g.mysql.SetConfig(next.MySQL)
	g.mysql.SetMonitor(next.Cluster.Monitor.User, next.Cluster.Monitor.Password)
	g.mysql.SetPublicKeyRetrieval(next.Cluster.AllowPublicKeyRetrieval)
	g.log.SetLevel(hclog.LevelFromString(next.Log.Level))
	g.mu.Lock()
	g.conf = next
	g.mu.Unlock()
	warn(g.log, next)
	g.reloads.take(g.log, changes, config.Diff(g.boot, next))
}

// apply applies what can fail of a configuration; where something does, what was applied before is taken back.
func (g *galley) apply(old, next *config.Config) error {
	if err := g.serverTLS.Set(next.MySQL.TLS); err != nil {
		return fmt.Errorf("mysql.tls: %w", err)
	}
	if err := g.nodeTLS.Set(next.Cluster.TLS); err != nil {
		return errors.Join(fmt.Errorf("cluster.tls: %w", err), g.serverTLS.Set(old.MySQL.TLS))
	}
	settings := cluster.SettingsOf(next.Cluster)
	err := g.monitor.Trial(context.Background(), settings)
	if err == nil {
		err = g.monitor.SetSettings(settings)
	}
	if err != nil {
		return errors.Join(err, g.serverTLS.Set(old.MySQL.TLS), g.nodeTLS.Set(old.Cluster.TLS))
	}
	if err := g.web.set(next); err != nil {
		return errors.Join(err, g.serverTLS.Set(old.MySQL.TLS), g.nodeTLS.Set(old.Cluster.TLS), g.monitor.SetSettings(cluster.SettingsOf(old.Cluster)))
	}
	return nil
}
