package cluster

import (
	"strings"
	"testing"
	"time"
)

func TestSwitchDecides(t *testing.T) {
	const limit = 10 * time.Second
	ms := time.Millisecond
	for name, c := range map[string]struct {
		p                   progress
		whileHeld, whenOpen verdictOfSwitch
	}{
		"nothing is under way":         {progress{limit: limit, tries: 1}, goOn, tryAgain},
		"nothing, but late":            {progress{limit: limit, waited: time.Minute, held: time.Second, tries: 3}, goOn, tryAgain},
		"within the first window":      {progress{limit: limit, held: 199 * ms, waited: time.Second, tries: 1, open: 1}, keepOn, keepOn},
		"the first window is over":     {progress{limit: limit, held: 200 * ms, waited: time.Second, tries: 1, open: 1}, letGo, keepOn},
		"within the third window":      {progress{limit: limit, held: 799 * ms, waited: time.Second, tries: 3, open: 1}, keepOn, keepOn},
		"the third window is over":     {progress{limit: limit, held: 800 * ms, waited: time.Second, tries: 3, open: 1}, letGo, keepOn},
		"time is up":                   {progress{limit: limit, held: 800 * ms, waited: limit, tries: 3, open: 1}, giveUp, giveUp},
		"time is up, by force":         {progress{limit: limit, held: 800 * ms, waited: limit, tries: 3, open: 1, force: true}, endThem, tryAgain},
		"time is up as an attempt has": {progress{limit: limit, held: 199 * ms, waited: limit, tries: 3, open: 1, force: true}, keepOn, tryAgain},
		"no time at all":               {progress{held: 0, waited: 0, tries: 1, open: 1}, keepOn, giveUp},
		"no time at all, tried":        {progress{held: 200 * ms, waited: 200 * ms, tries: 1, open: 1}, giveUp, giveUp},
		"many attempts":                {progress{limit: limit, held: 9 * time.Second, waited: 9 * time.Second, tries: 90, open: 1}, keepOn, keepOn},
	} {
		if got := c.p.whileHeld(); got != c.whileHeld {
			t.Errorf("%s: while held %d, want %d", name, got, c.whileHeld)
		}
		if got := c.p.whileOpen(); got != c.whenOpen {
			t.Errorf("%s: with nothing held %d, want %d", name, got, c.whenOpen)
		}
	}
}

func TestStillThere(t *testing.T) {
	before := []WritingSession{{ID: 1, Serial: 5}, {ID: 2, Serial: 6}, {ID: 3, Serial: 7}}
	now := []WritingSession{{ID: 1, Serial: 5}, {ID: 2, Serial: 8}, {ID: 4, Serial: 7}}
	if got := stillThere(before, now); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("still there: %v", got)
	}
}

func TestSuccessor(t *testing.T) {
	for name, c := range map[string]struct {
		before func(f *fleet)
		key    string
		want   string
		says   string
	}{
		"in order":                {nil, "", "n2:1", ""},
		"not one that lags":       {func(f *fleet) { f.say("n2:1", func(s *Status) { s.RecvQueue = 10 }) }, "", "n3:1", ""},
		"not a drained one":       {func(f *fleet) { f.at("n2:1").Drained = true }, "", "n3:1", ""},
		"not a donor":             {func(f *fleet) { f.say("n2:1", func(s *Status) { s.State = StateDonor }) }, "", "n3:1", ""},
		"one that is meant":       {nil, "n3:1", "n3:1", ""},
		"by its name":             {func(f *fleet) { f.at("n3:1").Name = "third" }, "third", "n3:1", ""},
		"the writer":              {nil, "n1:1", "", "is the writer already"},
		"one that is not there":   {nil, "x", "", `there is no node "x"; there are n1:1, n2:1, n3:1`},
		"one that takes no write": {func(f *fleet) { f.say("n2:1", func(s *Status) { s.ReadOnly = true }) }, "n2:1", "", "cannot be the writer: read_only"},
		"nobody is left":          {func(f *fleet) { f.fail("n2:1", true); f.at("n3:1").Drained = true }, "", "", "n2:1 is unreachable, n3:1 is draining"},
	} {
		f := newFleet(t, 3)
		if c.before != nil {
			c.before(f)
			f.build()
		}
		n, err := successor(f.view, c.key)
		switch {
		case c.want != "" && (err != nil || n.Addr != c.want):
			t.Errorf("%s: %v, %v", name, n, err)
		case c.want == "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: told %v, want %q", name, err, c.says)
		}
	}
}

func TestMayDrain(t *testing.T) {
	f := newFleet(t, 3)
	check := func(addr string, first bool, says string) {
		t.Helper()
		got, err := mayDrain(f.view, f.view.at(addr))
		if got != first || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v; want %v, %q", addr, got, err, first, says)
		}
	}
	check("n1:1", true, "")
	check("n2:1", false, "")
	f.fail("n3:1", true)
	f.at("n2:1").Drained = true
	f.build()
	check("n1:1", false, "no other one could take its work: n2:1 is draining, n3:1 is unreachable")
	check("n3:1", false, "")
}

func TestSwitchTimeoutNamesSessions(t *testing.T) {
	e := &SwitchTimeout{To: "n2:1", After: 10 * time.Second}
	for i := range 7 {
		e.Sessions = append(e.Sessions, WritingSession{ID: uint32(i), User: "app", Client: "10.0.0.9:5", Doing: "in transaction", For: time.Duration(i) * time.Second})
	}
	want := "given up after 10.0 s, and nothing is changed: held up by session 6 of app at 10.0.0.9:5, in transaction for 6.0 s; "
	if got := e.Error(); !strings.HasPrefix(got, want) || !strings.Contains(got, "; 2 more; --force") || strings.Contains(got, "session 1 ") {
		t.Errorf("%q", got)
	}
}
