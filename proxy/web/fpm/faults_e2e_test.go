//go:build e2e

package fpm

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/config"
	"galley/proxy/web/fcgi"
)

// post.php writes the id of its request down in one piece, and then does what it is told. The signal of a reload can break off its waiting for the lock: nothing
// is written then.
const postScript = `<?php
while (file_put_contents($_SERVER['LOG'], $_REQUEST['id']."\n", FILE_APPEND | LOCK_EX) === false) { usleep(100); }
usleep((int)($_REQUEST['wait'] ?? 0) * 1000);
while (isset($_REQUEST['until']) && !file_exists($_REQUEST['until'])) { usleep(5000); clearstatcache(); }
if (isset($_REQUEST['crash'])) { posix_kill(getmypid(), (int)$_REQUEST['crash']); usleep(1000000); }
echo "ok ".$_REQUEST['id'];
if (isset($_REQUEST['finish'])) { fastcgi_finish_request(); usleep(5000); }
`

// rig is some php-fpm masters, a pool of them and the log that all scripts write.
type rig struct {
	fpms   []*clusterlab.FPM
	pool   *Pool
	script string
	log    string
	next   atomic.Int64
}

// start makes a rig of n masters.
func startRig(t *testing.T, n int, o clusterlab.FPMOptions, change func(*config.FPMPool)) *rig {
	t.Helper()
	r := &rig{}
	c := config.DefaultFPMPool()
	c.Name, c.StatusPath, c.SlowStart = "php", clusterlab.FPMStatusPath, time.Second
	for i := range n {
		o.Unix = i == 1
		o.StatusListen = i == 2
		f, err := clusterlab.StartFPM(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		r.fpms = append(r.fpms, f)
		c.Backends = append(c.Backends, config.FPMBackend{Address: f.Addr(), Weight: 1, StatusListen: f.StatusAddr()})
	}
	var err error
	if r.script, err = r.fpms[0].Script("post.php", postScript); err != nil {
		t.Fatal(err)
	}
	r.log = filepath.Join(r.fpms[0].Dir(), "ids.log")
	change(&c)
	r.pool = run(t, Options{Config: c})
	until(t, "all are up", r.pool.allUp)
	return r
}

// request makes a POST of the next id.
func (r *rig) request(more string) (string, *Request) {
	id := strconv.FormatInt(r.next.Add(1), 10)
	body := "id=" + url.QueryEscape(id) + more
	return id, &Request{Site: "s" + id[len(id)-1:], Body: strings.NewReader(body), Params: []fcgi.Param{
		{Name: "SCRIPT_FILENAME", Value: r.script},
		{Name: "SCRIPT_NAME", Value: "/post.php"},
		{Name: "REQUEST_METHOD", Value: "POST"},
		{Name: "CONTENT_TYPE", Value: "application/x-www-form-urlencoded"},
		{Name: "CONTENT_LENGTH", Value: strconv.Itoa(len(body))},
		{Name: "LOG", Value: r.log},
	}}
}

// hold gives what makes requests run until the function is called, however fast the machine is.
func (r *rig) hold(t *testing.T) (more string, letGo func()) {
	t.Helper()
	file := filepath.Join(r.fpms[0].Dir(), "go-"+strconv.FormatInt(r.next.Add(1), 10))
	letGo = func() {
		if err := os.WriteFile(file, nil, 0o600); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	t.Cleanup(letGo)
	return "&until=" + url.QueryEscape(file), letGo
}

// mayRepeat says whether a request of load may run twice: every third may.
func mayRepeat(id string) bool {
	n, _ := strconv.Atoi(id)
	return n%3 == 2
}

// mixed makes a request of the next id: one after the other a POST, one without a body that must not run twice either, and one that may.
func (r *rig) mixed(more string) (string, *Request) {
	id, req := r.request(more)
	if n, _ := strconv.Atoi(id); n%3 > 0 {
		req.Body, req.Repeatable = nil, mayRepeat(id)
		req.Params = []fcgi.Param{req.Params[0], req.Params[1], {Name: "REQUEST_METHOD", Value: "GET"}, {Name: "QUERY_STRING", Value: "id=" + id + more}, {Name: "LOG", Value: r.log}}
	}
	return id, req
}

// tally is how the requests of one load ended: by id, "ok" or the reason.
type tally struct {
	mu      sync.Mutex
	results map[string]string
	longest time.Duration
}

// load has clients ask until the fault is over.
func (r *rig) load(t *testing.T, clients int, more string, fault func()) *tally {
	t.Helper()
	ta := &tally{results: map[string]string{}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id, req := r.mixed(more)
				began := time.Now()
				body, _, err := do(context.Background(), r.pool, req)
				result := "ok"
				switch {
				case err != nil:
					result = string(reason(err))
				case body != "ok "+id:
					result = "wrong answer"
				}
				ta.mu.Lock()
				ta.results[id] = result
				ta.longest = max(ta.longest, time.Since(began))
				ta.mu.Unlock()
			}
		})
	}
	fault()
	close(stop)
	wg.Wait()
	return ta
}

// judge holds a tally against the log: nothing twice, nothing lost that was acknowledged, nothing run that was said not to be.
func (r *rig) judge(t *testing.T, what string, ta *tally) map[string]int {
	t.Helper()
	// What was left by its client may run yet.
	until(t, "all workers are free", func() bool {
		for _, b := range r.pool.Snapshot().Backends {
			if b.Running > 0 {
				return false
			}
		}
		return true
	})
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for line := range strings.FieldsSeq(string(text)) {
		ran[line]++
	}
	kinds := map[string]int{}
	for id, result := range ta.results {
		kinds[result]++
		n := ran[id]
		if mayRepeat(id) && n == 2 {
			kinds["repeated"]++
			n = 1
		}
		switch Reason(result) {
		case "ok":
			if n != 1 {
				t.Errorf("%s: %s was answered and is there %d times", what, id, n)
			}
		case LostAfterCommit, Truncated, Timeout, BadAnswer:
			if n > 1 {
				t.Errorf("%s: %s (%s) ran %d times", what, id, result, n)
			}
			if n == 1 {
				kinds[result+", had run"]++
			}
		case QueueFull, QueueTimeout, NoBackend, Drained, Refused, ResetBeforeCommit:
			if n != 0 {
				t.Errorf("%s: %s (%s) ran although it was not sent", what, id, result)
			}
		case ClientGone, BadRequest:
			t.Errorf("%s: %s ended with %s", what, id, result)
		default:
			t.Errorf("%s: %s ended with %s", what, id, result)
		}
	}
	line := fmt.Sprintf("%-34s %6d requests, longest %s", what, len(ta.results), ta.longest.Round(time.Millisecond))
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		line += fmt.Sprintf(", %s %d", kind, kinds[kind])
	}
	t.Log(line)
	return kinds
}

// TestFaults has 64 clients ask through three masters of four workers while things happen to one of the masters.
func TestFaults(t *testing.T) {
	r := startRig(t, 3, clusterlab.FPMOptions{Global: []string{"process_control_timeout = 5s"}}, func(*config.FPMPool) {})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const a, b, c = 0, 1, 2
	// inFlight is the most that a master can have at the moment it dies: its workers.
	const inFlight = 4
	// A worker that is told to go between its answer to GET_VALUES and the request closes the connection without a word: that is one at most a time, on a
	// busy machine.
	const between = 1
	for _, test := range []struct {
		what  string
		lost  int // how many may fail
		fault func(f *clusterlab.FPM)
		which int
	}{
		{"nothing", 0, func(*clusterlab.FPM) { time.Sleep(700 * time.Millisecond) }, a},
		{"SIGKILL of a pool (TCP)", inFlight, func(f *clusterlab.FPM) {
			time.Sleep(300 * time.Millisecond)
			must(f.Kill())
			time.Sleep(time.Second)
			must(f.Start(t.Context()))
			time.Sleep(700 * time.Millisecond)
		}, a},
		{"SIGKILL of a pool (unix)", inFlight, func(f *clusterlab.FPM) {
			time.Sleep(300 * time.Millisecond)
			must(f.Kill())
			time.Sleep(time.Second)
			must(f.Start(t.Context()))
			time.Sleep(700 * time.Millisecond)
		}, b},
		{"SIGSTOP of a pool for 2 s", 0, func(f *clusterlab.FPM) {
			time.Sleep(300 * time.Millisecond)
			must(f.Pause())
			time.Sleep(2 * time.Second)
			must(f.Resume())
			time.Sleep(300 * time.Millisecond)
		}, c},
		{"SIGQUIT of a pool", between, func(f *clusterlab.FPM) {
			time.Sleep(300 * time.Millisecond)
			must(f.Quit())
			time.Sleep(500 * time.Millisecond)
			must(f.Start(t.Context()))
			time.Sleep(500 * time.Millisecond)
		}, b},
		{"SIGUSR2 (reload), five times", 5 * between, func(f *clusterlab.FPM) {
			for range 5 {
				time.Sleep(400 * time.Millisecond)
				must(f.Reload())
			}
			time.Sleep(400 * time.Millisecond)
		}, a},
		{"SIGSEGV of ten workers", 10, func(f *clusterlab.FPM) {
			for range 10 {
				time.Sleep(150 * time.Millisecond)
				if workers := f.Workers(); len(workers) > 0 {
					_ = syscall.Kill(workers[0], syscall.SIGSEGV)
				}
			}
			time.Sleep(300 * time.Millisecond)
		}, c},
	} {
		ta := r.load(t, 64, "&wait=10", func() { test.fault(r.fpms[test.which]) })
		kinds := r.judge(t, test.what, ta)
		if failed := len(ta.results) - kinds["ok"]; failed > test.lost {
			t.Errorf("%s: %d requests failed, at most %d may", test.what, failed, test.lost)
		}
		until(t, "all are up again", r.pool.allUp)
	}
	for _, b := range r.pool.Snapshot().Backends {
		t.Logf("%s: %d of %d on a used connection", b.Address, b.Reused, b.Served)
		if b.Reused == 0 {
			t.Errorf("no connection of %s was used twice", b.Address)
		}
	}
}

// TestSmallPools has php-fpm set up so that it is always at its limit.
func TestSmallPools(t *testing.T) {
	for _, test := range []struct {
		what   string
		opts   clusterlab.FPMOptions
		more   string
		length time.Duration
		failed Reason // what may fail, and every request must where set to fail
	}{
		{"max_children = 2", clusterlab.FPMOptions{Workers: 2}, "&wait=5", 1500 * time.Millisecond, ""},
		{"max_requests = 1", clusterlab.FPMOptions{Pool: []string{"pm.max_requests = 1"}}, "", 1500 * time.Millisecond, ""},
		{"max_requests = 20", clusterlab.FPMOptions{Pool: []string{"pm.max_requests = 20"}}, "", 1500 * time.Millisecond, ""},
		{"fastcgi_finish_request", clusterlab.FPMOptions{}, "&finish=1", 1500 * time.Millisecond, ""},
		{"request_terminate_timeout = 1s", clusterlab.FPMOptions{Pool: []string{"request_terminate_timeout = 1s"}}, "&wait=5000", 100 * time.Millisecond, LostAfterCommit},
		{"scripts that crash (SIGSEGV)", clusterlab.FPMOptions{}, "&crash=11", 500 * time.Millisecond, LostAfterCommit},
	} {
		t.Run(test.what, func(t *testing.T) {
			clients := 64
			if test.failed != "" {
				clients = 6
			}
			r := startRig(t, 2, test.opts, func(*config.FPMPool) {})
			ta := r.load(t, clients, test.more, func() { time.Sleep(test.length) })
			kinds := r.judge(t, test.what, ta)
			want := "ok"
			if test.failed != "" {
				want = string(test.failed)
			}
			if kinds[want] != len(ta.results) {
				t.Errorf("got %v, want all to be %s", kinds, want)
			}
			// A script that crashes condemns no pool.
			if _, _, err := do(t.Context(), r.pool, func() *Request { _, req := r.request(""); return req }()); err != nil {
				t.Error(err)
			}
		})
	}
}
