package fpm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fcgi"
)

func TestQueueTurns(t *testing.T) {
	q := newQueue()
	names := map[*waiter]string{}
	push := func(site, name string, first bool) *waiter {
		w := &waiter{site: site, got: make(chan *worker, 1)}
		names[w] = name
		q.push(w, first)
		return w
	}
	push("a", "a1", false)
	a2 := push("a", "a2", false)
	push("a", "a3", false)
	push("a", "a4", false)
	push("b", "b1", false)
	push("c", "c1", false)
	push("b", "b0", true)
	if !q.remove(a2) || q.remove(a2) || q.n != 6 {
		t.Fatalf("%d left", q.n)
	}
	if out := q.room("b"); out != nil {
		t.Errorf("%s had to go, although a has only one more", names[out])
	}
	if out := q.room("c"); names[out] != "a4" {
		t.Errorf("%s had to go", names[out])
	}
	var got []string
	for w := q.pop(); w != nil; w = q.pop() {
		got = append(got, names[w])
	}
	if want := []string{"a1", "b0", "c1", "a3", "b1"}; !slices.Equal(got, want) || q.n != 0 || len(q.lines) != 0 || q.turn.Len() != 0 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestRetryTable is the table of what may be tried again.
func TestRetryTable(t *testing.T) {
	failed := func(committed bool, err error) error {
		return &fcgi.Error{Committed: committed, Err: fmt.Errorf("x: %w", err)}
	}
	for _, test := range []struct {
		err        error
		gone       bool
		reason     Reason
		get, post  bool
		getAgain   bool // after one repeat
		afterMoves bool // after as many moves as there may be
	}{
		{failed(false, net.ErrClosed), false, ResetBeforeCommit, true, true, true, false},
		{failed(false, fcgi.ErrTimeout), false, ResetBeforeCommit, true, true, true, false},
		{failed(false, fcgi.ErrRejected), false, Refused, true, true, true, false},
		{failed(true, fcgi.ErrRejected), false, LostAfterCommit, true, false, false, true},
		{failed(true, fcgi.ErrTruncated), false, LostAfterCommit, true, false, false, true},
		{failed(true, fcgi.ErrTimeout), false, Timeout, false, false, false, false},
		{failed(true, fcgi.ErrBadHeader), false, BadAnswer, false, false, false, false},
		{failed(true, fcgi.ErrMalformed), false, BadAnswer, false, false, false, false},
		{failed(false, fcgi.ErrParamTooLong), false, BadRequest, false, false, false, false},
		{failed(false, fcgi.ErrBody), false, BadRequest, false, false, false, false},
		{failed(true, fcgi.ErrBody), false, BadRequest, false, false, false, false},
		{failed(true, fcgi.ErrInterrupted), true, ClientGone, false, false, false, false},
		{failed(false, net.ErrClosed), true, ClientGone, false, false, false, false},
		{errors.New("anything else"), false, LostAfterCommit, true, false, false, true},
	} {
		reason, _ := reasonOf(test.err, test.gone)
		if reason != test.reason {
			t.Errorf("%v: %s, want %s", test.err, reason, test.reason)
		}
		for _, c := range []struct {
			what           string
			repeatable     bool
			moves, repeats int
			want           bool
		}{
			{"GET", true, 0, 0, test.get},
			{"POST", false, 0, 0, test.post},
			{"GET again", true, 0, 1, test.getAgain},
			{"moved too often", true, maxMoves, 0, test.afterMoves},
		} {
			if got := mayRetry(reason, c.repeatable, c.moves, c.repeats); got != c.want {
				t.Errorf("%s %s: %v", reason, c.what, got)
			}
		}
	}
}

func TestEveryReasonHasAStatus(t *testing.T) {
	for _, r := range Reasons() {
		e := &Error{Reason: r, Backend: "b", Err: errClosed}
		if s := e.HTTPStatus(); s < 400 || !strings.Contains(e.Error(), string(r)) || !errors.Is(e, errClosed) {
			t.Errorf("%s: %d, %q", r, s, e.Error())
		}
	}
}

const realStatus = `{"pool":"www","process manager":"static","start time":1763803000,"start since":12,"accepted conn":7,"listen queue":1,"max listen queue":3,"listen queue len":511,` +
	`"idle processes":2,"active processes":2,"total processes":4,"max active processes":3,"max children reached":0,"slow requests":0,"memory peak":2097152,"processes":[` +
	`{"pid":1,"state":"Idle"},{"pid":2,"state":"Running"},{"pid":3,"state":"Reading headers"},{"pid":4,"state":"Idle"}]}`

func TestStatus(t *testing.T) {
	s, err := parseStatus([]byte(realStatus))
	if err != nil || s.Pool != "www" || s.Manager != "static" || s.Total != 4 || s.busy() != 2 || s.ListenQueue != 1 || s.MaxActive != 3 || s.Started.Unix() != 1763803000 ||
		s.Workers[WorkerReading] != 1 {
		t.Errorf("%+v %v", s, err)
	}
	for _, test := range []struct{ own, asked, want int }{{0, 0, 2}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {5, 1, 0}} {
		if got := othersBusy(s, test.own, test.asked); got != test.want {
			t.Errorf("own %d, asked %d: %d", test.own, test.asked, got)
		}
	}
	for _, bad := range []string{"", "pong", "{}", `{"pool":"www"}`, "[]", "<html>"} {
		if _, err := parseStatus([]byte(bad)); !errors.Is(err, errNoStatus) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte(realStatus))
	f.Add([]byte(`{"pool":"p","start time":1,"processes":[{"state":"Finishing"}]}`))
	f.Add([]byte("pong"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStatus(b)
		if err != nil {
			return
		}
		n := 0
		for _, count := range s.Workers {
			n += count
		}
		if n != s.Total || s.busy() < 0 || othersBusy(s, 1, 1) < 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestShareOfASlowStart(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		ago, length time.Duration
		want        float64
	}{{0, 20 * time.Second, .1}, {10 * time.Second, 20 * time.Second, .55}, {time.Minute, 20 * time.Second, 1}, {-time.Second, 20 * time.Second, .1}, {0, 0, 1}} {
		if got := share(now.Add(-test.ago), test.length, now); got < test.want-.001 || got > test.want+.001 {
			t.Errorf("%s of %s: %v", test.ago, test.length, got)
		}
	}
	if share(time.Time{}, time.Minute, now) != 1 {
		t.Error("no slow start, and not a whole share")
	}
}

func TestWeigh(t *testing.T) {
	now := time.Now()
	m := newMember("a:1", "a:1", config.FPMBackend{Weight: 2, Limit: 30})
	m.learned, m.others, m.statusAt, m.late = 8, 3, now, 1
	if m.weigh(99, now); m.Weight() != 16 || m.Limit() != 30 || m.Reported() != 4 {
		t.Errorf("weight %d, limit %d, reported %v", m.Weight(), m.Limit(), m.Reported())
	}
	m.mode.Store(int32(modeOld))
	if m.weigh(99, now.Add(time.Minute)); m.Limit() != 8 || m.Reported() != 1 {
		t.Errorf("an old PHP and an old status: limit %d, reported %v", m.Limit(), m.Reported())
	}
	m.learned = 0
	if m.weigh(5, now); m.Weight() != 10 {
		t.Errorf("unknown workers: weight %d", m.Weight())
	}
}

func TestStatusAddress(t *testing.T) {
	for _, test := range []struct{ backend, own, pool, want string }{
		{"10.0.0.1:9000", "", "", ""},
		{"10.0.0.1:9000", "", ":9001", "10.0.0.1:9001"},
		{"[::1]:9000", "", ":9001", "[::1]:9001"},
		{"10.0.0.1:9000", "10.0.0.2:7", ":9001", "10.0.0.2:7"},
		{"unix:/a.sock", "", ":9001", "127.0.0.1:9001"},
		{"unix:/a.sock", "unix:/b.sock", "", "unix:/b.sock"},
	} {
		if got := statusAddress(test.backend, test.own, test.pool); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// names is a resolver.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if ips, ok := n[host]; ok {
		return ips, nil
	}
	return nil, errors.New("no such host")
}

func (n names) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if _, ok := n[name]; !ok {
		return "", nil, errors.New("no such host")
	}
	return name, []*net.SRV{{Target: "app.", Port: 9000, Priority: 1, Weight: 10}, {Target: "b.", Port: 9001, Priority: 1, Weight: 30}, {Target: "spare.", Port: 9002, Priority: 2}}, nil
}

func TestResolve(t *testing.T) {
	ip := netip.MustParseAddr
	resolver := names{"app": {ip("10.0.0.2"), ip("10.0.0.1"), ip("2001:db8::1")}, "b": {ip("10.0.0.2")}, "_php._tcp.x": nil}
	c := settings("app:9000", "srv:_php._tcp.x", "localhost:9000", "unix:/a.sock", "10.0.0.1:9000")
	p, err := New(Options{Config: c, Resolver: resolver})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	list := func() []string {
		var all []string
		for _, b := range p.backends.Backends() {
			all = append(all, b.Addr())
		}
		return all
	}
	p.resolve(t.Context())
	want := []string{"10.0.0.1:9000", "10.0.0.2:9000", "[2001:db8::1]:9000", "10.0.0.2:9001", "localhost:9000", "unix:/a.sock"}
	if got := list(); !slices.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
	weights := func() (out []int) {
		for _, b := range p.Snapshot().Backends {
			out = append(out, b.Weight)
		}
		return out
	}
	byWeight := []int{1, 1, 3, 1, 1, 1} // By the SRV records, where nothing else names the address.
	if got := weights(); !slices.Equal(got, byWeight) {
		t.Errorf("weights %v", got)
	}
	before := p.backends.Backends()[0]
	delete(resolver, "app")
	defer func() {
		if got := weights(); !slices.Equal(got, []int{1, 3, 1, 1}) {
			t.Errorf("weights in the end %v", got)
		}
	}()
	if p.resolve(t.Context()); !slices.Equal(list(), want) || len(p.Snapshot().Unresolved) != 2 {
		t.Errorf("after a failure %v, %v", list(), p.Snapshot().Unresolved)
	}
	resolver["app"] = []netip.Addr{ip("10.0.0.1")}
	if p.resolve(t.Context()); !slices.Equal(list(), []string{"10.0.0.1:9000", "10.0.0.2:9001", "localhost:9000", "unix:/a.sock"}) || p.backends.Backends()[0] != before {
		t.Errorf("after a change %v", list())
	}
}

func TestShares(t *testing.T) {
	for _, test := range [][2][]int{{{10, 30}, {1, 3}}, {{0, 0}, {1, 1}}, {{0, 50}, {1, 1}}, {{20, 50, 100}, {1, 3, 5}}, {{1, 65535}, {1, 100}}, {nil, {}}} {
		if got := shares(test[0]); !slices.Equal(got, test[1]) {
			t.Errorf("%v: %v, want %v", test[0], got, test[1])
		}
	}
}

func TestAtWork(t *testing.T) {
	s := &status{Workers: map[WorkerState]int{WorkerRunning: 2, WorkerIdle: 3}}
	if got := atWork(s, 1); got[WorkerRunning] != 1 || got[WorkerIdle] != 4 || s.Workers[WorkerRunning] != 2 {
		t.Errorf("got %v of %v", got, s.Workers)
	}
	if got := atWork(s, 0); got[WorkerRunning] != 2 || got[WorkerIdle] != 3 {
		t.Errorf("got %v", got)
	}
	if got := atWork(&status{Workers: map[WorkerState]int{WorkerIdle: 1}}, 1); got[WorkerRunning] != 0 || got[WorkerIdle] != 1 {
		t.Errorf("got %v", got)
	}
}
