package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"galley/balancer"
)

const (
	uuidA = "0255274e-e633-11f1-8a75-477fb731a481"
	uuidB = "ffffffff-e633-11f1-8a75-477fb731a481"
)

// fleet drives BuildView through a story on a clock of its own.
type fleet struct {
	t     *testing.T
	now   time.Time
	view  *View
	rules Rules
	obs   []Observation
}

// newFleet is n configured nodes (n1:1 …) in one healthy cluster, seen once.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, now: time.Unix(1_800_000_000, 0)}
	f.rules = Rules{
		Started: f.now.Add(-time.Hour), Limits: Limits{QueueLow: .2, QueueHigh: .8}, ThreadsWeight: 1, QueueWeight: 2,
		Interval: 500 * time.Millisecond, SuspectAfter: suspectAfter, Settle: settle, Forget: forget, Startup: startup,
	}
	for i := range n {
		f.join(fmt.Sprintf("n%d:1", i+1), true)
	}
	for i := range f.obs {
		f.obs[i].Status.ClusterSize = n
		f.say(f.obs[i].Addr)
	}
	f.build()
	return f
}

// join adds a node that has not answered yet.
func (f *fleet) join(addr string, configured bool) {
	f.obs = append(f.obs, Observation{
		Addr: addr, Configured: configured, Rank: len(f.obs), Backend: balancer.NewBackend(addr, 1),
		Status: Status{
			Galera: true, State: StateSynced, Primary: true, Ready: true, Connected: true, ConfID: 3, StateUUID: uuidA,
			ClusterSize: 3, GcommUUID: "id-" + addr, FCLimit: 16, Uptime: 24 * time.Hour, Incoming: addr,
		},
	})
}

func (f *fleet) at(addr string) *Observation {
	f.t.Helper()
	for i := range f.obs {
		if f.obs[i].Addr == addr {
			return &f.obs[i]
		}
	}
	f.t.Fatalf("no node %s", addr)
	return nil
}

// say lets nodes answer a probe now, after their status was changed.
func (f *fleet) say(addr string, change ...func(*Status)) {
	f.t.Helper()
	o := f.at(addr)
	for _, c := range change {
		c(&o.Status)
	}
	o.Began, o.Ended, o.Miss, o.Fault, o.Refused, o.Lost = f.now, f.now.Add(time.Millisecond), time.Time{}, OK, false, false
}

// sayAll is say for several.
func (f *fleet) sayAll(addrs string, change ...func(*Status)) {
	f.t.Helper()
	for a := range strings.FieldsSeq(addrs) {
		f.say(a, change...)
	}
}

// fail lets a node's probe fail outright: refused, or lost on the way.
func (f *fleet) fail(addr string, refused bool) {
	o := f.at(addr)
	o.Fault, o.Refused, o.Lost, o.Miss = Unreachable, refused, true, time.Time{}
}

// hang lets a node's probe begin and not end.
func (f *fleet) hang(addr string) {
	o := f.at(addr)
	o.Fault, o.Refused = OK, false
	if o.Miss.IsZero() {
		o.Miss = f.now
	}
}

func (f *fleet) pass(d time.Duration) { f.now = f.now.Add(d) }

// build makes the next view and does to the backends what the monitor does.
func (f *fleet) build() *View {
	f.rules.Now = f.now
	f.view = BuildView(f.view, f.obs, f.rules)
	for _, n := range f.view.Nodes {
		n.Backend.SetShare(n.Share)
		n.enact()
	}
	return f.view
}

// want checks roles: the writer's address ("" for none) and the readers'.
func (f *fleet) want(writer, readers string) {
	f.t.Helper()
	got := ""
	if w := f.view.WriterNode(); w != nil {
		got = w.Addr
	}
	if got != writer {
		f.t.Errorf("writer %q (%v), want %q", got, f.view.WriterReason, writer)
	}
	var r []string
	for _, i := range f.view.Readers {
		r = append(r, f.view.Nodes[i].Addr)
	}
	if !slices.Equal(r, strings.Fields(readers)) {
		f.t.Errorf("readers %v, want %q", r, readers)
	}
}

func (f *fleet) wantReason(addr string, r Reason) {
	f.t.Helper()
	if got := f.view.at(addr).Reason; got != r {
		f.t.Errorf("%s is %v, want %v", addr, got, r)
	}
}

func conf(n int64, size int) func(*Status) {
	return func(s *Status) { s.ConfID, s.ClusterSize = n, size }
}

func nonPrimary(s *Status) { s.Primary, s.ConfID, s.StateUUID, s.Ready = false, -1, "", false }
