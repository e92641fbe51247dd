package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// dirty lists the nodes that are read outside of a primary component.
func (f *fleet) dirty() string {
	f.t.Helper()
	var out []string
	for i := range f.view.Nodes {
		if n := &f.view.Nodes[i]; n.Dirty {
			out = append(out, n.Addr)
		}
	}
	if f.view.Degraded != (len(out) > 0) || len(f.view.Readers) != len(out) && len(out) > 0 {
		f.t.Errorf("degraded %v, readers %v, dirty %v", f.view.Degraded, f.view.Readers, out)
	}
	return strings.Join(out, " ")
}

// wantDirty checks them, after a while in which nothing changes.
func (f *fleet) wantDirty(after time.Duration, answering, want string) {
	f.t.Helper()
	f.pass(after)
	f.sayAll(answering)
	f.build()
	if got := f.dirty(); got != want {
		f.t.Errorf("read outside of a primary component: %q, want %q", got, want)
	}
}

func TestReadsWithoutAPrimaryComponent(t *testing.T) {
	f := newFleet(t, 3)
	f.rules.DegradedReads = true
	f.pass(time.Second)
	f.fail("n1:1", true)
	f.fail("n2:1", true)
	f.say("n3:1", nonPrimary)
	f.build()
	f.want("", "")
	if since, text := f.view.Outage(); !since.Equal(f.now) || !strings.Contains(text, "No primary component") {
		t.Errorf("since %v: %q", since, text)
	}
	f.wantDirty(500*time.Millisecond, "n3:1", "") // They may find each other again.
	f.wantDirty(600*time.Millisecond, "n3:1", "n3:1")
	if f.view.Writer >= 0 || f.view.Node("n3:1").ReadGrade != Never || splits(f.view, EventDegraded) != 1 {
		t.Errorf("%+v", f.view)
	}
	if _, text := f.view.Outage(); !strings.Contains(text, "reads only") || !strings.Contains(text, "n3:1") {
		t.Errorf("%q", text)
	}
	f.say("n2:1", nonPrimary)
	f.wantDirty(time.Second, "n3:1", "n2:1 n3:1")
	f.at("n2:1").Drained = true
	f.wantDirty(time.Second, "n2:1 n3:1", "n3:1")
	f.at("n2:1").Drained = false

	f.sayAll("n2:1 n3:1", conf(5, 2), func(s *Status) { s.Primary, s.StateUUID, s.Ready = true, uuidA, true })
	f.build()
	if f.dirty(); splits(f.view, EventDegradedOver) != 1 {
		t.Errorf("%+v", f.view.Events)
	}
	f.pass(200 * time.Millisecond)
	f.sayAll("n2:1 n3:1")
	f.build()
	f.want("n2:1", "n3:1")
	if since, text := f.view.Outage(); !since.IsZero() || text != "" {
		t.Errorf("since %v: %q", since, text)
	}
}

func TestNodesThatAreNotReadWithoutAPrimaryComponent(t *testing.T) {
	down := func(t *testing.T) *fleet {
		t.Helper()
		f := newFleet(t, 3)
		f.rules.DegradedReads = true
		f.pass(time.Second)
		return f
	}
	t.Run("not asked for", func(t *testing.T) {
		f := down(t)
		f.rules.DegradedReads = false
		f.sayAll("n1:1 n2:1 n3:1", nonPrimary)
		f.wantDirty(time.Minute, "n1:1 n2:1 n3:1", "")
	})
	t.Run("one is in a primary component", func(t *testing.T) {
		f := down(t)
		f.sayAll("n1:1 n2:1", nonPrimary)
		f.say("n3:1", func(s *Status) { s.Ready = false })
		f.build()
		f.wantDirty(time.Minute, "n1:1 n2:1 n3:1", "")
	})
	t.Run("none answers", func(t *testing.T) {
		f := down(t)
		for _, n := range []string{"n1:1", "n2:1", "n3:1"} {
			f.fail(n, true)
		}
		f.build()
		f.wantDirty(time.Minute, "", "")
	})
	t.Run("one was given its data", func(t *testing.T) {
		f := down(t)
		f.say("n1:1", func(s *Status) { s.State, s.Ready = StateJoining, false })
		f.build()
		f.sayAll("n1:1 n2:1 n3:1", nonPrimary, func(s *Status) { s.State = StateUndefined })
		f.build()
		f.wantDirty(time.Minute, "n1:1 n2:1 n3:1", "n2:1 n3:1")
	})
	t.Run("one was left behind before", func(t *testing.T) {
		f := down(t)
		f.sayAll("n2:1 n3:1", conf(4, 2))
		f.say("n1:1", nonPrimary)
		f.build()
		f.pass(time.Minute)
		f.fail("n2:1", true)
		f.say("n3:1", nonPrimary)
		f.say("n1:1")
		f.build()
		f.wantDirty(time.Minute, "n1:1 n3:1", "n3:1")
		f.fail("n3:1", true) // Better than nothing.
		f.wantDirty(time.Minute, "n1:1", "n1:1")
	})
	t.Run("one refuses all, one is of another cluster", func(t *testing.T) {
		f := down(t)
		f.sayAll("n1:1 n2:1 n3:1", nonPrimary)
		f.say("n1:1", func(s *Status) { s.RejectsAll = true })
		f.say("n2:1", func(s *Status) { s.StateUUID = uuidB })
		f.build()
		f.wantDirty(time.Minute, "n1:1 n2:1 n3:1", "n3:1")
	})
}

func TestDegradedOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		s := testSettings(addr1, addr2)
		s.DegradedReads = true
		r := runMonitor(t, net, s)
		after(2 * time.Second)
		gauge := func(want string) {
			t.Helper()
			const head = "# HELP galley_cluster_degraded Whether there is no primary component and nodes are read outside of one (cluster.degraded).\n# TYPE galley_cluster_degraded gauge\ngalley_cluster_degraded "
			if err := testutil.GatherAndCompare(r.reg, strings.NewReader(head+want+"\n"), "galley_cluster_degraded"); err != nil {
				t.Error(err)
			}
		}
		gauge("0")
		for _, a := range []string{addr1, addr2} {
			net.nodes[a].set(map[string]string{"wsrep_cluster_status": "non-Primary", "wsrep_ready": "OFF", "wsrep_cluster_conf_id": "18446744073709551615", "wsrep_local_state": "0"})
		}
		after(3 * time.Second)
		if v := r.View(); !v.Degraded || len(v.Readers) != 2 || v.Writer >= 0 {
			t.Errorf("%+v", v)
		}
		gauge("1")
		for _, a := range []string{addr1, addr2} {
			net.nodes[a].set(map[string]string{"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_cluster_conf_id": "9", "wsrep_local_state": "4"})
		}
		after(3 * time.Second)
		if v := r.View(); v.Degraded || v.Writer < 0 {
			t.Errorf("%+v", v)
		}
		gauge("0")
	})
}
