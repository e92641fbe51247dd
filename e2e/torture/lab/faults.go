package lab

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver of database/sql

	"galley/cluster/clusterlab"
	"galley/e2e/torture"
)

// Faults are all that can happen to a lab, by name.
func (l *Lab) Faults() []torture.Fault {
	kill := func(_ context.Context, n *clusterlab.Node) error { return n.Kill() }
	term := func(ctx context.Context, n *clusterlab.Node) error { return n.Terminate(ctx) }
	stop := func(_ context.Context, n *clusterlab.Node) error { return n.Pause() }
	resume := func(_ context.Context, n *clusterlab.Node) error { return n.Resume() }
	rejoin := func(ctx context.Context, n *clusterlab.Node) error { return n.Start(ctx) }
	set := func(statement string) act {
		return func(ctx context.Context, n *clusterlab.Node) error { return n.Exec(ctx, statement) }
	}
	var all []torture.Fault
	for _, onWriter := range []bool{true, false} {
		all = append(all,
			l.onNode("sigkill", onWriter, 8*time.Second, kill, rejoin),
			l.onNode("sigterm", onWriter, 3*time.Second, term, rejoin),
			l.onNode("sigstop", onWriter, 10*time.Second, stop, resume),
			l.onNode("short sigstop", onWriter, 2*time.Second, stop, resume),
			l.onNode("desync", onWriter, 3*time.Second, set("SET GLOBAL wsrep_desync=ON"), set("SET GLOBAL wsrep_desync=OFF")),
			// The node is cut off from the group, and its clients are not: a partition.
			l.onNode("isolated", onWriter, 8*time.Second, set("SET GLOBAL wsrep_provider_options='gmcast.isolate=1'"), set("SET GLOBAL wsrep_provider_options='gmcast.isolate=0'")),
		)
	}
	all = append(all, l.sights()...)
	return append(all, l.blockedApplier(), l.rolling(), l.switchWriter(),
		l.onGalley("galley sigkill", syscall.SIGKILL), l.onGalley("galley sigterm", syscall.SIGTERM))
}

type act func(ctx context.Context, n *clusterlab.Node) error

// onNode strikes the writer or a reader.
func (l *Lab) onNode(name string, onWriter bool, hold time.Duration, do, heal act) torture.Fault {
	who := "reader"
	if onWriter {
		who = "writer"
	}
	var struck *clusterlab.Node
	return torture.Fault{
		Name: name + " of " + who, Hold: hold,
		Act: func(ctx context.Context, r *rand.Rand) error {
			writer, readers, err := l.roles(ctx)
			if err != nil {
				return err
			}
			struck = writer
			if !onWriter {
				struck = readers[r.IntN(len(readers))]
			}
			return do(ctx, struck)
		},
		Heal: func(ctx context.Context) error {
			if struck == nil {
				return nil
			}
			if err := heal(ctx, struck); err != nil {
				return err
			}
			return l.settle(ctx)
		},
	}
}

// settle waits until all nodes are synced in one component.
func (l *Lab) settle(ctx context.Context) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := l.settled(ctx)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the caller's own
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (l *Lab) settled(ctx context.Context) error {
	nodes := l.Cluster.Nodes()
	for _, n := range nodes {
		synced, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := n.WaitSynced(synced)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name(), err)
		}
		if size, err := n.Status(ctx, "wsrep_cluster_size"); err != nil || size != fmt.Sprint(len(nodes)) {
			return fmt.Errorf("%s sees %s nodes of %d: %w", n.Name(), size, len(nodes), err)
		}
	}
	return nil
}

// blockedApplier holds a reader's appliers still, so that its queue grows and flow control threatens.
func (l *Lab) blockedApplier() torture.Fault {
	var db *sql.DB
	return torture.Fault{
		Name: "blocked applier", Hold: 4 * time.Second,
		Act: func(ctx context.Context, r *rand.Rand) error {
			_, readers, err := l.roles(ctx)
			if err != nil {
				return err
			}
			if db, err = openRoot(l.Cluster.RootDSN(readers[r.IntN(len(readers))])); err != nil {
				return err
			}
			_, err = db.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK")
			return err //nolint:wrapcheck // says what
		},
		Heal: func(ctx context.Context) error {
			if db != nil {
				_ = db.Close() // And with it the lock.
			}
			return l.settle(ctx)
		},
	}
}

// openRoot gives one connection to a node itself.
func openRoot(dsn string) (*sql.DB, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, fmt.Errorf("open a connection to a node: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// rolling restarts all nodes, each drained first, as an operator does for an upgrade.
func (l *Lab) rolling() torture.Fault {
	return torture.Fault{
		Name: "rolling restart, drained", Hold: time.Second,
		Act: func(ctx context.Context, _ *rand.Rand) error {
			for _, n := range l.Cluster.Nodes() {
				for _, step := range []func() error{
					func() error { return l.Galleys[0].Run(ctx, "drain", n.Name(), "--wait") },
					func() error { return n.Terminate(ctx) },
					func() error { return n.Start(ctx) },
					func() error { return l.settle(ctx) },
					func() error { return l.Galleys[0].Run(ctx, "undrain", n.Name()) },
				} {
					if err := step(); err != nil {
						return err
					}
				}
			}
			return nil
		},
		Heal: func(ctx context.Context) error { return l.settle(ctx) },
	}
}

func (l *Lab) switchWriter() torture.Fault {
	return torture.Fault{
		Name: "switch-writer", Hold: time.Second,
		Act: func(ctx context.Context, r *rand.Rand) error {
			_, readers, err := l.roles(ctx)
			if err != nil {
				return err
			}
			return l.Galleys[0].Run(ctx, "switch-writer", readers[r.IntN(len(readers))].Name())
		},
		Heal: func(ctx context.Context) error { return l.settle(ctx) },
	}
}

// onGalley ends one of the galleys and starts it again.
func (l *Lab) onGalley(name string, sig syscall.Signal) torture.Fault {
	var struck *Galley
	return torture.Fault{
		Name: name, Hold: 3 * time.Second, Cuts: true,
		Act: func(_ context.Context, r *rand.Rand) error {
			struck = l.Galleys[r.IntN(len(l.Galleys))]
			return struck.end(sig)
		},
		Heal: func(ctx context.Context) error {
			if struck == nil {
				return nil
			}
			return struck.start(ctx)
		},
	}
}

// Options are what torture needs to know of the lab.
func (l *Lab) Options() torture.Options {
	app := l.Cluster.App()
	o := torture.Options{Floors: map[string]string{}, Moves: l.moves}
	for _, g := range l.Galleys {
		o.Targets = append(o.Targets, fmt.Sprintf("%s:%s@tcp(%s)/%s", app.User, app.Password, g.Addr, clusterlab.Schema))
	}
	for _, n := range l.Cluster.Nodes() {
		o.Floors[n.Name()] = l.Cluster.AppDSN(n)
	}
	return o
}
