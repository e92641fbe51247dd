package cluster

import (
	"testing"
	"time"
)

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
