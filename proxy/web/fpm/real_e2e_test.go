//go:build e2e

package fpm

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/config"
	"galley/proxy/web/fcgi"
)

// runs counts how often an id was written down.
func (r *rig) runs(id string) int {
	text, _ := os.ReadFile(r.log)
	n := 0
	for line := range strings.FieldsSeq(string(text)) {
		if line == id {
			n++
		}
	}
	return n
}

// TestCrashingGET runs a script that kills its worker: twice if it may, and nobody is condemned.
func TestCrashingGET(t *testing.T) {
	r := startRig(t, 3, clusterlab.FPMOptions{Workers: 2}, func(*config.FPMPool) {})
	id, req := r.request("&crash=9")
	req.Repeatable = true
	_, _, err := do(t.Context(), r.pool, req)
	if reason(err) != LostAfterCommit || r.runs(id) != 2 || !r.pool.allUp() {
		t.Errorf("%v after %d runs, %+v", err, r.runs(id), r.pool.Snapshot().Backends)
	}
}

// TestBusyIsNotDead keeps all workers busy for longer than a look takes, through galley and past it.
func TestBusyIsNotDead(t *testing.T) {
	r := startRig(t, 3, clusterlab.FPMOptions{Workers: 2}, func(c *config.FPMPool) { c.CheckInterval = 200 * time.Millisecond })
	held, letGo := r.hold(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, req := r.request(held)
			if _, _, err := do(t.Context(), r.pool, req); err != nil {
				t.Error(err)
			}
		})
	}
	full := func() bool {
		for _, b := range r.pool.Snapshot().Backends {
			if b.Reason != reasonFull {
				return false
			}
		}
		return true
	}
	until(t, "all are full", full)
	wg.Go(func() {
		_, req := r.request("")
		began := time.Now()
		if _, _, err := do(t.Context(), r.pool, req); err != nil {
			t.Error(err)
		}
		t.Logf("a request waited %s for a worker", time.Since(began).Round(time.Millisecond))
	})
	until(t, "one waits", func() bool { return r.pool.Snapshot().Waiting == 1 })
	time.Sleep(2 * time.Second) // Ten looks.
	letGo()
	wg.Wait()
	for _, b := range r.pool.Snapshot().Backends {
		if b.State != "up" {
			t.Errorf("%+v", b)
		}
	}
}

// TestOthersAreSeen has somebody else use the workers of one backend.
func TestOthersAreSeen(t *testing.T) {
	r := startRig(t, 3, clusterlab.FPMOptions{}, func(c *config.FPMPool) { c.CheckInterval = 100 * time.Millisecond })
	first := r.fpms[0]
	held, letGo := r.hold(t)
	for range 3 {
		nc, err := net.Dial("tcp", first.Addr()) //nolint:noctx // another front
		if err != nil {
			t.Fatal(err)
		}
		conn := fcgi.NewConn(nc, nil)
		if err := conn.Probe(time.Now().Add(enough)); err != nil {
			t.Fatal(err)
		}
		_, req := r.request(held)
		go func() {
			_, _, _ = conn.RoundTrip(&fcgi.Request{Params: req.Params, Body: req.Body, Size: req.Body.Size(), Timeout: enough})
			_ = conn.Close()
		}()
	}
	until(t, "others are seen", func() bool { return r.pool.backend(first.Addr()).Others == 3 })
	used := map[string]int{}
	for range 60 {
		_, req := r.request("")
		_, backend, err := do(t.Context(), r.pool, req)
		if err != nil {
			t.Fatal(err)
		}
		used[backend]++
	}
	letGo()
	t.Logf("three of four workers busy for others: %d of 60 requests, the others %d and %d", used[first.Addr()], used[r.fpms[1].Addr()], used[r.fpms[2].Addr()])
	if used[first.Addr()] > 10 {
		t.Errorf("got %v", used)
	}
}

// TestMasterAlone kills a master and not its workers, which go on serving.
func TestMasterAlone(t *testing.T) {
	r := startRig(t, 2, clusterlab.FPMOptions{}, func(*config.FPMPool) {})
	if err := syscall.Kill(r.fpms[0].Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ta := r.load(t, 8, "&wait=2", func() { time.Sleep(time.Second) })
	if kinds := r.judge(t, "SIGKILL of a master alone", ta); kinds["ok"] != len(ta.results) {
		t.Errorf("got %v", kinds)
	}
}

// TestClientLeaves cancels a POST while it runs, and one while it waits.
func TestClientLeaves(t *testing.T) {
	r := startRig(t, 1, clusterlab.FPMOptions{Workers: 1}, func(*config.FPMPool) {})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	held, letGo := r.hold(t)
	running, req := r.request(held)
	post := func(req *Request) {
		if _, _, err := do(ctx, r.pool, req); reason(err) != ClientGone {
			t.Errorf("got %v", err)
		}
	}
	wg.Go(func() { post(req) })
	until(t, "it runs", func() bool { return r.runs(running) == 1 })
	waiting, second := r.request("")
	wg.Go(func() { post(second) })
	until(t, "one waits", func() bool { return r.pool.Snapshot().Waiting == 1 })
	cancel()
	wg.Wait()
	if b := r.pool.backend(r.fpms[0].Addr()); b.Orphans != 1 {
		t.Errorf("its worker: %+v", b)
	}
	letGo()
	until(t, "the worker is free", func() bool { return r.pool.backend(r.fpms[0].Addr()).Running == 0 })
	_, req = r.request("")
	if _, _, err := do(t.Context(), r.pool, req); err != nil {
		t.Error(err)
	}
	if r.runs(waiting) != 0 {
		t.Error("what was cancelled in the queue ran")
	}
}

// TestDrainUnderLoad drains and reloads one backend after the other, as a deploy does, with nothing to keep php-fpm from cutting requests off.
func TestDrainUnderLoad(t *testing.T) {
	r := startRig(t, 3, clusterlab.FPMOptions{}, func(*config.FPMPool) {})
	ta := r.load(t, 32, "&wait=10", func() {
		for _, f := range r.fpms {
			if err := r.pool.Drain(f.Addr()); err != nil {
				t.Error(err)
			}
			until(t, "it is drained", func() bool { b := r.pool.backend(f.Addr()); return b.Running+b.Asking == 0 })
			before := f.Workers()
			if err := f.Reload(); err != nil {
				t.Error(err)
			}
			until(t, "it has new workers", func() bool {
				now := f.Workers()
				return len(now) >= 4 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) })
			})
			if err := r.pool.Undrain(f.Addr()); err != nil {
				t.Error(err)
			}
			until(t, "it is up", r.pool.allUp)
		}
	})
	if kinds := r.judge(t, "deploy: drain, reload, undrain", ta); kinds["ok"] != len(ta.results) {
		t.Errorf("got %v", kinds)
	}
	until(t, "restarts are seen", func() bool { return r.pool.backend(r.fpms[2].Addr()).Reason != reasonSlowStart })
}

// TestStderr has PHP log something, and a body break off.
func TestStderr(t *testing.T) {
	r := startRig(t, 1, clusterlab.FPMOptions{}, func(*config.FPMPool) {})
	script, err := r.fpms[0].Script("log.php", `<?php error_log("hello from PHP"); echo str_repeat("x", 100000); flush(); posix_kill(getmypid(), 9);`)
	if err != nil {
		t.Fatal(err)
	}
	logged := ""
	_, req := r.request("")
	req.Params[0].Value = script
	req.Repeatable = true
	req.Stderr = func(b []byte) { logged += string(b) }
	body, _, err := do(t.Context(), r.pool, req)
	// The end of what a killed worker has sent may be lost with it.
	if reason(err) != Truncated || len(body) < 8_000 || !strings.Contains(logged, "hello from PHP") {
		t.Errorf("%d bytes, %v, logged %q", len(body), err, logged)
	}
}
