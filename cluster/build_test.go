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

func TestHealthyCluster(t *testing.T) {
	f := newFleet(t, 3)
	f.want("n1:1", "n2:1 n3:1")
	if f.view.ConfID != 3 || f.view.StateUUID != uuidA || f.view.Size != 3 || f.view.Version != 1 {
		t.Errorf("view %+v", f.view)
	}
	f.rules.ReadsOnWriter = true
	f.build()
	f.want("n1:1", "n1:1 n2:1 n3:1")
	if v := f.view.Version; v != 2 {
		t.Errorf("version %d after a change", v)
	}
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1 n3:1", func(s *Status) { s.RecvQueue = 1; s.ThreadsRunning = 9 })
	if f.build(); f.view.Version != 2 || len(f.view.Events) != 0 {
		t.Errorf("version %d, events %v without a change", f.view.Version, f.view.Events)
	}
}

func TestWriterIsSticky(t *testing.T) {
	f := newFleet(t, 3)
	f.fail("n1:1", true)
	f.build()
	f.want("n2:1", "n3:1")
	e := f.view.Events[len(f.view.Events)-1]
	if e.Kind != EventWriterChanged || e.Was != "n1:1" || e.Addr != "n2:1" || e.From != Unreachable {
		t.Errorf("event %+v", e)
	}
	f.pass(time.Minute)
	f.sayAll("n1:1 n2:1 n3:1", conf(5, 3))
	f.build()
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1 n3:1")
	f.build()
	f.want("n2:1", "n1:1 n3:1")
}

func TestWriterOrder(t *testing.T) {
	f := newFleet(t, 2)
	f.join("b:1", false)
	f.join("a:1", false)
	f.sayAll("n1:1 n2:1 b:1 a:1", conf(4, 4))
	f.build()
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1 b:1 a:1")
	f.build()
	for _, want := range []string{"n1:1", "n2:1", "a:1", "b:1", ""} {
		w := f.view.WriterNode()
		if w == nil {
			if want != "" || f.view.WriterReason != Unreachable {
				t.Fatalf("no writer (%v), want %q", f.view.WriterReason, want)
			}
			break
		}
		if w.Addr != want {
			t.Fatalf("writer %s, want %s: configured order, then by address", w.Addr, want)
		}
		f.fail(want, true)
		f.build()
	}
}

func TestReasonsToLeaveTheWriter(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Status)
		reason Reason
		reader bool // it still takes reads
	}{
		"donor":            {func(s *Status) { s.State = StateDonor }, Donor, false},
		"desynced":         {func(s *Status) { s.State, s.Desync = StateDonor, true }, Desynced, false},
		"read only":        {func(s *Status) { s.ReadOnly = true }, ReadOnly, true},
		"rejects queries":  {func(s *Status) { s.RejectsAll = true }, RejectingQueries, false},
		"non-primary":      {nonPrimary, NonPrimary, false},
		"not ready":        {func(s *Status) { s.Ready = false }, NotReady, false},
		"not connected":    {func(s *Status) { s.Connected = false }, NotConnected, false},
		"joining":          {func(s *Status) { s.State = StateJoining }, NotSynced, false},
		"PXC maintenance":  {func(s *Status) { s.Maintenance = true }, Draining, false},
		"not Galera":       {func(s *Status) { s.Galera = false }, NotGalera, false},
		"rejects as donor": {func(s *Status) { s.State, s.DonorRejects = StateDonor, true }, DonorRejectsQueries, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			f.pass(time.Second)
			f.sayAll("n2:1 n3:1")
			f.say("n1:1", c.change)
			f.build()
			if f.wantReason("n1:1", c.reason); c.reader {
				f.want("n2:1", "n1:1 n3:1")
			} else {
				f.want("n2:1", "n3:1")
			}
		})
	}
}

// Traps 8: the sole synced node becomes donor when another joins by SST.
func TestLastResortIsNeverRefused(t *testing.T) {
	f := newFleet(t, 1)
	f.join("n2:1", true)
	donor := func(s *Status) { s.State = StateDonor }
	f.say("n1:1", donor)
	f.say("n2:1", func(s *Status) { s.State, s.Ready = StateJoining, false }, conf(3, 1))
	f.build()
	f.want("n1:1", "n1:1")

	f = newFleet(t, 3)
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1 n3:1", donor)
	f.build()
	f.want("n1:1", "n2:1 n3:1")
	f.pass(time.Second)
	f.sayAll("n1:1 n3:1")
	f.say("n2:1", func(s *Status) { s.State = StateSynced })
	f.build()
	f.want("n2:1", "n2:1") // a usable one, even the writer, before last resorts
}

func TestHangingNodeIsSuspectedAfterTwoSeconds(t *testing.T) {
	f := newFleet(t, 3)
	lost := f.now
	f.pass(500 * time.Millisecond)
	f.hang("n1:1")
	f.sayAll("n2:1 n3:1")
	f.build()
	f.want("n1:1", "n2:1 n3:1")
	if wake := f.view.wake.Sub(lost); wake < 2*time.Second || wake > 2100*time.Millisecond {
		t.Errorf("suspected %v after the last answer", wake)
	}
	f.now = f.view.wake
	f.sayAll("n2:1 n3:1")
	f.build()
	f.want("n2:1", "n3:1")
	f.wantReason("n1:1", ProbeTimeout)
	if f.view.at("n1:1").Evicted {
		t.Error("evicted before the group said so")
	}
}

// facts.md: a node that was stopped and resumed claims Synced, Primary, size 3
// with an older view.
func TestResumedNodeIsNotUsed(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(500 * time.Millisecond)
	f.hang("n1:1")
	hung := f.now
	f.pass(2 * time.Second)
	f.sayAll("n2:1 n3:1")
	f.build()
	f.pass(5 * time.Second)
	f.sayAll("n2:1 n3:1", conf(4, 2))
	f.build()
	if !f.view.at("n1:1").Evicted {
		t.Error("n1 is not evicted although both members of the new view are seen")
	}
	f.pass(time.Second)
	f.say("n1:1") // Synced, Primary, conf 3, size 3: it has not noticed
	f.at("n1:1").Began = hung
	f.sayAll("n2:1 n3:1")
	f.build()
	f.want("n2:1", "n3:1")
	if !slices.Contains(f.view.reprobe, "n1:1") {
		t.Error("not asked again at once")
	}
	f.pass(time.Millisecond)
	f.say("n1:1")
	f.build()
	f.wantReason("n1:1", BehindView)
	f.want("n2:1", "n3:1")

	// Even when it is the only one that galley still sees.
	f.fail("n2:1", false)
	f.fail("n3:1", false)
	f.pass(time.Second)
	f.say("n1:1")
	f.build()
	f.want("", "")
	f.wantReason("n1:1", BehindView)
}

// Traps 9: nodes are not polled at the same instant.
func TestHealthyNodeIsNotBehindForAMoment(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(500 * time.Millisecond)
	f.say("n2:1", conf(4, 3)) // a view change; the others were asked before it
	f.build()
	f.want("n1:1", "n2:1 n3:1")
	if r := f.view.reprobe; !slices.Equal(r, []string{"n1:1", "n3:1"}) {
		t.Errorf("asked again: %v, want n1 and n3", r)
	}
	f.pass(20 * time.Millisecond) // asked at once, still installing the view
	f.sayAll("n1:1 n3:1")
	f.build()
	f.want("n1:1", "n2:1 n3:1")
	f.pass(settle)
	f.say("n1:1", conf(4, 3))
	f.say("n3:1") // really left behind
	f.build()
	f.want("n1:1", "n2:1")
	f.wantReason("n3:1", BehindView)
}

// Traps 9: a full bootstrap starts wsrep_cluster_conf_id at 1 again.
func TestClusterBornAnew(t *testing.T) {
	for name, change := range map[string]func(*Status){
		"same data": func(*Status) {},
		"new UUID":  func(s *Status) { s.StateUUID = uuidB },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			f.pass(time.Second)
			for _, a := range []string{"n1:1", "n2:1", "n3:1"} {
				f.fail(a, true)
			}
			f.build()
			f.want("", "")
			f.pass(5 * time.Second)
			f.say("n3:1", conf(1, 1), change, func(s *Status) { s.Uptime, s.GcommUUID = 2*time.Second, "new" })
			f.build()
			f.pass(settle)
			f.say("n3:1")
			f.build()
			f.want("n3:1", "n3:1")
			if f.view.ConfID != 1 {
				t.Errorf("view %d, want 1", f.view.ConfID)
			}
			f.pass(5 * time.Second)
			f.say("n3:1", conf(2, 2))
			f.say("n1:1", conf(2, 2), change, func(s *Status) { s.Uptime, s.GcommUUID = time.Second, "new1" })
			f.build()
			f.pass(settle)
			f.sayAll("n1:1 n3:1")
			f.build()
			f.want("n3:1", "n1:1")
		})
	}
}

func TestNodeBootstrappedTwiceIsRefused(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(time.Second)
	f.fail("n1:1", true)
	f.sayAll("n2:1 n3:1", conf(4, 2))
	f.build()
	f.want("n2:1", "n3:1")
	for range 30 { // for as long as the others are there
		f.pass(time.Second)
		f.sayAll("n2:1 n3:1")
		f.say("n1:1", conf(1, 1), func(s *Status) { s.Uptime, s.GcommUUID = 5*time.Second, "new" })
		f.build()
		f.want("n2:1", "n3:1")
		f.wantReason("n1:1", BehindView)
	}
	// And when they hang for a moment.
	f.hang("n2:1")
	f.hang("n3:1")
	f.pass(3 * time.Second)
	f.say("n1:1")
	f.build()
	f.want("", "")
}

func TestMinorityMadePrimaryByHandIsRefused(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(time.Second)
	f.say("n1:1", nonPrimary)
	f.sayAll("n2:1 n3:1", conf(4, 2))
	f.build()
	f.want("n2:1", "n3:1")
	f.pass(time.Second)
	f.sayAll("n2:1 n3:1")
	f.say("n1:1", conf(9, 1), func(s *Status) { s.Primary, s.Ready, s.StateUUID = true, true, uuidA })
	f.build()
	f.want("n2:1", "n3:1")
	f.pass(settle)
	f.sayAll("n1:1 n2:1 n3:1")
	f.build()
	f.want("n2:1", "n3:1")
	f.wantReason("n1:1", BehindView)
	if f.view.ConfID != 4 {
		t.Errorf("view %d", f.view.ConfID)
	}
}

func TestShrinkToOne(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(time.Second)
	f.say("n1:1", conf(5, 1)) // both others left cleanly since they were asked
	f.build()
	f.want("n1:1", "n1:1")
	f.pass(settle)
	f.say("n1:1")
	f.fail("n2:1", true)
	f.fail("n3:1", true)
	f.build()
	f.want("n1:1", "n1:1")
}

func TestForeignCluster(t *testing.T) {
	f := newFleet(t, 3)
	f.join("n4:1", true)
	for range 20 {
		f.pass(time.Second)
		f.sayAll("n1:1 n2:1 n3:1")
		f.say("n4:1", func(s *Status) { s.StateUUID, s.ConfID = uuidB, 77 })
		f.build()
		f.want("n1:1", "n2:1 n3:1")
	}
	f.wantReason("n4:1", ForeignClusterUUID)
	for _, a := range []string{"n1:1", "n2:1", "n3:1"} {
		f.fail(a, true)
	}
	for range 60 {
		f.pass(time.Second)
		f.say("n4:1")
		f.build()
		f.want("", "") // never: its data are not ours
	}
}

func TestAliasIsNotASecondNode(t *testing.T) {
	f := newFleet(t, 2)
	f.join("alias:1", false)
	f.say("alias:1", func(s *Status) { s.GcommUUID = "id-n2:1" })
	f.sayAll("n1:1 n2:1 alias:1", conf(3, 2))
	f.build()
	f.want("n1:1", "n2:1")
	if f.view.at("alias:1") != nil {
		t.Error("the alias is a node of its own")
	}
	f.fail("n2:1", false)
	f.build()
	f.pass(settle)
	f.sayAll("n1:1 alias:1")
	f.build()
	f.want("n1:1", "alias:1") // the same node, by the way that is left
}

func TestQueueTakesTheShareOfReads(t *testing.T) {
	f := newFleet(t, 3)
	queue := func(n int) func(*Status) { return func(s *Status) { s.RecvQueue = n } }
	// fc_limit 16: low 3.2, high 12.8, back at 6.4.
	for _, step := range []struct {
		queue   int
		share   float64
		readers string
	}{
		{0, 1, "n2:1 n3:1"},
		{3, 1, "n2:1 n3:1"},
		{8, .5, "n2:1 n3:1"},
		{12, 0.083, "n2:1 n3:1"},
		{13, 0, "n3:1"},
		{10, 0, "n3:1"},
		{7, 0, "n3:1"},
		{6, .708, "n2:1 n3:1"},
		{10, .291, "n2:1 n3:1"},
		{200, 0, "n3:1"},
		{0, 1, "n2:1 n3:1"},
	} {
		f.pass(time.Second)
		f.sayAll("n1:1 n3:1")
		f.say("n2:1", queue(step.queue))
		f.build()
		f.want("n1:1", step.readers)
		n := f.view.at("n2:1")
		if d := n.Share - step.share; d > .001 || d < -.001 {
			t.Errorf("queue %d: share %.3f, want %.3f", step.queue, n.Share, step.share)
		}
		if (n.Reason == QueueHigh) != (step.share == 0) {
			t.Errorf("queue %d: reason %v", step.queue, n.Reason)
		}
	}
	f.sayAll("n2:1 n3:1", queue(99))
	f.build()
	f.want("n1:1", "n1:1")
	f.pass(time.Second)
	f.say("n1:1", queue(99))
	f.build()
	f.want("n1:1", "n1:1 n2:1 n3:1") // something is better than nothing
	if f.view.PickReader() == nil {
		t.Error("nobody to read although all nodes are synced")
	}
}

func TestFirstWriterWaitsForTheConfiguredOrder(t *testing.T) {
	f := newFleet(t, 0)
	f.rules.Started = f.now
	f.join("n1:1", true)
	f.join("n2:1", true)
	f.say("n2:1", conf(3, 2))
	f.build()
	f.want("", "n2:1")
	if f.view.WriterReason != Starting || f.view.wake.IsZero() {
		t.Errorf("reason %v, wake %v", f.view.WriterReason, f.view.wake)
	}
	f.pass(300 * time.Millisecond)
	f.say("n1:1", conf(3, 2))
	f.build()
	f.want("n1:1", "n2:1")

	f = newFleet(t, 0)
	f.rules.Started = f.now
	f.join("n1:1", true)
	f.join("n2:1", true)
	f.say("n2:1", conf(3, 2))
	f.build()
	f.hang("n1:1")
	f.now = f.view.wake
	f.build()
	f.want("n2:1", "n2:1")
}

func TestFaultIsNotForgottenWhenTheNextProbeHangs(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(100 * time.Millisecond)
	f.fail("n2:1", false)
	f.build()
	f.hang("n2:1")
	f.pass(100 * time.Millisecond)
	f.build()
	f.want("n1:1", "n3:1")
}

func TestSlowAnswerOfALostNodeIsAskedAgain(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(500 * time.Millisecond)
	f.hang("n2:1")
	began := f.now
	f.pass(3 * time.Second)
	f.sayAll("n1:1 n3:1")
	f.build()
	f.want("n1:1", "n3:1")
	f.say("n2:1")
	f.at("n2:1").Began = began
	f.build()
	f.want("n1:1", "n3:1")
	if !slices.Contains(f.view.reprobe, "n2:1") {
		t.Error("not asked again")
	}
	f.say("n2:1")
	f.build()
	f.want("n1:1", "n2:1 n3:1")
}

func TestDrainingNode(t *testing.T) {
	f := newFleet(t, 3)
	f.at("n1:1").Drained = true
	f.build()
	f.want("n2:1", "n3:1")
	f.wantReason("n1:1", Draining)
	if st := f.at("n1:1").Backend.State(); st != balancer.Draining {
		t.Errorf("its backend is %s", st)
	}
	f.fail("n1:1", true)
	f.build()
	f.wantReason("n1:1", Unreachable)
	if n := f.view.at("n1:1"); !n.Drained || n.Backend.State() != balancer.Draining {
		t.Error("a drain ends with its node")
	}
	f.at("n1:1").Drained = false
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1 n3:1")
	f.build()
	f.want("n2:1", "n1:1 n3:1")
}

func TestEvictionWithAnArbitrator(t *testing.T) {
	f := newFleet(t, 2)
	members := func(list ...string) func(*Status) { return func(s *Status) { s.Members = list } }
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1", conf(4, 3), members("n1:1", "", "n2:1"))
	f.build()
	f.pass(time.Second)
	f.sayAll("n1:1 n2:1")
	f.build()
	if got := f.view.Members; !slices.Equal(got, []string{"n1:1", "n2:1"}) {
		t.Errorf("members %v", got)
	}
	f.hang("n2:1")
	f.pass(3 * time.Second)
	f.say("n1:1")
	f.build()
	if f.view.at("n2:1").Evicted {
		t.Error("evicted although the view has not changed")
	}
	f.pass(3 * time.Second)
	f.say("n1:1", conf(5, 2), members("n1:1", ""))
	f.build()
	if !f.view.at("n2:1").Evicted {
		t.Error("not evicted: the new view is n1 and an arbitrator")
	}
}

func TestFactsAreCommonToUsableNodes(t *testing.T) {
	f := newFleet(t, 3)
	for i, version := range []string{"10.11.19-MariaDB", "10.6.9-MariaDB", "10.4.2-MariaDB"} {
		f.say(fmt.Sprintf("n%d:1", i+1), func(s *Status) {
			s.Server = ServerFacts{Version: version, Greeting: "5.5.5-" + version, Capabilities: 0xf0 | 1<<i, MaxAllowedPacket: int64(1000 - i), Charset: version}
		})
	}
	f.fail("n3:1", true)
	f.build()
	got := f.view.Server
	want := ServerFacts{Version: "10.6.9-MariaDB", Greeting: "5.5.5-10.6.9-MariaDB", Capabilities: 0xf0, MaxAllowedPacket: 999, Charset: "10.11.19-MariaDB"}
	if got != want {
		t.Errorf("facts %+v\nwant  %+v", got, want)
	}
	f.fail("n1:1", true)
	f.fail("n2:1", true)
	if f.build(); f.view.Server != want {
		t.Errorf("facts without any node %+v: a greeting must still be possible", f.view.Server)
	}
}

func TestPickReader(t *testing.T) {
	f := newFleet(t, 3)
	count := map[string]int{}
	for range 3000 {
		count[f.view.PickReader().Addr]++
	}
	if count["n1:1"] != 0 || count["n2:1"] < 1300 || count["n3:1"] < 1300 {
		t.Errorf("idle readers got %v", count)
	}
	skip := []*balancer.Backend{f.at("n2:1").Backend}
	if n := f.view.PickReaderExcept(skip); n.Addr != "n3:1" {
		t.Errorf("except n2: %s", n.Addr)
	}
	skip = append(skip, f.at("n3:1").Backend)
	if n := f.view.PickReaderExcept(skip); n.Addr != "n1:1" {
		t.Errorf("except both readers: %s, want the writer", n.Addr)
	}
	skip = append(skip, f.at("n1:1").Backend)
	if n := f.view.PickReaderExcept(skip); n != nil {
		t.Errorf("except all: %s", n.Addr)
	}
	if n := testing.AllocsPerRun(100, func() { f.view.PickReader() }); n != 0 {
		t.Errorf("%v allocations per pick", n)
	}
}

func BenchmarkPickReader(b *testing.B) {
	f := newFleet(&testing.T{}, 3)
	b.ReportAllocs()
	for b.Loop() {
		f.view.PickReader()
	}
}

// FuzzBuildView plays random stories and checks what must always hold.
func FuzzBuildView(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 200, 201, 99})
	f.Add([]byte{17, 33, 250, 4, 4, 4, 120, 9, 18, 27, 36})
	f.Fuzz(func(t *testing.T, story []byte) {
		story = story[:min(len(story), 200)]
		fl := newFleet(t, 3)
		for _, b := range story {
			addr := fmt.Sprintf("n%d:1", b%3+1)
			fl.pass(time.Duration(b) * 10 * time.Millisecond)
			switch b / 3 % 12 {
			case 0:
				fl.fail(addr, true)
			case 1:
				fl.hang(addr)
			case 2:
				fl.say(addr, nonPrimary)
			case 3:
				fl.say(addr, func(s *Status) { s.ConfID++ })
			case 4:
				fl.say(addr, func(s *Status) { s.ConfID = 1; s.Uptime = 0 })
			case 5:
				fl.say(addr, func(s *Status) { s.State = StateDonor })
			case 6:
				fl.say(addr, func(s *Status) { s.ReadOnly = !s.ReadOnly })
			case 7:
				fl.say(addr, func(s *Status) { s.RecvQueue = int(b) })
			case 8:
				fl.say(addr, func(s *Status) { s.StateUUID = uuidB; s.Primary = true; s.Ready = true })
			default:
				fl.say(addr, func(s *Status) { s.State, s.Primary, s.Ready, s.StateUUID = StateSynced, true, true, uuidA })
			}
			v := fl.build()
			checkView(t, v)
		}
	})
}

// checkView checks what holds of every view.
func checkView(t *testing.T, v *View) {
	t.Helper()
	best, readable := Never, false
	for i := range v.Nodes {
		n := &v.Nodes[i]
		best = max(best, n.WriteGrade)
		readable = readable || n.ReadGrade != Never
		if (n.Role == RoleWriter) != (i == v.Writer) {
			t.Fatalf("node %d has role %v, the writer is %d", i, n.Role, v.Writer)
		}
		if n.usable() && v.agreed.known() && n.Status.StateUUID != v.StateUUID {
			t.Fatalf("node %d is used with UUID %s in cluster %s", i, n.Status.StateUUID, v.StateUUID)
		}
		if (n.Reason == OK) != (n.WriteGrade == Usable && n.ReadGrade == Usable && n.Share > 0) {
			t.Fatalf("node %d: reason %v for %v/%v/%v", i, n.Reason, n.WriteGrade, n.ReadGrade, n.Share)
		}
	}
	if w := v.WriterNode(); (w == nil) != (best == Never) || (w != nil && w.WriteGrade != best) {
		t.Fatalf("writer %+v although the best grade is %v", w, best)
	}
	if (v.WriterReason == OK) != (v.Writer >= 0) {
		t.Fatalf("writer %d with reason %v", v.Writer, v.WriterReason)
	}
	if readable != (v.PickReader() != nil) || readable != (len(v.Readers) > 0) {
		t.Fatalf("readable %v, readers %v", readable, v.Readers)
	}
}
