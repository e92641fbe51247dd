package admin

import (
	"fmt"
	"strings"
	"time"
)

// Care is what galley has done since it started so that clients see neither old data nor a node's failure.
type Care struct {
	Waits     uint64        // statements that waited for a node to apply what they had to see
	Waited    time.Duration // all together
	GivenUp   uint64        // of those: the writer answered, or the client got an error, as the node was not ready in time
	ByNumber  uint64        // questions by a write's number, because the group was slow to answer
	Fallbacks []WordCount   // of those: the number did not tell, by reason

	Retries         uint64      // commands run again on another node
	DeadlockRetries uint64      // autocommit statements run again after a deadlock
	Replays         []WordCount // transactions run again, by result
	Refused         []WordCount // transactions that were lost and not run again, by reason
}

// WordCount is how often something has happened, by a word of a closed list.
type WordCount struct {
	Word  string `json:"word"`
	Count uint64 `json:"count"`
}

// careDoc is Care in the API.
type careDoc struct {
	Waits           uint64      `json:"causal_waits_total"`
	Waited          float64     `json:"causal_wait_seconds_total"`
	GivenUp         uint64      `json:"causal_waits_given_up_total"`
	ByNumber        uint64      `json:"causal_waits_by_number_total"`
	Fallbacks       []WordCount `json:"causal_fallbacks"`
	Retries         uint64      `json:"retries_total"`
	DeadlockRetries uint64      `json:"deadlock_retries_total"`
	Replays         []WordCount `json:"replays"`
	Refused         []WordCount `json:"replays_refused"`
}

func newCareDoc(c Care) careDoc {
	list := func(w []WordCount) []WordCount { return append([]WordCount{}, w...) }
	return careDoc{
		Waits: c.Waits, Waited: c.Waited.Seconds(), GivenUp: c.GivenUp, ByNumber: c.ByNumber, Fallbacks: list(c.Fallbacks),
		Retries: c.Retries, DeadlockRetries: c.DeadlockRetries, Replays: list(c.Replays), Refused: list(c.Refused),
	}
}

// careRow is one line about it on the page: a figure and what there is to say of it.
type careRow struct{ Name, Value, Text string }

// careRows are what the page says of it.
func careRows(c Care) []careRow {
	wait := "Reads found their node up to date."
	if c.Waits > 0 {
		wait = fmt.Sprintf("%s on average, %s all together.", seconds((c.Waited / time.Duration(c.Waits)).Seconds()), seconds(c.Waited.Seconds()))
		if c.GivenUp > 0 {
			wait += fmt.Sprintf(" %s in vain: the writer answered, or the client was told.", count(float64(c.GivenUp)))
		}
	}
	done, undone, lost := uint64(0), []WordCount(nil), sum(c.Refused)
	for _, r := range c.Replays {
		if r.Word == "done" {
			done = r.Count
		} else {
			undone = append(undone, r)
		}
	}
	return []careRow{
		{"waits for a node to apply", count(float64(c.Waits)), wait},
		{"by a write's number", count(float64(c.ByNumber)), byNumber(c)},
		{"transactions run again", count(float64(done)), orElse(prefixed("Tried, and the client was told of a deadlock: ", list(undone)), "Their clients noticed nothing.")},
		{"transactions lost", count(float64(lost)), orElse(list(c.Refused), "None that could not be run again.")},
		{"statements run again", count(float64(c.Retries + c.DeadlockRetries)), fmt.Sprintf("%s on another node, %s after a deadlock.", count(float64(c.Retries)), count(float64(c.DeadlockRetries)))},
	}
}

// byNumber says why numbers were asked for.
func byNumber(c Care) string {
	if c.ByNumber == 0 {
		return "The cluster itself answered at once."
	}
	return "The cluster was slow to answer." + prefixed(" Numbers that did not tell: ", list(c.Fallbacks))
}

func sum(words []WordCount) (n uint64) {
	for _, w := range words {
		n += w.Count
	}
	return n
}

// list names those that have happened.
func list(words []WordCount) string {
	var all []string
	for _, w := range words {
		if w.Count > 0 {
			all = append(all, fmt.Sprintf("%s %s", strings.ReplaceAll(w.Word, "_", " "), count(float64(w.Count))))
		}
	}
	return strings.Join(all, ", ")
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
