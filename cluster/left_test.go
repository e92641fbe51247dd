package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// viewOf is a view's number and its list of client addresses.
func viewOf(n int64, list ...string) func(*Status) {
	return func(s *Status) { s.ConfID, s.ClusterSize, s.Members = n, len(list), list }
}

// TestEvictedNodeGetsNoRoleByAnOldAnswer: between a node's answers the newer
// view that one member tells of decides who else may be used.
func TestEvictedNodeGetsNoRoleByAnOldAnswer(t *testing.T) {
	desynced := func(s *Status) { s.State, s.Desync = StateDonor, true }
	readOnly := func(s *Status) { s.ReadOnly = true }
	for name, c := range map[string]struct {
		first, next     func(f *fleet) // before the view that is judged, and in it
		writer, readers string
		behind          string // nodes that are refused
	}{
		"a writer that is a last resort does not go to a node that has left": {
			next:   func(f *fleet) { f.say("n1:1", viewOf(4, "n1:1"), desynced) },
			writer: "n1:1", readers: "n1:1", behind: "n2:1 n3:1",
		},
		"nor does one that is read only": {
			next:   func(f *fleet) { f.say("n1:1", viewOf(4, "n1:1"), readOnly) },
			writer: "", readers: "n1:1", behind: "n2:1 n3:1",
		},
		"a reader that has left is not read": {
			next:   func(f *fleet) { f.say("n2:1", viewOf(4, "n1:1", "n2:1")) },
			writer: "n1:1", readers: "n2:1", behind: "n3:1",
		},
		"without addresses it counts when all members are seen": {
			first:  func(f *fleet) { f.say("n1:1", viewOf(4, "AUTO", "AUTO")) },
			next:   func(f *fleet) { f.say("n2:1", viewOf(4, "AUTO", "AUTO")) },
			writer: "n1:1", readers: "n2:1", behind: "n3:1",
		},
		"without addresses it is anybody until then": {
			next:   func(f *fleet) { f.say("n1:1", viewOf(4, "AUTO", "AUTO")) },
			writer: "n1:1", readers: "n2:1 n3:1",
		},
		"a member without an address is no arbitrator": {
			next: func(f *fleet) {
				f.at("n2:1").Status.Incoming, f.at("n3:1").Status.Incoming = "", ""
				f.say("n1:1", viewOf(4, "n1:1", "", ""))
			},
			writer: "n1:1", readers: "n2:1 n3:1",
		},
		"an arbitrator is not waited for": {
			next:   func(f *fleet) { f.say("n1:1", viewOf(4, "n1:1", "")) },
			writer: "n1:1", readers: "n1:1", behind: "n2:1 n3:1",
		},
		"a node that joins moves nobody": {
			next:   func(f *fleet) { f.say("n2:1", viewOf(4, "n1:1", "n2:1", "n3:1", "n4:1")) },
			writer: "n1:1", readers: "n2:1 n3:1",
		},
		"two changes at once": {
			next:   func(f *fleet) { f.say("n2:1", viewOf(5, "n1:1", "n2:1", "n4:1")) },
			writer: "n1:1", readers: "n2:1", behind: "n3:1",
		},
		"the writer keeps its role until it answers": {
			next:   func(f *fleet) { f.say("n2:1", viewOf(4, "n2:1", "n3:1")) },
			writer: "n1:1", readers: "n2:1 n3:1",
		},
		"unless it is unfit by itself": {
			next: func(f *fleet) {
				f.say("n2:1", viewOf(4, "n2:1"))
				f.fail("n1:1", true)
			},
			writer: "n2:1", readers: "n2:1", behind: "n3:1",
		},
		"one made primary by hand takes no readers away": {
			first: func(f *fleet) { f.say("n3:1", nonPrimary) },
			next: func(f *fleet) {
				f.say("n3:1", viewOf(9, "n3:1"), func(s *Status) { s.Primary, s.Ready, s.StateUUID = true, true, uuidA })
			},
			writer: "n1:1", readers: "n2:1", behind: "n3:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			if c.first != nil {
				f.pass(500 * time.Millisecond)
				c.first(f)
				f.build()
			}
			f.pass(settle / 2)
			c.next(f)
			v := f.build()
			f.want(c.writer, c.readers)
			var behind []string
			for i := range v.Nodes {
				if v.Nodes[i].Reason == BehindView {
					behind = append(behind, v.Nodes[i].Addr)
				}
			}
			if got := strings.Join(behind, " "); got != c.behind {
				t.Errorf("behind %q, want %q", got, c.behind)
			}
			for _, addr := range behind {
				if !slices.Contains(v.reprobe, addr) {
					t.Errorf("%s is not asked again", addr)
				}
			}
			checkView(t, v)
		})
	}
}

// TestNodeThatLeftComesBack: the old answer is forgiven as soon as a newer one
// is there.
func TestNodeThatLeftComesBack(t *testing.T) {
	f := newFleet(t, 3)
	f.pass(500 * time.Millisecond)
	f.sayAll("n1:1 n2:1", viewOf(4, "n1:1", "n2:1"))
	f.build()
	f.want("n1:1", "n2:1")
	f.pass(500 * time.Millisecond)
	f.say("n3:1", viewOf(5, "n1:1", "n2:1", "n3:1")) // it tells first
	f.build()
	f.want("n1:1", "n2:1")
	f.pass(settle)
	f.say("n3:1")
	f.build()
	f.want("n1:1", "n2:1 n3:1")
	f.pass(500 * time.Millisecond)
	f.sayAll("n1:1 n2:1", viewOf(5, "n1:1", "n2:1", "n3:1"))
	f.build()
	f.want("n1:1", "n2:1 n3:1")
}
