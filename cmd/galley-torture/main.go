// Command galley-torture loads a cluster through galley and checks from the clients' histories that nothing was lost, doubled or stale.
//
// Without --dsn it makes a cluster and two galleys of its own on this machine and breaks them on purpose, at random from --seed. With --dsn (one for each
// galley) it works on yours, in tables called torture_*, and breaks nothing: restart a node meanwhile, and see what your clients would have seen.
//
// Its exit code is 1 if something was violated, 2 if it could not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"galley/e2e/torture"
	"galley/e2e/torture/lab"
)

// errViolated is a run that found something.
var errViolated = errors.New("violated")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := command().ExecuteContext(ctx); {
	case errors.Is(err, errViolated):
		stop()
		os.Exit(1) //nolint:gocritic // stopped
	case err != nil:
		fmt.Fprintln(os.Stderr, "galley-torture:", err)
		stop()
		os.Exit(2)
	}
}

// flags are the command line.
type flags struct {
	opts   torture.Options
	bin    string
	count  int
	config string
	only   []string
}

func command() *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use: "galley-torture", Short: "Torture a cluster behind galley and check what its clients saw", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.opts.Targets, "dsn", nil, "a galley of yours, as user:password@tcp(host:port)/schema; once for each galley")
	fl.DurationVar(&f.opts.Time, "time", 10*time.Minute, "how long")
	fl.IntVar(&f.opts.Clients, "clients", 4, "clients of each of the five workloads")
	fl.Uint64Var(&f.opts.Seed, "seed", 0, "what is random (0: another each time)")
	fl.DurationVar(&f.opts.Rest, "rest", 4*time.Second, "time between two faults")
	fl.StringVar(&f.bin, "galley", "bin/galley", "the binary of a cluster of its own")
	fl.IntVar(&f.count, "galleys", 2, "galleys in front of it")
	fl.StringVar(&f.config, "config", "", "more of the galleys' configuration, as YAML")
	fl.StringSliceVar(&f.only, "faults", nil, "only faults whose names have one of these in them (none: no faults)")
	return cmd
}

func (f *flags) run(ctx context.Context) error {
	if f.opts.Seed == 0 {
		f.opts.Seed = rand.Uint64() >> 1
	}
	began := time.Now()
	f.opts.Say = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	f.opts.Say("seed %d", f.opts.Seed)
	if len(f.opts.Targets) == 0 {
		l, err := lab.Start(ctx, f.bin, f.count, f.config, func(line string) { f.opts.Say("%s", line) })
		if err != nil {
			return err //nolint:wrapcheck // says what
		}
		defer l.Close()
		from := l.Options()
		f.opts.Targets, f.opts.Floors, f.opts.Moves, f.opts.Faults = from.Targets, from.Floors, from.Moves, f.chosen(l.Faults())
	}
	report, err := torture.Run(ctx, f.opts)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	report.Print(os.Stdout)
	if len(report.Violations) > 0 {
		return errViolated
	}
	return nil
}

func (f *flags) chosen(all []torture.Fault) []torture.Fault {
	if len(f.only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(fault torture.Fault) bool {
		return !slices.ContainsFunc(f.only, func(part string) bool { return strings.Contains(fault.Name, part) })
	})
}
