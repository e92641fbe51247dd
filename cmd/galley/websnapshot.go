package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"galley/proxy/admin"
	"galley/proxy/web"
	"galley/proxy/web/certs"
	"galley/proxy/web/fpm"
)

// snapshot is the web tier as the page has it; nil for none.
func (t *webTier) snapshot() *admin.Web {
	if t == nil {
		return nil
	}
	s := t.server.Snapshot()
	w := &admin.Web{
		Connections: s.Connections, MaxConnections: s.MaxConnections, TurnedAway: uint64(s.Refused), NoSite: uint64(s.Unknown), Database: t.trouble(),
	}
	w.HTTP, w.HTTPS = t.server.Addrs()
	w.HTTP3 = s.HTTP3
	for i := range s.Certificates {
		w.Certificates = append(w.Certificates, admin.WebCertificate(s.Certificates[i]))
	}
	waiting := map[string]int64{}
	for _, p := range t.running() {
		part := p.Snapshot()
		for site, n := range part.WaitingOf {
			waiting[site] += int64(n)
		}
		w.Pools = append(w.Pools, fpmPart(&part))
	}
	for i := range s.Sites {
		site := sitePart(&s.Sites[i])
		site.Waiting = waiting[site.Name]
		w.Sites = append(w.Sites, site)
	}
	return w
}

// running are the pools by name.
func (t *webTier) running() []*fpm.Pool {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*fpm.Pool, 0, len(t.pools))
	for _, name := range slices.Sorted(maps.Keys(t.pools)) {
		out = append(out, t.pools[name].Pool)
	}
	return out
}

func sitePart(s *web.SiteSnapshot) admin.WebSite {
	site := admin.WebSite{
		Name: s.Name, Hosts: s.Hosts, Pool: s.Pool, Root: s.Root, NoRoot: s.NoRoot, WordPress: s.WordPress, Running: s.Running, SentBytes: uint64(s.Bytes),
		Answers: admin.WebAnswers{
			Informed: uint64(s.Classes[1]), OK: uint64(s.Classes[2]), Redirected: uint64(s.Classes[3]), ClientErrors: uint64(s.Classes[4]), ServerErrors: uint64(s.Classes[5]),
		},
		Files: webBuckets(s.Files), Scripts: webBuckets(s.Scripts),
	}
	if c := s.Cache; c != nil {
		site.Cache = &admin.WebCache{
			Hits: uint64(c.Hits + c.Waited), Stale: uint64(c.Stale + c.Saved), Made: uint64(c.Misses + c.Refreshed), Passed: uint64(c.Passed), Skipped: uint64(c.Skipped),
			Purged: uint64(c.Purged), Pages: int64(c.Entries), Bytes: c.Bytes,
		}
	}
	return site
}

func webBuckets(steps []web.Step) []admin.Bucket {
	out := make([]admin.Bucket, 0, len(steps))
	for _, s := range steps {
		out = append(out, admin.Bucket{LE: s.Bound, Count: uint64(s.Count)})
	}
	return out
}

func fpmPart(s *fpm.Snapshot) admin.WebPool {
	p := admin.WebPool{
		Name: s.Name, Waiting: int64(s.Waiting), LongestWait: s.LongestWait, QueueLength: int64(s.QueueLength), QueueTime: s.QueueTime, Took: s.Took,
		Given: uint64(s.Given), Waited: s.Waited, LastRefused: s.LastRefused,
	}
	for _, reason := range fpm.Reasons() {
		if n := s.Failed[reason]; n > 0 {
			p.Failures = append(p.Failures, admin.ReasonCount{Reason: string(reason), Count: uint64(n)})
		}
	}
	slices.SortStableFunc(p.Failures, func(a, b admin.ReasonCount) int { return cmp.Compare(b.Count, a.Count) })
	for _, name := range slices.Sorted(maps.Keys(s.Unresolved)) {
		p.Unresolved = append(p.Unresolved, admin.Unresolved{Name: name, Error: s.Unresolved[name]})
	}
	for i := range s.Backends {
		p.Backends = append(p.Backends, backendPart(s.Name, &s.Backends[i]))
	}
	return p
}

func backendPart(pool string, b *fpm.BackendSnapshot) admin.WebBackend {
	out := admin.WebBackend{
		Address: b.Address, Source: b.Source, State: b.State, Reason: b.Reason, LastError: b.LastError, Weight: int64(b.Weight), Limit: int64(b.Limit), Share: b.Share,
		Running: int64(b.Running), Asking: int64(b.Asking), Orphans: int64(b.Orphans), Others: int64(b.Others), Load: b.Load, Workers: int64(b.Workers),
		ListenQueue: int64(b.ListenQueue), Started: b.Started, Accept: b.Accept, Served: uint64(b.Served), Failed: uint64(b.Failed),
	}
	out.ReasonText = backendAdvice(pool, b)
	if b.WorkerStates != nil {
		for _, state := range []fpm.WorkerState{fpm.WorkerRunning, fpm.WorkerReading, fpm.WorkerFinishing, fpm.WorkerIdle} {
			out.States = append(out.States, admin.WorkerCount{State: string(state), Count: int64(b.WorkerStates[state])})
		}
	}
	return out
}

// backendAdvice says what to do about a backend, or what it means.
func backendAdvice(pool string, b *fpm.BackendSnapshot) string {
	switch b.Reason {
	case "unchecked":
		return "Nobody has looked at it yet."
	case "full":
		return "All its workers are busy; requests go to other backends, or wait."
	case "slow_start":
		return "It was started not long ago and gets a part of its work until its opcache is warm."
	case "spare":
		return "It is given nothing while a backend of a better priority of the same SRV records lives."
	case "drained":
		return "It is given nothing new. galley undrain " + pool + "/" + b.Address + " puts it back."
	case "refused":
		if strings.HasPrefix(b.Address, "unix:") {
			return "Nothing takes connections there: is php-fpm running, and may galley open the socket (listen.owner, listen.group, listen.mode)?"
		}
		return "Nothing takes connections there: is php-fpm running, and does its listen have this address?"
	case "closed":
		return "It takes connections and closes them at once: see listen.allowed_clients, and php-fpm's log."
	case "silent":
		return "It takes connections, and nothing there moves: all its workers hang, or it is stopped."
	case "not_fastcgi":
		return "What answers there is not php-fpm."
	}
	return ""
}

// refusedLately is for how long after a request that got no worker the operator is told.
const refusedLately = time.Minute

// webProblems are what the operator should see at once of the web tier.
func webProblems(now time.Time, w *admin.Web) []admin.Problem {
	if w == nil {
		return nil
	}
	var all []admin.Problem
	for i := range w.Pools {
		p := &w.Pools[i]
		if !p.Usable() {
			all = append(all, admin.Problem{Severity: admin.SeverityError, Text: "The pool " + p.Name + " has no usable backend: " + backendStates(p) + ".", Do: noBackendAdvice(p)})
		}
		if !p.LastRefused.IsZero() && now.Sub(p.LastRefused) < refusedLately {
			all = append(all, admin.Problem{
				Severity: admin.SeverityError, Do: refusalAdvice(p),
				Text: fmt.Sprintf("The pool %s has refused requests, the last %.0f s ago; since galley started: %s.", p.Name, now.Sub(p.LastRefused).Seconds(), failureWords(p.Failures)),
			})
		}
		for _, u := range p.Unresolved {
			all = append(all, admin.Problem{
				Severity: admin.SeverityWarning, Text: fmt.Sprintf("The backend %s of the pool %s cannot be looked up: %s", u.Name, p.Name, u.Error), Do: "See its name in the DNS, or in web.pools.",
			})
		}
	}
	for i := range w.Sites {
		if site := &w.Sites[i]; site.NoRoot {
			all = append(all, admin.Problem{
				Severity: admin.SeverityError, Text: "The site " + site.Name + " cannot use " + site.Root + ": when it was last asked for something, the directory could not be opened, and the answer was 404.",
				Do: "Make the directory, or let the user that galley runs as read it; the next request finds it.",
			})
		}
	}
	all = append(all, certProblems(w.Certificates)...)
	if w.Database != "" && len(w.Pools) > 0 {
		all = append(all, admin.Problem{Severity: admin.SeverityWarning, Text: "The database keeps pages waiting: " + w.Database + "."})
	}
	return all
}

// certProblems are the certificates that browsers do not believe, or soon will not.
func certProblems(certificates []admin.WebCertificate) []admin.Problem {
	var all []admin.Problem
	for i := range certificates {
		c := &certificates[i]
		if c.Error == "" {
			continue
		}
		p := admin.Problem{
			Severity: admin.SeverityWarning, Text: "The certificate of " + cmp.Or(strings.Join(c.Hosts, ", "), "all sites") + ": " + c.Error + ".",
			Do: "Replace its file (cert_file of the site, or web.tls.cert_file): galley takes the new one within a second, without a restart.",
		}
		if c.Severe {
			p.Severity = admin.SeverityError
		}
		if c.Source == certs.FromACME {
			p.Text = strings.Replace(p.Text, "The certificate of", "ACME brings no certificate for", 1)
			p.Do = certs.Advice(c.Error)
		}
		all = append(all, p)
	}
	return all
}

func backendStates(p *admin.WebPool) string {
	if len(p.Backends) == 0 {
		return "it has no backend at all"
	}
	const most = 3
	var parts []string
	for i := range p.Backends {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(p.Backends)-most))
			break
		}
		b := &p.Backends[i]
		parts = append(parts, b.Address+" is "+b.State+" ("+strings.ReplaceAll(b.Reason, "_", " ")+")")
	}
	return strings.Join(parts, ", ")
}

// noBackendAdvice is that for the first backend that is in trouble.
func noBackendAdvice(p *admin.WebPool) string {
	for i := range p.Backends {
		if text := p.Backends[i].ReasonText; text != "" {
			return text
		}
	}
	return "See web.pools, and the log of galley."
}

func failureWords(failures []admin.ReasonCount) string {
	parts := make([]string, 0, len(failures))
	for _, f := range failures {
		parts = append(parts, fmt.Sprintf("%d %s", f.Count, f.Reason))
	}
	return strings.Join(parts, ", ")
}

// refusalAdvice goes by what most requests were refused for.
func refusalAdvice(p *admin.WebPool) string {
	for _, f := range p.Failures {
		switch fpm.Reason(f.Reason) { //nolint:exhaustive // the others are no refusals
		case fpm.QueueFull, fpm.QueueTimeout:
			return "There is more work than its workers do: give it more (pm.max_children, another backend), or see what is slow (the access log has php=)."
		case fpm.NoBackend:
			return "No backend answered: see php-fpm's log on each."
		case fpm.Drained:
			return "All its backends are drained: put them back with galley undrain " + p.Name + "/ADDRESS."
		}
	}
	return ""
}
