package lease

import (
	"testing"
	"time"
)

// Who joins keeps still for as long as the others may take themselves to be alone, which is by their own terms.
func TestLongest(t *testing.T) {
	s := State{Self: "a", Times: Times{Term: time.Second, Margin: time.Second / 10, Every: time.Second / 3}}
	s.Saw(0, Sight{Row: Row{Epoch: 1, Writer: "n1"}, Peers: []Peer{{ID: "a", Epoch: 1, Term: time.Minute}, {ID: "b", Epoch: 1, Term: 10 * time.Second}, {ID: "c", Epoch: 1, Term: time.Second / 2}}})
	for at, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 5 * time.Second: 10 * time.Second, 11 * time.Second: time.Second} {
		if got := s.Longest(at); got != want {
			t.Errorf("at %v the longest term is %v, want %v", at, got, want)
		}
	}
}
