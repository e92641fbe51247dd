package mysql

import (
	"testing"
	"time"

	"galley/balancer"
)

func TestWaitForQuery(t *testing.T) {
	g, ok := parseGTID("7-4294967295-18446744073709551615")
	if !ok || g != (gtid{7, 4294967295, 18446744073709551615}) {
		t.Fatal(g, ok)
	}
	for limit, want := range map[time.Duration]string{
		0:                       "SELECT WSREP_SYNC_WAIT_UPTO_GTID('7-4294967295-18446744073709551615',1), WSREP_LAST_SEEN_GTID()",
		time.Second:             "SELECT WSREP_SYNC_WAIT_UPTO_GTID('7-4294967295-18446744073709551615',1), WSREP_LAST_SEEN_GTID()",
		1100 * time.Millisecond: "SELECT WSREP_SYNC_WAIT_UPTO_GTID('7-4294967295-18446744073709551615',2), WSREP_LAST_SEEN_GTID()",
	} {
		if got := waitForQuery(g, limit); got != want {
			t.Errorf("%s: %s", limit, got)
		}
	}
}

func FuzzParseGTID(f *testing.F) {
	for _, text := range []string{"0-1-20", "1-2", "", "--", "0-1-2-3", "-1-1-1", "0-1-+2", "4294967296-1-1", "5f9d-1:2", "00-01-002"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, ok := parseGTID(text)
		if again, same := parseGTID(g.String()); ok && (!same || again != g) {
			t.Errorf("%q is %v, and that is %v", text, g, again)
		}
	})
}

// TestNumbersAhead: a reader that seems to number higher is told from one that was merely asked at another moment.
func TestNumbersAhead(t *testing.T) {
	for name, c := range map[string]struct {
		writer, reader numbering
		want           bool
	}{
		"equal":                                 {numbering{100, 110, 100}, numbering{100, 110, 100}, false},
		"the reader is later":                   {numbering{100, 110, 100}, numbering{150, 160, 150}, false},
		"views came in between":                 {numbering{100, 110, 100}, numbering{150, 163, 150}, false},
		"one too high":                          {numbering{100, 110, 100}, numbering{101, 110, 101}, true},
		"one too high, later":                   {numbering{100, 110, 100}, numbering{151, 160, 151}, true},
		"too low: it is never taken for enough": {numbering{100, 110, 100}, numbering{99, 110, 99}, false},
		"writes came in between at the writer":  {numbering{100, 112, 104}, numbering{103, 112, 103}, false},
		"writes came in between at the reader":  {numbering{100, 110, 100}, numbering{99, 110, 105}, false},
		"the reader is behind: nothing is sure": {numbering{100, 110, 100}, numbering{95, 104, 95}, false},
		"the writer has committed nothing":      {numbering{0, 110, 0}, numbering{100, 110, 100}, false},
		"the reader has committed nothing":      {numbering{100, 110, 100}, numbering{0, 110, 0}, false},
	} {
		if got := ahead(c.writer, c.reader); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestNumbersTooLow: a reader whose numbers will never be reached is told from one that is behind.
func TestNumbersTooLow(t *testing.T) {
	for name, c := range map[string]struct {
		writer, reader numbering
		want           bool
	}{
		"equal":                                {numbering{100, 110, 100}, numbering{100, 110, 100}, false},
		"the reader is later":                  {numbering{100, 110, 100}, numbering{150, 160, 150}, false},
		"the reader is behind":                 {numbering{100, 110, 100}, numbering{95, 105, 95}, false},
		"one too low":                          {numbering{101, 110, 101}, numbering{100, 110, 100}, true},
		"one too low, later":                   {numbering{101, 110, 101}, numbering{150, 160, 150}, true},
		"writes came in between at the writer": {numbering{100, 112, 104}, numbering{102, 112, 102}, false},
		"writes came in between at the reader": {numbering{100, 110, 100}, numbering{99, 110, 105}, false},
		"it tells nothing since its start":     {numbering{100, 110, 100}, numbering{0, 110, 0}, true},
		"the writer tells nothing":             {numbering{0, 110, 0}, numbering{100, 110, 100}, false},
	} {
		if got := tooLow(c.writer, c.reader); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRestartedClusters(t *testing.T) {
	w := balancer.NewBackend("a", 1)
	for name, c := range map[string]struct {
		before, now epoch
		want        bool
	}{
		"the first view":        {epoch{}, epoch{"u", 3, w}, false},
		"a node more":           {epoch{"u", 3, w}, epoch{"u", 4, w}, false},
		"another writer":        {epoch{"u", 3, nil}, epoch{"u", 3, w}, false},
		"nothing is known":      {epoch{"u", 3, w}, epoch{"", -1, nil}, false},
		"it is known again":     {epoch{"", -1, nil}.after(epoch{"u", 3, w}), epoch{"u", 4, w}, false},
		"a bootstrap meanwhile": {epoch{"", -1, nil}.after(epoch{"u", 3, w}), epoch{"u", 2, w}, true},
		"no view for now":       {epoch{"u", 3, w}, epoch{"u", -1, nil}, false},
		"another cluster":       {epoch{"u", 3, w}, epoch{"v", 4, w}, true},
		"a bootstrap":           {epoch{"u", 3, w}, epoch{"u", 1, w}, true},
	} {
		if got := c.now.restarted(c.before); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestPositionHas: neither of a node's two numbers is enough by itself.
func TestPositionHas(t *testing.T) {
	for _, c := range []struct {
		name             string
		seq, committed   uint64 // The node's.
		last, lastByThem uint64 // The writer's.
		want             bool
	}{
		{"all of it", 230, 233, 230, 233, true},
		{"more", 240, 243, 230, 233, true},
		{"the number given out, and not to be seen yet", 230, 232, 230, 233, false},
		{"the writer's provider lags behind what clients were told", 222, 225, 230, 225, false},
		{"nothing", 0, 0, 230, 233, false},
	} {
		p := position{at: gtid{seq: c.seq}, committed: c.committed}
		if got := p.has(indexPoint{seq: c.last, committed: c.lastByThem}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
