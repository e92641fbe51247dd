package admin

import (
	"strings"
	"testing"
	"time"
)

func TestCareRows(t *testing.T) {
	text := func(c Care) string {
		var all []string
		for _, r := range careRows(c) {
			all = append(all, r.Name+": "+r.Value+": "+r.Text)
		}
		return strings.Join(all, "\n")
	}
	for _, want := range []string{"apply: 0: Reads found", "transactions run again: 0: Their clients", "statements run again: 0: 0 on another node, 0 after a deadlock."} {
		if got := text(Care{}); !strings.Contains(got, want) {
			t.Errorf("nothing yet: %s\nlacks %q", got, want)
		}
	}
	got := text(Care{
		Waits: 100, Waited: 200 * time.Millisecond, GivenUp: 2, ByNumber: 8, Fallbacks: []WordCount{{"writer_lost", 3}, {"plain", 0}}, Retries: 5, DeadlockRetries: 6,
		Replays: []WordCount{{"done", 7}, {"diverged", 1}, {"no_node", 0}}, Refused: []WordCount{{"user_variables", 4}},
	})
	for _, want := range []string{
		"apply: 100: 2 ms on average, 200 ms all together. 2 in vain", "by a write's number: 8: The cluster was slow to answer. Numbers that did not tell: writer lost 3\n", "transactions run again: 7: Tried, and the client was told of a deadlock: diverged 1\n",
		"transactions lost: 4: user variables 4\n", "statements run again: 11: 5 on another node, 6 after a deadlock.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %q", got, want)
		}
	}
}
