package torture

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what was seen.
type Report struct {
	Seed       uint64
	Time       time.Duration
	Ops        map[string]int
	Faults     []FaultReport
	Checked    []string
	Violations []string
}

// FaultReport is what the clients saw of all faults of one name.
type FaultReport struct {
	Name    string
	Times   int
	Ops     int
	Errors  map[string]int
	Cuts    bool
	Longest time.Duration // The longest operation of a client that succeeded.
	Floor   time.Duration // The longest write directly on a node, in the same time.
}

func (h *harness) report() *Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Report{Seed: h.opts.Seed, Time: time.Since(h.start), Ops: h.ops}
	for _, w := range append(slices.Clone(h.passed), h.quiet) {
		at := slices.IndexFunc(r.Faults, func(f FaultReport) bool { return f.Name == w.name })
		if at < 0 {
			at = len(r.Faults)
			r.Faults = append(r.Faults, FaultReport{Name: w.name, Cuts: w.cuts, Errors: map[string]int{}})
		}
		f := &r.Faults[at]
		f.Times++
		f.Ops += w.ops
		f.Longest, f.Floor = max(f.Longest, w.longest), max(f.Floor, w.floor)
		for kind, n := range w.errors {
			f.Errors[kind] += n
		}
	}
	return r
}

// Errors is how many operations failed by kind, those left out that were cut off by the end of their galley.
func (r *Report) Errors() map[string]int {
	all := map[string]int{}
	for _, f := range r.Faults {
		for kind, n := range f.Errors {
			if !f.Cuts {
				all[kind] += n
			}
		}
	}
	return all
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) {
	total := 0
	for _, n := range r.Ops {
		total += n
	}
	fmt.Fprintf(w, "seed %d, %s, %d operations (", r.Seed, r.Time.Round(time.Second), total)
	for i, name := range slices.Sorted(maps.Keys(r.Ops)) {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %d", name, r.Ops[name])
	}
	fmt.Fprintf(w, ")\n\n%-28s %5s %8s %9s %9s  %s\n", "fault", "times", "ops", "longest", "galera", "errors")
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%-28s %5d %8d %8.2fs %8.2fs  %s\n", f.Name, f.Times, f.Ops, f.Longest.Seconds(), f.Floor.Seconds(), list(f.Errors, f.Cuts))
	}
	fmt.Fprintln(w)
	for _, line := range r.Checked {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "violations: %d\n", len(r.Violations))
	for _, v := range r.Violations {
		fmt.Fprintln(w, "  "+v)
	}
}

func list(errors map[string]int, cuts bool) string {
	if len(errors) == 0 {
		return "-"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(errors)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, errors[kind]))
	}
	text := strings.Join(parts, ", ")
	if cuts {
		text += " (a galley was ended)"
	}
	return text
}
