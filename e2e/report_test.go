//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// outcome is what the clients saw at one event.
type outcome struct {
	event       string
	ops         int
	errors      map[string]int // By kind, reads' prefixed with "read:".
	first       []string       // Of each kind the first: when, which client, its words.
	longest     time.Duration  // Of writes.
	longestRead time.Duration
	floor       time.Duration // What a client writing directly on a surviving node saw at the same time.
	floorRead   time.Duration // What a client reading directly on the struck node saw, where that is of interest.
}

func (o outcome) count() int {
	n := 0
	for _, c := range o.errors {
		n += c
	}
	return n
}

// firsts are the first errors of the kinds, for a failure.
func (o outcome) firsts() string { return "\n  " + strings.Join(o.first, "\n  ") }

func (o outcome) kinds() string {
	if len(o.errors) == 0 {
		return "-"
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(o.errors)) {
		words = append(words, fmt.Sprintf("%s:%d", kind, o.errors[kind]))
	}
	return strings.Join(words, ",")
}

func (o outcome) String() string {
	return fmt.Sprintf("event=%s ops=%d errors=%d kinds=%s longest_pause=%s galera_floor=%s longest_read_pause=%s",
		o.event, o.ops, o.count(), o.kinds(), seconds(o.longest), seconds(o.floor), seconds(o.longestRead))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// report gathers the outcomes for the table at the end.
type report struct {
	mu       sync.Mutex
	outcomes []outcome
}

func (r *report) add(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, o)
}

func (r *report) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.outcomes) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "event\tops\terrors\tkinds\tlongest pause\tGalera's floor\tlongest read pause")
	for _, o := range r.outcomes {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n",
			o.event, o.ops, o.count(), o.kinds(), seconds(o.longest), seconds(o.floor), seconds(o.longestRead))
	}
	_ = tw.Flush()
}
