package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// runs has the Switcher leave writers in order until the test ends.
func (s *switching) runs(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Switcher.Run(s.Monitor.ctx)
	}()
	t.Cleanup(func() { s.end(); <-done })
	synctest.Wait()
}

func TestAWriterThatBecomesALastResortIsLeftInOrder(t *testing.T) {
	for name, status := range map[string]map[string]string{
		"donor":    {"wsrep_local_state": "2"},
		"desynced": {"wsrep_local_state": "2", "wsrep_desync": "ON"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitching(t)
				s.runs(t)
				s.door.begin(WritingSession{ID: 1, Serial: 1})
				time.AfterFunc(900*time.Millisecond, func() { s.door.begin() })
				s.net.nodes[addr1].set(status)
				after(600 * time.Millisecond)
				if n, _ := s.View().Leaving(); n == nil || n.Addr != addr1 || s.View().WriterNode() != n || s.State() == nil {
					t.Errorf("leaving %+v", n)
				}
				after(time.Second)
				s.want(addr2, addr3)
				s.ended(switchDone)
				if s.door.ended != nil || s.door.longest > 250*time.Millisecond {
					t.Errorf("ended %v, held for %s", s.door.ended, s.door.longest)
				}
				at := slices.IndexFunc(s.Events(), func(e Event) bool { return e.Kind == EventWriterChanged && e.Was == addr1 })
				if at < 0 || s.Events()[at].From != Classify(s.View().Node(addr1).Status).Reason {
					t.Errorf("%+v", s.Events())
				}
				after(time.Minute)
				s.want(addr2, addr3)
			})
		})
	}
}

// TestALastResortIsLeftInTheEnd: transactions that go on do not keep the role there, nor does a new writer that cannot be asked.
func TestALastResortIsLeftInTheEnd(t *testing.T) {
	t.Run("a transaction goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSwitching(t)
			s.runs(t)
			s.door.begin(WritingSession{ID: 1, Serial: 1})
			s.net.nodes[addr1].set(map[string]string{"wsrep_local_state": "2"})
			after(2500 * time.Millisecond)
			s.want(addr2, addr3)
			s.ended(switchForced)
			if len(s.door.ended) != 1 {
				t.Errorf("ended %v", s.door.ended)
			}
		})
	})
	t.Run("it cannot be done in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSwitching(t)
			s.runs(t)
			s.net.nodes[addr2].mu.Lock()
			s.net.nodes[addr2].selectErr = 1205
			s.net.nodes[addr2].mu.Unlock()
			s.net.nodes[addr1].set(map[string]string{"wsrep_local_state": "2"})
			after(time.Second)
			s.want(addr1, addr2+" "+addr3)
			after(4 * time.Second)
			s.want(addr2, addr3)
			s.ended(switchGivenUp)
		})
	})
	t.Run("nobody is there to do it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSwitching(t)
			s.net.nodes[addr1].set(map[string]string{"wsrep_local_state": "2"})
			after(600 * time.Millisecond)
			s.want(addr2, addr3)
		})
	})
}
