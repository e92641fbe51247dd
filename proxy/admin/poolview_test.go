package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhoHasTheConnections(t *testing.T) {
	full := func(change func(*NodePool)) NodePool {
		p := NodePool{
			InUse: 113, Limit: 113, Waiting: 48, LongestWait: 4 * time.Second, Running: 113,
			Users: []UserPool{{User: "shop", InUse: 100, Waiting: 48}, {User: "wp", InUse: 13}},
		}
		change(&p)
		return p
	}
	for name, tt := range map[string]struct {
		pool NodePool
		want string
	}{
		"all at work": {
			full(func(*NodePool) {}),
			"113 of 113 in use: 113 running statements. Look for slow statements, or raise mysql.pool.max_per_node.",
		},
		"kept": {
			full(func(p *NodePool) {
				p.Pinned, p.InTransaction, p.Running, p.Kept = 7, 80, 1, 25
				p.PinnedBy = []PinCount{{"temporary_table", 5}, {"user_lock", 2}}
			}),
			"113 of 113 in use: 7 pinned (temporary table 5, user lock 2), 80 in transactions, 1 running a statement, 25 kept between statements. " +
				"KILL the sessions that should not keep one, or raise mysql.pool.max_per_node.",
		},
		"the user's own limit": {
			full(func(p *NodePool) {
				p.InUse, p.Running, p.Users[0].InUse, p.Users[0].Idle, p.Users[0].Limit = 33, 33, 19, 1, 20
			}),
			"33 of 113 in use: 33 running statements. User shop has all 20 that mysql.pool.max_per_user lets it have.",
		},
		"slow to open": {
			full(func(p *NodePool) { p.InUse, p.Running, p.Opening = 2, 2, 4 }),
			"2 of 113 in use: 2 running statements. Opening more is slow: look at the load of the node, and at mysql.pool.opening.",
		},
	} {
		s := healthy()
		s.Nodes[1].Pool = tt.pool
		if got := newHeadline(s).Detail; got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestPoolBar(t *testing.T) {
	for _, tt := range []struct {
		pool      NodePool
		use, idle float64
		full      bool
		text      string
	}{
		{NodePool{}, 0, 0, false, "0 in use, 0 idle"},
		{NodePool{InUse: 3, Idle: 1, Limit: 8}, 37.5, 12.5, false, "3 in use, 1 idle"},
		{NodePool{InUse: 8, Limit: 8, Opening: 1}, 100, 0, true, "8 in use, 0 idle, 1 opening"},
		{NodePool{InUse: 9, Idle: 9, Limit: 8}, 100, 0, true, "9 in use, 9 idle"}, // The limit was lowered.
	} {
		v := newPoolView(tt.pool)
		if v.UseWidth != tt.use || v.IdleWidth != tt.idle || v.Full != tt.full || v.Text != tt.text {
			t.Errorf("%+v: got %+v", tt.pool, v)
		}
	}
}

// TestKeepers: of the sessions with connections to a node that others wait for, those are named that do the same for longest.
func TestKeepers(t *testing.T) {
	s := healthy()
	s.Nodes[0].Pool.Waiting, s.Nodes[0].Pool.LongestWait = 5, 3*time.Second
	s.MySQL.SessionRows = []SessionRow{
		{ID: 1, Holds: []string{"u2"}, StateAge: time.Hour},
		{ID: 2, Holds: []string{"u2", "u1"}, StateAge: time.Second},
		{ID: 3, State: "waiting for a connection"},
		{ID: 4, Holds: []string{"u1"}, Pins: []string{"user_lock"}, State: "idle", StateAge: time.Minute},
	}
	var ids []uint64
	for _, r := range keepers(s) {
		ids = append(ids, r.ID)
	}
	if !slices.Equal(ids, []uint64{4, 2}) {
		t.Errorf("got %v", ids)
	}
	page := ask(newTestServer(t, func(o *Options) { o.Source = newFakeSource(s) }), false, request(http.MethodGet, "/")).Body.String()
	for _, want := range []string{"Who has the connections", "user lock, idle", "1 min", "waiting for a connection", "node2, node1", "150 in all"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if v := newPoolView(NodePool{Limit: 9, InUse: 2, Waiting: 1, LongestWait: time.Millisecond}); v.Slow || v.Held != "" || v.Waiting == "" {
		t.Errorf("a wait of a millisecond: %+v", v)
	}
	if v := newPoolView(s.Nodes[0].Pool); !v.Slow || v.Held == "" {
		t.Errorf("a long wait: %+v", v)
	}
	calm := ask(newTestServer(t, nil), false, request(http.MethodGet, "/")).Body.String()
	if strings.Contains(calm, "Who has the connections") {
		t.Error("nobody waits, and the page names sessions")
	}
}

func TestPoolTable(t *testing.T) {
	s := healthy()
	s.Nodes[2].Pool.Users = append(s.Nodes[2].Pool.Users, UserPool{User: "shop", InUse: 1, Waiting: 2, Limit: 10})
	v := newPoolsView(s)
	var got []string
	for _, r := range v.Rows {
		got = append(got, strings.Join([]string{r.Node, r.User, r.Open, r.InUse, r.Idle, r.Waiting, r.Limit}, " "))
	}
	want := []string{"node3 shop 1 1 0 2 10", "node1 wp 12 3 9 0 150 in all", "node2 wp 12 3 9 0 150 in all", "node3 wp 12 3 9 0 150 in all"}
	if !slices.Equal(got, want) || v.Total != "36 open" || v.Hidden != 0 {
		t.Errorf("got %q, %q", got, v.Total)
	}
	for i := range 100 {
		s.Nodes[0].Pool.Users = append(s.Nodes[0].Pool.Users, UserPool{User: fmt.Sprint(i)})
	}
	if v := newPoolsView(s); len(v.Rows) != shownPools || v.Hidden != 104-shownPools {
		t.Errorf("%d rows, %d hidden", len(v.Rows), v.Hidden)
	}
}
