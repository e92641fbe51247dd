//go:build e2e

package lab

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"galley/e2e/torture"
)

// TestTorture tortures two galleys for a minute. E2E_SEED makes it another run; make torture runs for longer, with all faults.
func TestTorture(t *testing.T) {
	bin := os.Getenv("E2E_GALLEY")
	if bin == "" {
		t.Fatal("E2E_GALLEY is not set: make e2e builds galley and says where it is")
	}
	l, err := Start(t.Context(), bin, 2, "", func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	opts := l.Options()
	opts.Time, opts.Clients, opts.Rest, opts.Once = 75*time.Second, 3, 2*time.Second, true
	opts.Seed = 1
	if text := os.Getenv("E2E_SEED"); text != "" {
		if opts.Seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	short := []string{"sigkill of writer", "short sigstop of reader", "switch-writer", "galleys lose sight of different nodes", "galley sigterm"}
	opts.Faults = slices.DeleteFunc(l.Faults(), func(f torture.Fault) bool { return !slices.Contains(short, f.Name) })
	opts.Say = func(format string, args ...any) { t.Logf(format, args...) }
	report, err := torture.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	report.Print(os.Stdout)
	for _, v := range report.Violations {
		t.Error(v)
	}
	for kind, n := range report.Errors() {
		switch {
		case strings.HasSuffix(kind, "(unknown)"): // The answer of a single write or of a COMMIT was lost with its node.
		case strings.HasSuffix(kind, ":1213") && n <= 5: // A transaction that another one overtook on the new writer.
		case strings.HasSuffix(kind, ":1927") && n <= 3: // A transaction that could not be run again, as one whose answer had begun.
		default:
			t.Errorf("%d errors of kind %s", n, kind)
		}
	}
	if t.Failed() {
		for _, g := range l.Galleys {
			fmt.Fprintf(os.Stdout, "galley %s:\n%s\n", g.Addr, g.log())
		}
	}
}
