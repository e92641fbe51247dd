package cluster

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func bootstrapped(s *Status) { s.Uptime, s.GcommUUID = 5*time.Second, "new" }

// splits counts the events of a split brain in a view.
func splits(v *View, kind EventKind) int {
	n := 0
	for _, e := range v.Events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestSplitBrainIsSaidOnceAndTheKnownClusterKept(t *testing.T) {
	for name, tt := range map[string]struct {
		claim  func(*Status)
		reason Reason
		after  time.Duration // how long it must stand before it is said
	}{
		"another UUID":      {func(s *Status) { s.StateUUID, s.ConfID, s.ClusterSize = uuidB, 1, 1 }, ForeignClusterUUID, settle},
		"bootstrapped anew": {conf(1, 1), BehindView, forget},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			f.pass(time.Second)
			f.fail("n1:1", true)
			f.sayAll("n2:1 n3:1", conf(4, 2))
			f.build()
			said := 0
			for at := time.Duration(0); at < 30*time.Second; at += 500 * time.Millisecond {
				f.pass(500 * time.Millisecond)
				f.sayAll("n2:1 n3:1")
				f.say("n1:1", tt.claim, bootstrapped)
				f.build()
				f.want("n2:1", "n3:1")
				f.wantReason("n1:1", tt.reason)
				said += splits(f.view, EventSplitBrain)
				if apart := f.view.Node("n1:1").Apart; apart != (at >= tt.after) {
					t.Fatalf("after %v: apart %v", at, apart)
				}
			}
			if text := f.view.SplitBrain(); said != 1 || !strings.Contains(text, "n1:1") || !strings.Contains(text, "stays with cluster "+uuidA) {
				t.Errorf("said %d times: %q", said, text)
			}
			// A probe that has no answer for a moment is no end of it.
			f.hang("n1:1")
			f.pass(3 * time.Second)
			f.sayAll("n2:1 n3:1")
			if f.build(); len(f.view.Events) > 1 || !f.view.Node("n1:1").Apart {
				t.Errorf("%+v", f.view.Events)
			}
			f.fail("n1:1", true) // an operator has stopped it
			if f.build(); splits(f.view, EventSplitBrainOver) != 1 || f.view.SplitBrain() != "" {
				t.Errorf("%+v", f.view.Events)
			}
		})
	}
}

func TestNodesThatAreLateAreNoSplitBrain(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(time.Second)
	f.sayAll("n2:1 n3:1", conf(4, 2)) // n1 hung, and wakes up with its old view
	f.build()
	for range 12 {
		f.pass(500 * time.Millisecond)
		f.sayAll("n1:1 n2:1 n3:1")
		f.build()
		f.wantReason("n1:1", BehindView)
	}
	f.say("n1:1", nonPrimary)
	f.build()
	f.pass(20 * time.Second)
	f.sayAll("n1:1 n2:1 n3:1")
	if f.build(); len(f.view.Apart()) != 0 {
		t.Errorf("%s", f.view.SplitBrain())
	}
}

// Two clusters, and then the known one goes out of sight.
func TestSplitBrainOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		r := runMonitor(t, net, testSettings(addr1, addr2, addr3))
		after(2 * time.Second)
		net.nodes[addr3].set(map[string]string{"wsrep_cluster_state_uuid": uuidB, "wsrep_cluster_conf_id": "1", "wsrep_cluster_size": "1"})
		after(5 * time.Second)
		r.want(addr1, addr2)
		gauge := func(want string) {
			t.Helper()
			const head = "# HELP galley_cluster_split_brain Whether a node is in another primary component than the one galley goes by.\n# TYPE galley_cluster_split_brain gauge\ngalley_cluster_split_brain "
			if err := testutil.GatherAndCompare(r.reg, strings.NewReader(head+want+"\n"), "galley_cluster_split_brain"); err != nil {
				t.Error(err)
			}
		}
		gauge("1")
		net.nodes[addr1].kill()
		net.nodes[addr2].kill()
		after(time.Minute)
		r.want("", "")
		gauge("1")
		if n := slices.IndexFunc(r.Events(), func(e Event) bool { return e.Kind == EventSplitBrain }); n < 0 {
			t.Errorf("%+v", r.Events())
		}
		// An operator chooses the other one: most nodes come back in it.
		net.nodes[addr1].revive(map[string]string{"wsrep_cluster_state_uuid": uuidB, "wsrep_cluster_conf_id": "2", "wsrep_cluster_size": "2"})
		net.nodes[addr3].set(map[string]string{"wsrep_cluster_conf_id": "2", "wsrep_cluster_size": "2"})
		after(time.Minute)
		// Whose answer comes first decides which of the two.
		v := r.View()
		if v.Writer < 0 || len(v.Readers) != 1 || v.Writer == v.Readers[0] || v.StateUUID != uuidB {
			t.Errorf("writer %d, readers %v of %s", v.Writer, v.Readers, v.StateUUID)
		}
		gauge("0")
	})
}

// revive lets a killed node listen again.
func (n *fakeNode) revive(status map[string]string) {
	n.set(status)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = false
}
