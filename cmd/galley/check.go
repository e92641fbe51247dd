package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"galley/cluster"
	"galley/config"
	"galley/proxy"
)

const (
	// checkTick is how often check looks whether there is more to wait for.
	checkTick = 50 * time.Millisecond
	// checkCalm is how long the view has to stay as it is until check takes it for the picture.
	checkCalm = 600 * time.Millisecond
	// checkLimit is the default of --timeout: longer than a hung node takes to be found hung, and than the first writer takes to be chosen.
	checkLimit = 10 * time.Second
	// inspectLimit bounds the questions that are not the monitor's own.
	inspectLimit = 5 * time.Second
)

// newCheck looks at a configuration and its cluster as serve would, without serving.
func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration, connect to the cluster, and say what galley sees and would do",
		Long: `check reads the configuration as serve does, asks every node with the monitor user, imports the accounts, and prints what it found:
each node with its state and the role it would get, the writer and why, the accounts that cannot be used through galley and why, and
what should be changed. It changes nothing, opens no port, and ends within --timeout also when nodes hang.

It exits with 1 when something keeps galley from serving all of it: a mistake in the configuration, a node that cannot be used, no writer,
no accounts. Warnings do not count.`,
		Example: `  galley check -c galley.yaml
  galley check -c galley.yaml --timeout 30s
  GALLEY_CLUSTER_MONITOR_PASSWORD=secret galley check --mysql.listen :3306 --cluster.nodes db1,db2,db3 --cluster.monitor.user monitor`,
		Args: cobra.NoArgs,
	}
	limit := cmd.Flags().Duration("timeout", checkLimit, "how long to wait for the nodes")
	load := configFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, path, err := load()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if path == "" {
			path = "given by flags and variables"
		}
		_, _ = fmt.Fprintf(out, "The configuration (%s) is valid.\n", path)
		r := plainReport(c)
		if len(c.Cluster.Nodes) > 0 { // Else it is a web tier alone.
			seen, err := look(cmd.Context(), c, *limit)
			if err != nil {
				return err
			}
			r = judge(c, seen)
		}
		r.web(cmd.Context(), c)
		r.print(out)
		if len(r.Errors) > 0 {
			return &toldError{fmt.Errorf("%d things keep galley from serving all of it", len(r.Errors))}
		}
		return nil
	}
	return cmd
}

// sighting is what check has seen of a cluster.
type sighting struct {
	View     *cluster.View
	State    cluster.AccountsState
	Accounts []*cluster.Account
	Answers  map[string]answers // Of the nodes that could be asked, by address.
	Complete bool               // Nothing was still awaited.
}

// look runs the parts of galley that watch a cluster, with this configuration, until they have found out what they can or the time is up.
func look(ctx context.Context, c *config.Config, limit time.Duration) (*sighting, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tls, err := proxy.NewClientTLS(c.Cluster.TLS, hclog.NewNullLogger())
	if err != nil {
		tls = nil // The report says why: what can be seen without is shown.
	}
	monitor, err := cluster.New(cluster.Options{Settings: cluster.SettingsOf(c.Cluster), TLS: tls, Logger: hclog.NewNullLogger()})
	if err != nil {
		return nil, err
	}
	accounts, err := cluster.NewAccounts(cluster.AccountsOptions{
		Monitor: monitor, Configured: cluster.AccountsOf(c.MySQL.Users), Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, run := range []func(context.Context) error{monitor.Run, accounts.Run} {
		wg.Go(func() { _ = run(ctx) }) // They end with the context only.
	}
	s := &sighting{}
	if s.Complete, err = waitSettled(ctx, monitor, accounts, limit); err != nil {
		return nil, err
	}
	s.View, s.State, s.Accounts = monitor.View(), accounts.State(), accounts.Snapshot().All()
	s.Answers = inspectAll(ctx, s.View, c.Cluster, tls)
	return s, nil
}

// waitSettled waits until the view has been complete and unchanged for a while; it is false when the time was up before.
func waitSettled(ctx context.Context, monitor *cluster.Monitor, accounts *cluster.Accounts, limit time.Duration) (bool, error) {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(checkTick)
	defer tick.Stop()
	version, since := uint64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-end.C:
			return false, nil
		case <-tick.C:
		}
		v := monitor.View()
		if v.Version != version || !settled(v, accounts.State()) {
			version, since = v.Version, time.Now()
		}
		if time.Since(since) >= checkCalm {
			return true, nil
		}
	}
}

// settled says whether nothing is awaited any more: each node has answered or failed, and the accounts have been asked for if there is a node to ask.
func settled(v *cluster.View, state cluster.AccountsState) bool {
	usable := false
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Reason == cluster.Starting {
			return false
		}
		usable = usable || n.ReadGrade != cluster.Never || n.WriteGrade != cluster.Never
	}
	return !usable || v.Writer >= 0 && (state.Err != nil || !state.At.IsZero())
}
