package mysql

import (
	"testing"

	"galley/cluster"
)

func TestConnsOfAUser(t *testing.T) {
	for _, c := range []struct {
		own, all   int
		access     uint64
		configured int
		want       int
	}{
		{0, 0, 0, 0, 0},
		{0, 0, 0, 7, 7},
		{10, 0, 0, 0, 9},
		{10, 0, 0, 7, 7},
		{5, 0, 0, 7, 4},
		{1, 0, 0, 0, 1},
		{0, 20, 0, 0, 19},
		{0, 20, ignoresUserLimit, 0, 0},
		{10, 20, ignoresUserLimit, 0, 9},
		{-1, 20, 0, 0, 0},
	} {
		a := &cluster.Account{MaxUserConnections: c.own, Access: c.access}
		if got := perUser(c.configured, nodeLimit(a, c.all)); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
