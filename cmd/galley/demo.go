package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"galley/cluster"
	"galley/cluster/clusterlab"
	"galley/cmd/galley/demo"
	"galley/config"
)

const (
	demoListen = "127.0.0.1:13306"
	demoAdmin  = "127.0.0.1:9306"
	demoWeb    = "127.0.0.1:8080"
	// demoReady bounds the time from a synced cluster to a galley that is ready.
	demoReady = 20 * time.Second
	// scriptFailover is the one script there is.
	scriptFailover = "failover"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	listen, admin string
	script        string
	span          time.Duration
	dir           string
	web           string
	wordpress     string
}

func newDemo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try galley: a real three-node cluster on this machine, galley in front of it, a few clients",
		Long: `demo starts a real MariaDB Galera cluster of three nodes as child processes in a temporary directory, galley in front of it, and nine
clients that read and write; with --wordpress also two php-fpm and a WordPress on them. It prints how to connect and which page to open. Ctrl-C ends it and
removes everything.

--script failover kills the writer, brings it back, restarts a reader, kills a php-fpm, prints what the clients and a shopper on the WordPress noticed, and ends.

It needs the packages mariadb-server, galera-4, rsync, lsof and socat, for WordPress php-fpm, php-cli and php-mysql, about 1 GB of memory and 1 GB in the directory for temporary files.`,
		Example: `  galley demo
  galley demo --script failover
  galley demo --for 30s --listen 127.0.0.1:0`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "", "where galley takes MySQL clients (default "+demoListen+", or a free port if that is taken)")
	f.StringVar(&o.admin, "admin", "", "where galley shows its page (default "+demoAdmin+", or a free port if that is taken)")
	f.StringVar(&o.web, "web", "", "where galley takes browsers (default "+demoWeb+", or a free port if that is taken)")
	f.StringVar(&o.wordpress, "wordpress", "", "a directory with WordPress's files, as e2e/wordpress.sh makes one; without it the demo is of the database only")
	f.StringVar(&o.script, "script", "", "what happens to the cluster: "+scriptFailover)
	f.DurationVar(&o.span, "for", 0, "end after this time, counted from when all is up")
	f.StringVar(&o.dir, "dir", "", "where the temporary directory is made (default "+os.TempDir()+")")
	_ = cmd.RegisterFlagCompletionFunc("script", cobra.FixedCompletions([]string{scriptFailover}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.script != "" && o.script != scriptFailover {
			return fmt.Errorf("there is no script %q: only %s", o.script, scriptFailover)
		}
		// A terminal that is closed ends the demo as Ctrl-C does.
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
		defer stop()
		err := runDemo(ctx, o, newScreen(cmd.OutOrStdout()))
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return nil // Ctrl-C is how a demo ends.
		}
		return err
	}
	return cmd
}

// theDemo is a running demo.
type theDemo struct {
	demoOptions
	screen   *screen
	lab      *clusterlab.Lab
	galley   *galley
	workload *demo.Workload
	shop     *shop       // Nil without WordPress.
	up       atomic.Bool // All is up, and lines show the time of day.
}

// runDemo brings everything up, lets it run, and takes it down in the order of who needs whom: clients, galley, cluster.
func runDemo(ctx context.Context, o demoOptions, s *screen) (err error) {
	d := &theDemo{demoOptions: o, screen: s}
	began := time.Now()
	s.line("Starting a three-node Galera cluster in a temporary directory; this takes about 20 seconds.")
	// The cluster outlives ctx by the time that the clients and galley need to end; only its start is broken off at once.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, end)
	d.lab, err = clusterlab.Start(life, clusterlab.Options{Nodes: 3, Dir: o.dir, LeaseSchema: "galley", Progress: func(text string) {
		if d.up.Load() {
			s.line("%s     %s", clock(time.Now()), text)
			return
		}
		s.line("%6.1f s  %s", time.Since(began).Seconds(), text)
	}})
	if err != nil {
		if ctx.Err() != nil {
			s.line("Ended; nothing is left behind.")
			return ctx.Err()
		}
		return fmt.Errorf("the demo's cluster: %w", err)
	}
	defer d.lab.Close()
	if !stop() {
		return ctx.Err()
	}
	if d.wordpress != "" {
		if d.shop, err = d.openShop(life); err != nil {
			return err
		}
		defer d.shop.close()
	}
	logFile, err := os.OpenFile(filepath.Join(d.lab.Dir(), "galley.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	c, err := d.configuration()
	if err != nil {
		return err
	}
	if d.galley, err = newGalley(c, "", newLogger(c.Log, logFile), func() (*config.Config, error) { return c, nil }); err != nil {
		return err
	}
	run, stopGalley := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGalley()
	ended := make(chan error, 1)
	go func() { ended <- d.galley.run(run) }()
	err = d.serve(ctx, ended, began)
	s.line("Ending…")
	stopGalley()
	if galleyErr := <-ended; err == nil {
		err = galleyErr
	}
	d.lab.Close()
	s.line("The cluster is stopped and its directory removed.")
	return err
}

// configuration is what a person would write for this cluster.
func (d *theDemo) configuration() (*config.Config, error) {
	listen, err := freeOr(d.listen, demoListen)
	if err != nil {
		return nil, err
	}
	admin, err := freeOr(d.admin, demoAdmin)
	if err != nil {
		return nil, err
	}
	monitor := d.lab.Monitor()
	text := fmt.Sprintf(`mysql: {listen: %q, max_connections: 900, grace: 2s}
cluster:
  nodes: [%s]
  monitor: {user: %s, password: %s}
admin: {listen: %q, socket: %q}
`, listen, strings.Join(d.lab.Addrs(), ", "), monitor.User, monitor.Password, admin, d.socket())
	if d.shop != nil {
		text += d.shop.configuration()
	}
	c, err := config.Load(config.Source{File: "demo", Data: []byte(text)})
	if err != nil {
		return nil, fmt.Errorf("the demo's configuration: %w", err)
	}
	return c, nil
}

// socket is where galley's commands reach it: what changes something needs a token or this.
func (d *theDemo) socket() string { return filepath.Join(d.lab.Dir(), "admin.sock") }

// freeOr gives what was asked for; else the usual address if it is free, else a free port beside it.
func freeOr(asked, usual string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	l, err := net.Listen("tcp", usual)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "127.0.0.1:0", nil
	}
	if err != nil {
		return "", err
	}
	return usual, l.Close()
}

// serve waits until galley is ready, lets the clients work, and gives what came of it.
func (d *theDemo) serve(ctx context.Context, ended <-chan error, began time.Time) error {
	if err := d.ready(ctx, ended); err != nil {
		return err
	}
	app := d.lab.App()
	var err error
	if d.workload, err = demo.New(d.galley.mysqlAddr(), app.User, app.Password, clusterlab.Schema); err != nil {
		return err
	}
	defer d.workload.Close()
	if err := d.workload.Prepare(ctx); err != nil {
		return err
	}
	if d.shop != nil {
		d.screen.line("%6.1f s  installing WordPress through galley…", time.Since(began).Seconds())
		if err := d.shop.install(ctx, d); err != nil {
			return err
		}
	}
	d.screen.line("%6.1f s  galley is ready, %d clients begin", time.Since(began).Seconds(), d.workload.Clients())
	d.up.Store(true)
	d.greet()
	clients, stopClients := context.WithCancel(ctx)
	defer stopClients()
	if d.span > 0 {
		clients, stopClients = context.WithTimeout(clients, d.span)
		defer stopClients()
	}
	worked := make(chan struct{})
	go func() {
		d.work(clients)
		close(worked)
	}()
	watch, stopWatch := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { d.watch(watch) })
	if d.script == "" {
		watching.Go(func() { d.tend(watch) })
	}
	acts, err := d.play(clients)
	stopClients()
	<-worked
	stopWatch()
	watching.Wait()
	return errors.Join(err, d.account(ctx, acts))
}

// work lets all clients work until ctx ends.
func (d *theDemo) work(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { d.workload.Run(ctx) })
	if d.shop != nil {
		all.Go(func() { d.shop.shopper.Run(ctx) })
	}
	all.Wait()
}

// ready waits until galley serves both roles.
func (d *theDemo) ready(ctx context.Context, ended <-chan error) error {
	limit := time.NewTimer(demoReady)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	why := "galley does not listen"
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("galley has ended: %w", err)
		case <-limit.C:
			return fmt.Errorf("galley is not ready after %s: %s", demoReady, why)
		case <-tick.C:
		}
		ok := false
		if ok, why = d.galley.ready(d.galley.monitor.View()); ok {
			return nil
		}
	}
}

// greet tells how to use the demo.
func (d *theDemo) greet() {
	app := d.lab.App()
	host, port, _ := net.SplitHostPort(d.galley.mysqlAddr())
	p := newPrinter(d.screen)
	p.line("")
	p.row("  Page", "http://"+d.galley.adminAddr()+"/")
	if d.shop != nil {
		p.row("  WordPress", d.shop.url+"/")
		p.row("  Log in", fmt.Sprintf("%s/wp-admin/ as %s, password %s", d.shop.url, d.shop.admin.User, d.shop.admin.Password))
	}
	p.row("  Address", net.JoinHostPort(host, port))
	p.row("  User", app.User)
	p.row("  Password", app.Password)
	p.row("  Schema", clusterlab.Schema)
	p.row("  Connect", fmt.Sprintf("mariadb -h %s -P %s -u %s -p%s %s", host, port, app.User, app.Password, clusterlab.Schema))
	node, root := d.lab.Nodes()[0], d.lab.Root()
	p.row("  A node", fmt.Sprintf("mariadb -S %s -u %s -p%s   (%s, past galley; all nodes' files are in %s)", node.Socket(), root.User, root.Password, node.Name(), d.lab.Dir()))
	p.row("  Log", filepath.Join(d.lab.Dir(), "galley.log"))
	p.flush()
	p.line("")
	if d.script == "" {
		p.line("Break something:  kill -9 %d   (the writer; a node that dies is started again after %s)", d.writerPID(), tendAfter)
		p.line("Take one out:     %s drain %s --socket %s   (undrain puts it back; status shows all)", os.Args[0], d.drainable(), d.socket())
		p.line("Ctrl-C ends it and removes everything.")
		p.line("")
	}
}

// drainable is what is worth taking out: a php-fpm, or a node.
func (d *theDemo) drainable() string {
	if d.shop != nil {
		return "php/" + d.shop.pools[0].Addr()
	}
	return d.lab.Addrs()[0]
}

// writerPID is the process id of the writer's server.
func (d *theDemo) writerPID() int {
	if w := d.galley.monitor.View().WriterNode(); w != nil {
		for _, n := range d.lab.Nodes() {
			if n.Addr() == w.Addr {
				return n.PID()
			}
		}
	}
	return 0
}

// play does what the script says, or waits for the end.
func (d *theDemo) play(ctx context.Context) ([]demo.Act, error) {
	if d.script == "" {
		<-ctx.Done()
		return nil, nil
	}
	stage := &demo.Stage{
		Writer: func() string {
			if w := d.galley.monitor.View().WriterNode(); w != nil {
				return w.Addr
			}
			return ""
		},
		Usable: func(addr string) bool {
			n := d.galley.monitor.View().Node(addr)
			return n != nil && n.ReadGrade == cluster.Usable
		},
		Say:      func(text string) { d.screen.line("%s  ** %s", clock(time.Now()), text) },
		Workload: d.workload,
	}
	for _, n := range d.lab.Nodes() {
		stage.Nodes = append(stage.Nodes, n)
	}
	if d.shop != nil {
		d.shop.onStage(stage)
	}
	acts, err := stage.Failover(ctx)
	if errors.Is(err, context.DeadlineExceeded) && d.span > 0 {
		err = fmt.Errorf("the script has not ended in %s: %w", d.span, err)
	}
	return acts, err
}
