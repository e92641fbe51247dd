package mysql

import (
	"slices"
	"testing"
	"time"
)

// TestForemost: those are listed that a sort of all would put first, in that order, however many there are.
func TestForemost(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, n := range []int{0, 1, 5, 9, 10, 11, 19, 20, 21, 1000} {
		srv := &Server{sessions: map[uint32]*session{}}
		var all []ranked
		for i := range n {
			c := &session{srv: srv, id: uint32(i)}
			c.shown.since = began.Add(time.Duration(i*7919%101) * time.Second)
			c.shown.inTrans.Store(i%13 == 5)
			c.shown.waiting.Store(i%5 == 1)
			srv.sessions[c.id] = c
			all = append(all, ranked{c, c.interest()})
		}
		slices.SortFunc(all, ranked.compare)
		for _, limit := range []int{0, 1, 10, 5000} {
			got := srv.foremost(limit)
			if want := all[:min(limit, n)]; !slices.Equal(got, want) {
				t.Errorf("%d of %d sessions: %d, and not those that are first", limit, n, len(got))
			}
		}
	}
}
