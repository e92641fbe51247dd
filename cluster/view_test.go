package cluster

import (
	"testing"
	"time"

	"galley/balancer"
)

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
