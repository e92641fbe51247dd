package lease

import (
	"testing"
	"time"
)

const (
	term   = 6 * time.Second
	margin = time.Second
)

func state(self string) *State {
	return &State{Self: self, Times: Times{Term: term, Margin: margin, Every: term / 3, Poll: time.Second / 10, Patience: 2 * term}}
}

func both(epoch, acked1, beat1, acked2, beat2 int64) []Peer {
	ab := []string{"A", "B"}
	return []Peer{{ID: "g1", Epoch: epoch, Acked: acked1, Beat: beat1, Sees: ab, Term: term}, {ID: "g2", Epoch: epoch, Acked: acked2, Beat: beat2, Sees: ab, Term: term}}
}

func (s *State) wants(t *testing.T, now time.Duration, w Wish, do Do) Step {
	t.Helper()
	step := s.Next(now, w)
	if step.Do != do {
		t.Fatalf("at %v: step %v, want %v", now, step.Do, do)
	}
	return step
}

func TestPermitEndsWithItsTerm(t *testing.T) {
	s, w := state("g1"), Wish{Sees: []string{"A", "B"}, Quiet: true}
	s.wants(t, 0, w, Read)
	s.Saw(0, Sight{Row{Epoch: 2, Writer: "A"}, both(2, 0, 1, 0, 1)})
	s.wants(t, 0, w, Confirm)
	if s.Permit(0) != Nothing {
		t.Error("may write before it has confirmed")
	}
	s.Confirmed(time.Second, 2, w.Sees)
	for at, want := range map[time.Duration]Permit{2 * time.Second: All, time.Second + term - 1: All, time.Second + term: Nothing} {
		if got := s.Permit(at); got != want {
			t.Errorf("at %v: permit %v, want %v", at, got, want)
		}
	}
	s.wants(t, 2*time.Second, w, Wait)
	s.wants(t, time.Second+term/3, w, Confirm)
	s.Confirmed(100*time.Second, 1, w.Sees) // Of an epoch that is over.
	if s.Permit(100*time.Second) != Nothing {
		t.Error("a confirmation of another epoch counts")
	}
}

func TestMoveWaitsForTheOthers(t *testing.T) {
	s, w := state("g1"), Wish{Sees: []string{"B"}, Quiet: true}
	s.Saw(0, Sight{Row{Epoch: 2, Writer: "A"}, both(2, 0, 1, 0, 0)})
	s.Saw(0, Sight{Row{Epoch: 2, Writer: "A"}, both(2, 0, 1, 0, 1)})
	if step := s.wants(t, 0, w, Begin); step.Target != "B" || step.After(s.Row(), "g1") != (Row{Epoch: 3, Writer: "A", Target: "B", Holder: "g1"}) {
		t.Fatalf("%+v", step)
	}
	row := Row{Epoch: 3, Writer: "A", Target: "B", Holder: "g1"}
	s.Stale()
	s.wants(t, 0, w, Read)
	at := time.Second
	s.Saw(at, Sight{row, both(3, 0, 1, 0, 2)})
	s.wants(t, at, w, Ack)
	s.Stop()
	s.Confirmed(at, 3, w.Sees)
	s.Saw(at, Sight{row, both(3, 3, 2, 0, 2)})
	s.sees = w.Sees
	s.wants(t, at, w, Wait) // The other may still write, until
	end := at + term + margin
	s.Confirmed(end-1, 3, w.Sees)
	s.looked = end - 1
	s.wants(t, end-1, w, Wait)
	s.wants(t, end, w, End) // it is surely over,
	s.Saw(end-1, Sight{row, both(3, 3, 3, 3, 3)})
	step := s.wants(t, end-1, w, End) // or it has said that it has stopped.
	if step.After(s.Row(), "g1") != (Row{Epoch: 4, Writer: "B", Holder: "g1"}) {
		t.Errorf("%+v", step)
	}
}

func TestWriterGoesWhereMoreCanWrite(t *testing.T) {
	for name, c := range map[string]struct {
		sees   []string // of g1; g2 sees A and B
		writer string
		want   string
	}{
		"sees both":          {[]string{"A", "B"}, "A", ""},
		"has lost it":        {[]string{"B"}, "A", "B"},
		"sees nothing":       {nil, "A", ""},
		"prefers another":    {[]string{"B", "A"}, "A", ""},
		"sees only others":   {[]string{"C"}, "A", ""}, // One could write to each: it stays.
		"there is no writer": {[]string{"B", "A"}, "", "B"},
	} {
		s := state("g1")
		s.Saw(0, Sight{Row{Epoch: 2, Writer: c.writer}, both(2, 0, 1, 0, 0)})
		if got := s.better(0, c.sees, c.writer); got != "" && c.writer != "" {
			t.Errorf("%s: %q by the row of one that may be gone", name, got)
		}
		s.Saw(0, Sight{Row{Epoch: 2, Writer: c.writer}, both(2, 0, 1, 0, 1)})
		if got := s.better(0, c.sees, c.writer); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSoftMoveLetsTransactionsEnd(t *testing.T) {
	w := Wish{Sees: []string{"A", "B"}, Switch: "B", Soft: true}
	one, two := state("g1"), state("g2")
	for _, s := range []*State{one, two} {
		s.Saw(0, Sight{Row{Epoch: 2, Writer: "A"}, both(2, 0, 1, 0, 1)})
		s.Confirmed(0, 2, w.Sees)
	}
	step := one.wants(t, 0, w, Begin)
	row := step.After(one.Row(), "g1")
	for _, s := range []*State{one, two} {
		s.Saw(0, Sight{row, both(3, 0, 1, 0, 1)})
	}
	if one.Permit(0) != All || two.Permit(0) != Finish {
		t.Errorf("permits %v, %v: the one that has asked is the last", one.Permit(0), two.Permit(0))
	}
	two.wants(t, 0, Wish{Sees: w.Sees}, Wait)
	two.wants(t, 0, Wish{Sees: w.Sees, Quiet: true}, Ack)
	one.wants(t, 0, Wish{Sees: w.Sees, Quiet: true}, Wait)
	one.Saw(0, Sight{row, both(3, 0, 1, 3, 2)})
	if one.Permit(0) != Finish {
		t.Error("the others have stopped")
	}
	one.wants(t, 0, Wish{Sees: w.Sees, Quiet: true}, Ack)
	if step := one.wants(t, 0, Wish{Sees: w.Sees, Abort: true}, Undo); step.After(one.Row(), "g1") != (Row{Epoch: 4, Writer: "A", Holder: "g1"}) {
		t.Errorf("%+v", step)
	}
}
