// Command galley stands in front of a MariaDB Galera cluster: serve runs the proxy, check looks at a configuration and its cluster, demo shows it all on this machine.
//
// It holds no logic of its own: it reads the configuration, makes the parts, gives each what it needs, and takes them down in order.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		if _, told := errors.AsType[*toldError](err); !told {
			fmt.Fprintln(os.Stderr, "galley:", err)
		}
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// toldError is an error that the user has been told of.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "galley",
		Short: "A proxy for MariaDB Galera clusters and php-fpm pools",
		Long: `galley stands in front of a MariaDB Galera cluster. Point a MySQL client at it and forget the nodes:
it sends writes to one node and reads to the least loaded one that is synced, and goes on with another one when a node dies. With a section web it is the web server of php-fpm pools as well, or that alone.

  galley demo                     try it on a real cluster on this machine
  galley check -c galley.yaml     see what it would see
  galley serve -c galley.yaml     run it
  galley status -c galley.yaml    see what it sees and does
  galley drain n1 --wait          leave a node before it is restarted; galley undrain n1 puts it back

GALLEY_CONFIG=galley.yaml stands for -c galley.yaml.

A whole configuration:

  mysql:
    listen: 127.0.0.1:3306
  cluster:
    nodes: [10.0.0.1:3306, 10.0.0.2:3306, 10.0.0.3:3306]
    monitor: {user: monitor, password: secret}
  admin:
    listen: 127.0.0.1:9306`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServe(), newCheck(), newStatus(), newSwitchWriter(), newDrain(), newUndrain(), newConfig(), newDemo(), newHealth(), newVersion())
	return root
}
