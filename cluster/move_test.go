package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"galley/balancer"
)

func TestMoveInAView(t *testing.T) {
	for name, c := range map[string]struct {
		before       func(f *fleet)
		to           string
		writer, says string
	}{
		"a reader":         {nil, "n3:1", "n3:1", ""},
		"the writer":       {nil, "n1:1", "n1:1", ""},
		"nobody":           {nil, "x:1", "n1:1", "is not in the cluster"},
		"a drained node":   {func(f *fleet) { f.at("n2:1").Drained = true }, "n2:1", "n1:1", "draining"},
		"a donor":          {func(f *fleet) { f.say("n2:1", func(s *Status) { s.State = StateDonor }) }, "n2:1", "n1:1", "donor"},
		"one that is lost": {func(f *fleet) { f.fail("n2:1", true) }, "n2:1", "n1:1", "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			if c.before != nil {
				c.before(f)
			}
			f.rules.Move = c.to
			f.build()
			if got := f.view.WriterNode().Addr; got != c.writer {
				t.Errorf("the writer is %s, want %s", got, c.writer)
			}
			err := f.view.moved(c.to)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("told %v, want %q", err, c.says)
			}
			moved := slices.IndexFunc(f.view.Events, func(e Event) bool { return e.Kind == EventWriterChanged })
			if (moved >= 0) != (c.writer != "n1:1") {
				t.Errorf("events %+v", f.view.Events)
			}
			if moved >= 0 && f.view.Events[moved].From != Switchover {
				t.Errorf("n1 was left for %s", f.view.Events[moved].From)
			}
			f.rules.Move = ""
			f.build()
			if got := f.view.WriterNode().Addr; got != c.writer {
				t.Errorf("then the writer is %s, want %s", got, c.writer)
			}
		})
	}
}

func TestMonitorMovesTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runMonitor(t, newFakeNet(addr1, addr2, addr3), testSettings(addr1, addr2, addr3))
		after(100 * time.Millisecond)
		r.want(addr1, addr2+" "+addr3)
		if err := r.MoveWriter(t.Context(), addr3); err != nil {
			t.Fatal(err)
		}
		r.want(addr3, addr1+" "+addr2)
		if err := r.MoveWriter(t.Context(), "10.9.9.9:1"); err == nil {
			t.Error("moved to nobody")
		}
		after(time.Minute)
		r.want(addr3, addr1+" "+addr2)
	})
}

func TestMonitorDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		r := runMonitor(t, net, testSettings(addr1, addr2, addr3))
		after(100 * time.Millisecond)
		if err := r.drains.Drain(t.Context(), addr2); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Millisecond)
		r.want(addr1, addr3)
		n := r.View().at(addr2)
		if !n.Drained || n.Reason != Draining || n.Backend.State() != balancer.Draining {
			t.Errorf("drained: %+v", n)
		}
		net.nodes[addr2].kill()
		after(5 * time.Second)
		net.nodes[addr2].mu.Lock()
		net.nodes[addr2].refuse = false
		net.nodes[addr2].mu.Unlock()
		after(time.Minute)
		r.want(addr1, addr3) // Over its restart.
		if err := r.drains.Undrain(t.Context(), addr2); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Millisecond)
		r.want(addr1, addr2+" "+addr3)
		if st := r.View().at(addr2).Backend.State(); st != balancer.Up {
			t.Errorf("undrained: %s", st)
		}
	})
}

func TestLocalDrains(t *testing.T) {
	d := NewLocalDrains()
	ctx := context.Background()
	step := func(what string, f func(context.Context, string) error, addr string, changes bool, want ...string) {
		t.Helper()
		changed, before := d.Changed(), d.Drained()
		held := slices.Clone(before)
		if err := f(ctx, addr); err != nil {
			t.Fatal(err)
		}
		told := false
		select {
		case <-changed:
			told = true
		default:
		}
		if told != changes || !slices.Equal(d.Drained(), want) || !slices.Equal(before, held) {
			t.Errorf("%s %s: told %v, list %v, the one before %v", what, addr, told, d.Drained(), before)
		}
	}
	step("drain", d.Drain, "a", true, "a")
	step("drain", d.Drain, "b", true, "a", "b")
	step("drain", d.Drain, "a", false, "a", "b")
	step("undrain", d.Undrain, "c", false, "a", "b")
	step("undrain", d.Undrain, "a", true, "b")
}
