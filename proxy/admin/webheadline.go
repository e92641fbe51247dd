package admin

import (
	"fmt"
	"time"
)

const (
	// refusedLately is for how long after a request that got no worker the headline tells of it.
	refusedLately = 10 * time.Second
	// longQueue is the wait of a request from which on a queue counts as standing.
	longQueue = time.Second
)

// poolLevel is how bad it is with a pool.
func poolLevel(s Snapshot, p *WebPool) level {
	switch {
	case !p.Usable() || refuses(s, p):
		return levelBad
	case p.Waiting > 0 && p.LongestWait >= longQueue:
		return levelWarn
	}
	for i := range p.Backends {
		if p.Backends[i].State == BackendDown {
			return levelWarn
		}
	}
	return levelOK
}

func refuses(s Snapshot, p *WebPool) bool {
	return !p.LastRefused.IsZero() && s.At.Sub(p.LastRefused) < refusedLately
}

// backendLevel is how bad it is with a backend. One that an operator has drained is as it should be.
func backendLevel(b *WebBackend) level {
	switch b.State {
	case BackendDown:
		if b.Reason == "unchecked" {
			return levelIdle
		}
		return levelBad
	case BackendDraining:
		return levelIdle
	}
	switch b.Reason {
	case "full":
		return levelWarn
	case "spare":
		return levelIdle
	}
	return levelOK
}

// webHeadline is the web tier at one glance, the worst first; an empty text for nothing to say.
func webHeadline(s Snapshot) headline {
	worst := headline{Level: levelIdle}
	if s.Web == nil {
		return worst
	}
	worst.Level = levelOK
	for i := range s.Web.Pools {
		p := &s.Web.Pools[i]
		if h := poolHeadline(s, p); rank(h.Level) > rank(worst.Level) {
			worst = h
		}
	}
	if worst.Text == "" {
		worst.Text = webLine(s.Web)
	}
	return worst
}

func poolHeadline(s Snapshot, p *WebPool) headline {
	h := headline{Level: poolLevel(s, p)}
	switch {
	case !p.Usable():
		h.Text = "No php-fpm: the pool " + p.Name + " has no backend in use"
		h.Detail = "Its pages are answered with 503; files are served. " + waitingRequests(p.Waiting) + "."
		h.Call = h.Text
	case h.Level == levelBad:
		h.Text = "Requests are refused: the pool " + p.Name + " has no worker for them"
		h.Detail = fmt.Sprintf("%s, the longest for %s.", waitingRequests(p.Waiting), seconds(p.LongestWait.Seconds()))
		h.Call = h.Text
	case h.Level == levelWarn && p.Waiting > 0 && p.LongestWait >= longQueue:
		h.Text = fmt.Sprintf("%s for a worker of the pool %s, the longest for %s", waitingRequests(p.Waiting), p.Name, seconds(p.LongestWait.Seconds()))
		h.Detail = "All its workers are busy."
		h.Call = "Requests wait for a worker of the pool " + p.Name
	case h.Level == levelWarn:
		down := 0
		first := ""
		for i := range p.Backends {
			if b := &p.Backends[i]; b.State == BackendDown {
				down++
				first = firstOf(first, b.Address+" is down ("+humanReason(b.Reason)+")")
			}
		}
		h.Text = fmt.Sprintf("%d of %s of the pool %s in use: %s", usableBackends(p), plural(len(p.Backends), "backend"), p.Name, first)
		if down > 1 {
			h.Text += fmt.Sprintf(", %d more", down-1)
		}
		h.Detail = "Requests go to the others."
		h.Call = h.Text
	}
	return h
}

func usableBackends(p *WebPool) int {
	n := 0
	for i := range p.Backends {
		if p.Backends[i].State == BackendUp {
			n++
		}
	}
	return n
}

func waitingRequests(n int64) string {
	switch n {
	case 0:
		return "No request waits"
	case 1:
		return "1 request waits"
	}
	return count(float64(n)) + " requests wait"
}

func webLine(w *Web) string {
	used, all := 0, 0
	for i := range w.Pools {
		used += usableBackends(&w.Pools[i])
		all += len(w.Pools[i].Backends)
	}
	text := plural(len(w.Sites), "site")
	switch {
	case len(w.Pools) == 0:
	case used < all:
		text += fmt.Sprintf(", %d of %s in use", used, plural(all, "php-fpm backend"))
	default:
		text += ", " + plural(used, "php-fpm backend")
	}
	return text
}

// rank orders levels: the greater the worse.
func rank(l level) int {
	switch l {
	case levelBad:
		return 3
	case levelWarn:
		return 2
	case levelOK:
		return 1
	case levelIdle:
	}
	return 0
}

// joined is the headline of both tiers: what is worse stands above.
func joined(s Snapshot, database headline) headline {
	web := webHeadline(s)
	switch {
	case s.Web == nil:
		return database
	case s.WebOnly && !s.Ready:
		return headline{Level: levelWarn, Text: "Not ready: " + firstOf(s.NotReady, "starting"), Detail: "Sites: " + webLine(s.Web) + "."}
	case s.WebOnly && web.Level == levelOK && errorsOf(s) > 0:
		return headline{Level: levelWarn, Text: fmt.Sprintf("%s: %s to look at", web.Text, plural(errorsOf(s), "problem")), Detail: "See below what is wrong."}
	case s.WebOnly && web.Level == levelOK:
		return headline{Level: levelOK, Text: "All good: " + web.Text, Detail: "Galley is a web tier alone here."}
	case s.WebOnly:
		return web
	case rank(web.Level) > rank(database.Level):
		web.Detail += " Database: " + database.Text + "."
		return web
	case web.Level == levelOK && database.Level == levelOK:
		database.Detail += " Web: " + web.Text + "."
		return database
	case web.Level != levelOK:
		database.Detail += " " + web.Text + "."
	}
	return database
}
