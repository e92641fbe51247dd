package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// fakeDoor has sessions as a test says.
type fakeDoor struct {
	mu     sync.Mutex
	open   []WritingSession
	pinned int
	shut   int // how often it is held now
	holds  []time.Time
	longest,
	held time.Duration
	ended []WritingSession
}

func (d *fakeDoor) Hold() func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut++
	began := time.Now()
	d.holds = append(d.holds, began)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.shut--
		d.longest = max(d.longest, time.Since(began))
		d.held += time.Since(began)
	}
}

func (d *fakeDoor) Writing() Writing {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Writing{Sessions: slices.Clone(d.open), Pinned: d.pinned}
}

func (d *fakeDoor) EndTransactions(of []WritingSession) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = of
}

func (d *fakeDoor) begin(w ...WritingSession) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = w
}

// switching is a monitor of three nodes with a Switcher.
type switching struct {
	*running
	*Switcher
	net  *fakeNet
	door *fakeDoor
}

func newSwitching(t *testing.T) *switching {
	t.Helper()
	s := &switching{net: newFakeNet(addr1, addr2, addr3), door: &fakeDoor{}}
	s.running = runMonitor(t, s.net, testSettings(addr1, addr2, addr3))
	var err error
	s.Switcher, err = NewSwitcher(SwitchOptions{
		Monitor: s.Monitor, Door: s.door, Timeout: func() time.Duration { return 10 * time.Second }, Logger: hclog.NewNullLogger(), Registerer: s.reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	after(100 * time.Millisecond)
	s.want(addr1, addr2+" "+addr3)
	return s
}

// ended checks how the switchovers ended, that nothing is held, and that none is under way.
func (s *switching) ended(result string) {
	s.running.t.Helper()
	if n := testutil.ToFloat64(s.Switcher.metrics.total.WithLabelValues(result)); n != 1 {
		s.running.t.Errorf("%v switchovers were %s", n, result)
	}
	if s.door.shut != 0 || s.State() != nil {
		s.running.t.Errorf("afterwards: held %d times, state %+v", s.door.shut, s.State())
	}
}

func TestSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		s.door.pinned = 2
		done, err := s.Switch(t.Context(), "", false)
		if err != nil || done.From != addr1 || done.To != addr2 || done.Pinned != 2 || len(s.door.holds) != 1 || s.door.longest > 5*time.Millisecond {
			t.Errorf("%+v, %v; held %v", done, err, s.door.longest)
		}
		s.want(addr2, addr1+" "+addr3)
		s.ended(switchDone)
		e := s.Events()[len(s.Events())-1]
		if e.Kind != EventWriterChanged || e.From != Switchover || e.Was != addr1 || e.Addr != addr2 {
			t.Errorf("event %+v", e)
		}
	})
}

func TestSwitchWaitsForTransactions(t *testing.T) {
	for name, c := range map[string]struct {
		lasts  time.Duration
		holds  int
		atMost time.Duration // held at once
	}{
		"a short one":     {50 * time.Millisecond, 1, 60 * time.Millisecond},
		"a long one":      {3 * time.Second, 2, 210 * time.Millisecond},
		"one just before": {9900 * time.Millisecond, 2, 210 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitching(t)
				s.door.begin(WritingSession{ID: 1, Serial: 1})
				time.AfterFunc(c.lasts, func() { s.door.begin() })
				if _, err := s.Switch(t.Context(), addr3, false); err != nil {
					t.Error(err)
				}
				if len(s.door.holds) != c.holds || s.door.longest > c.atMost {
					t.Errorf("held %d times, up to %s", len(s.door.holds), s.door.longest)
				}
				s.want(addr3, addr1+" "+addr2)
				s.ended(switchDone)
			})
		})
	}
}

func TestSwitchIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		s.door.begin(WritingSession{ID: 7, Serial: 1, User: "app", Doing: "in transaction"})
		began := time.Now()
		_, err := s.Switch(t.Context(), "", false)
		late, ok := errors.AsType[*SwitchTimeout](err)
		if !ok || len(late.Sessions) != 1 || late.Sessions[0].ID != 7 || time.Since(began) > 10100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if s.door.held > 250*time.Millisecond || s.door.ended != nil {
			t.Errorf("held for %s, ended %v", s.door.held, s.door.ended)
		}
		s.want(addr1, addr2+" "+addr3)
		s.ended(switchGivenUp)
		if e := s.Events()[len(s.Events())-1]; e.Kind != EventSwitchoverGivenUp || !strings.Contains(e.Detail, "session 7 of app") {
			t.Errorf("event %+v", e)
		}
	})
}

func TestSwitchByForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		s.door.begin(WritingSession{ID: 7, Serial: 1})
		began := time.Now()
		done, err := s.Switch(t.Context(), "", true)
		if err != nil || len(done.Ended) != 1 || len(s.door.ended) != 1 || s.door.ended[0].ID != 7 {
			t.Errorf("%+v, %v; ended %v", done, err, s.door.ended)
		}
		if took := time.Since(began); took < 10*time.Second || took > 10500*time.Millisecond || s.door.longest > 300*time.Millisecond && s.door.longest > firstHold<<1+10*time.Millisecond {
			t.Errorf("took %s, held up to %s", took, s.door.longest)
		}
		s.want(addr2, addr1+" "+addr3)
		s.ended(switchForced)
	})
}

// TestSwitchKeepsTheWriter: each step that fails leaves everything as it was.
func TestSwitchKeepsTheWriter(t *testing.T) {
	for name, c := range map[string]struct {
		before func(s *switching)
		says   string
	}{
		"the new writer cannot be reached": {func(s *switching) {
			s.net.nodes[addr2].mu.Lock()
			s.net.nodes[addr2].loginErr = 1040
			s.net.nodes[addr2].mu.Unlock()
		}, "cannot be asked"},
		"it does not apply in time": {func(s *switching) {
			s.net.nodes[addr2].mu.Lock()
			s.net.nodes[addr2].selectErr = 1205
			s.net.nodes[addr2].mu.Unlock()
		}, "has not applied in time"},
		"it is drained at the last moment": {func(s *switching) {
			s.door.begin(WritingSession{ID: 1, Serial: 1})
			time.AfterFunc(100*time.Millisecond, func() {
				_ = s.drains.Drain(context.Background(), addr2)
				s.door.begin()
			})
		}, "cannot be the writer: draining"},
		"it is called off": {func(s *switching) { s.door.begin(WritingSession{ID: 1, Serial: 1}) }, "called off"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitching(t)
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
				defer cancel()
				c.before(s)
				if _, err := s.Switch(ctx, addr2, false); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("told %v", err)
				}
				if got := s.View().WriterNode().Addr; got != addr1 {
					t.Errorf("the writer is %s", got)
				}
				s.ended(switchGivenUp)
			})
		})
	}
}

func TestOneSwitchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		s.door.begin(WritingSession{ID: 1, Serial: 1})
		first := make(chan error)
		go func() {
			_, err := s.Switch(t.Context(), addr2, false)
			first <- err
		}()
		after(100 * time.Millisecond)
		if st := s.State(); st == nil || !st.Held || st.Waiting != 1 || st.To != addr2 || st.From != addr1 {
			t.Errorf("state %+v", st)
		}
		for what, do := range map[string]func() error{
			"switch":  func() error { _, err := s.Switch(t.Context(), addr3, false); return err },
			"drain":   func() error { _, err := s.Drain(t.Context(), addr3, false); return err },
			"undrain": func() error { _, err := s.Undrain(t.Context(), addr3); return err },
		} {
			if err := do(); !errors.Is(err, errBusy) {
				t.Errorf("%s meanwhile: %v", what, err)
			}
		}
		s.door.begin()
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		out, err := s.Drain(t.Context(), addr3, false)
		if err != nil || out.Switched != nil || out.Already || len(s.door.holds) != 0 {
			t.Errorf("a reader: %+v, %v", out, err)
		}
		s.want(addr1, addr2)
		if out, err = s.Drain(t.Context(), addr3, false); err != nil || !out.Already {
			t.Errorf("once more: %+v, %v", out, err)
		}
		out, err = s.Drain(t.Context(), "name of "+addr1, false)
		if err != nil || out.Addr != addr1 || out.Switched == nil || out.Switched.To != addr2 {
			t.Errorf("the writer: %+v, %v", out, err)
		}
		s.want(addr2, addr2)
		if _, err = s.Drain(t.Context(), addr2, false); err == nil || !strings.Contains(err.Error(), "no other one could take its work") {
			t.Errorf("the last one: %v", err)
		}
		if _, err = s.Undrain(t.Context(), addr2); !errors.Is(err, ErrUnchanged) {
			t.Errorf("put back what is not drained: %v", err)
		}
		if _, err = s.Switch(t.Context(), addr2, false); !errors.Is(err, ErrUnchanged) {
			t.Errorf("made the writer what is the writer: %v", err)
		}
		if _, err = s.Undrain(t.Context(), "nobody"); err == nil || errors.Is(err, ErrUnchanged) {
			t.Error("put back nobody")
		}
		for _, addr := range []string{addr1, addr3} {
			if _, err = s.Undrain(t.Context(), addr); err != nil {
				t.Error(err)
			}
		}
		s.want(addr2, addr1+" "+addr3)
	})
}

// TestDrainOfABusyWriter: a switchover that is given up leaves the node in use.
func TestDrainOfABusyWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwitching(t)
		s.door.begin(WritingSession{ID: 7, Serial: 1})
		if _, err := s.Drain(t.Context(), addr1, false); err == nil {
			t.Error("drained")
		}
		s.want(addr1, addr2+" "+addr3)
		if out, err := s.Drain(t.Context(), addr1, true); err != nil || len(out.Switched.Ended) != 1 {
			t.Errorf("by force: %+v, %v", out, err)
		}
		s.want(addr2, addr3)
	})
}
