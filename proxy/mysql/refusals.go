package mysql

import (
	"sync"
	"time"
)

const (
	// refusalPause is the time between two lines in the log for the same host.
	refusalPause = time.Minute
	// refusalHosts bounds the hosts that are remembered.
	refusalHosts = 4096
)

// refusals counts refused logins by host, so that a flood of them fills no log. Safe for use by many goroutines.
type refusals struct {
	mu    sync.Mutex
	hosts map[string]*refusedHost
}

type refusedHost struct {
	count int // Since it was logged last.
	told  time.Time
}

// note counts one refused login; tell says whether it is to be logged, n how many there were since the last one that was, itself included.
func (r *refusals) note(host string, now time.Time) (n int, tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[host]
	if h == nil {
		if len(r.hosts) >= refusalHosts {
			r.forget(now)
		}
		if r.hosts == nil {
			r.hosts = map[string]*refusedHost{}
		}
		h = &refusedHost{}
		r.hosts[host] = h
	}
	h.count++
	if !h.told.IsZero() && now.Sub(h.told) < refusalPause {
		return h.count, false
	}
	n, h.count, h.told = h.count, 0, now
	return n, true
}

// forget makes room: of those that were not told of lately, or of all.
func (r *refusals) forget(now time.Time) {
	for host, h := range r.hosts {
		if now.Sub(h.told) >= refusalPause {
			delete(r.hosts, host)
		}
	}
	if len(r.hosts) >= refusalHosts {
		clear(r.hosts)
	}
}
