package cluster

import (
	"slices"
	"testing"
	"time"
)

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
