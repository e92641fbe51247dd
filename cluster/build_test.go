package cluster

import (
	"fmt"
	"testing"
	"time"

	"galley/balancer"
)

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
