package main

import (
	"fmt"
	"strings"
)

// statusWeb is the part of /api/status about the web tier that is printed.
type statusWeb struct {
	HTTP           string          `json:"http"`
	HTTPS          string          `json:"https"`
	Connections    int64           `json:"connections"`
	MaxConnections int64           `json:"max_connections"`
	Sites          []statusSite    `json:"sites"`
	Pools          []statusFPMPool `json:"pools"`
}

type statusSite struct {
	Name    string `json:"name"`
	Pool    string `json:"pool"`
	Running int64  `json:"running"`
	Waiting int64  `json:"waiting"`
	Rates   struct {
		Requests     *float64 `json:"requests_per_second"`
		OK           *float64 `json:"2xx_per_second"`
		Redirected   *float64 `json:"3xx_per_second"`
		ClientErrors *float64 `json:"4xx_per_second"`
		ServerErrors *float64 `json:"5xx_per_second"`
	} `json:"rates"`
	Latency struct {
		FileP99   *float64 `json:"files_p99_seconds"`
		ScriptP50 *float64 `json:"scripts_p50_seconds"`
		ScriptP99 *float64 `json:"scripts_p99_seconds"`
	} `json:"latency"`
}

type statusFPMPool struct {
	Name     string          `json:"name"`
	Waiting  int64           `json:"waiting"`
	Longest  float64         `json:"longest_wait_seconds"`
	Length   int64           `json:"queue_length"`
	MeanWait *float64        `json:"mean_wait_seconds"`
	Requests *float64        `json:"requests_per_second"`
	Took     float64         `json:"request_seconds"`
	Backends []statusBackend `json:"backends"`
}

type statusBackend struct {
	ID         string           `json:"id"`
	Address    string           `json:"address"`
	Source     string           `json:"source"`
	State      string           `json:"state"`
	Reason     string           `json:"reason"`
	ReasonText string           `json:"reason_text"`
	LastError  string           `json:"last_error"`
	Running    int64            `json:"running"`
	Workers    int64            `json:"workers"`
	States     map[string]int64 `json:"worker_states"`
	Load       float64          `json:"load"`
	Weight     int64            `json:"weight"`
	Share      float64          `json:"share"`
	Accept     float64          `json:"accept_p95_seconds"`
	Requests   *float64         `json:"requests_per_second"`
}

// print writes sites, pools and backends.
func (w *statusWeb) print(p *printer) {
	if w == nil {
		return
	}
	p.line("")
	p.row("SITE", "POOL", "REQUESTS/S", "2XX", "3XX", "4XX", "5XX", "PHP P50", "PHP P99", "FILES P99", "RUNNING", "WAITING")
	for i := range w.Sites {
		s := &w.Sites[i]
		p.row(s.Name, s.Pool, figure(s.Rates.Requests), figure(s.Rates.OK), figure(s.Rates.Redirected), figure(s.Rates.ClientErrors), figure(s.Rates.ServerErrors),
			millis(s.Latency.ScriptP50), millis(s.Latency.ScriptP99), millis(s.Latency.FileP99), fmt.Sprint(s.Running), fmt.Sprint(s.Waiting))
	}
	p.flush()
	p.line("")
	p.row("BACKEND", "STATE", "WORKERS BUSY", "IN FLIGHT", "LOAD", "WEIGHT", "SHARE", "ACCEPTS", "REQUESTS/S", "REASON")
	for i := range w.Pools {
		for k := range w.Pools[i].Backends {
			b := &w.Pools[i].Backends[k]
			p.row(b.ID, b.State, b.busy(), fmt.Sprint(b.Running), fmt.Sprintf("%.1f", b.Load), fmt.Sprint(b.Weight), fmt.Sprintf("%.0f%%", 100*b.Share),
				millis(&b.Accept), figure(b.Requests), b.Reason)
		}
	}
	p.flush()
	p.line("")
	for i := range w.Pools {
		q := &w.Pools[i]
		p.row("Pool "+q.Name+":", fmt.Sprintf("%s requests/s, %d of %d wait (longest %.1f s); %s for a worker, %s with one",
			figure(q.Requests), q.Waiting, q.Length, q.Longest, millis(q.MeanWait), millis(&q.Took)))
	}
	p.row("Browsers:", fmt.Sprintf("%d of %d connections at %s", w.Connections, w.MaxConnections, strings.Join(strings.Fields(w.HTTP+" "+w.HTTPS), ", ")))
	p.flush()
}

// busy writes how many workers do something.
func (b *statusBackend) busy() string {
	if b.Workers == 0 {
		return "?"
	}
	busy := int64(0)
	for state, n := range b.States {
		if state != "idle" {
			busy += n
		}
	}
	if len(b.States) == 0 {
		busy = b.Running
	}
	return fmt.Sprintf("%d/%d", busy, b.Workers)
}

// findings are the backends that are not as they should be.
func (w *statusWeb) findings() []finding {
	if w == nil {
		return nil
	}
	var found []finding
	for i := range w.Pools {
		for k := range w.Pools[i].Backends {
			if b := &w.Pools[i].Backends[k]; b.ReasonText != "" {
				text := "The php-fpm backend " + b.ID + " is " + b.State + ": " + strings.ReplaceAll(b.Reason, "_", " ") + "."
				if b.LastError != "" {
					text += " " + b.LastError
				}
				found = append(found, finding{Text: text, Do: b.ReasonText})
			}
		}
	}
	return found
}

// backends are those that POOL/ADDRESS stands for.
func (w *statusWeb) backends(key string) []*statusBackend {
	if w == nil {
		return nil
	}
	name, address, _ := strings.Cut(key, "/")
	var out []*statusBackend
	for i := range w.Pools {
		for k := range w.Pools[i].Backends {
			if b := &w.Pools[i].Backends[k]; w.Pools[i].Name == name && (b.Address == address || b.Source == address) {
				out = append(out, b)
			}
		}
	}
	return out
}

// leftOn tells what still runs on a drained backend.
func (w *statusWeb) leftOn(key string) string {
	n := int64(0)
	for _, b := range w.backends(key) {
		n += b.Running
	}
	if n == 0 {
		return ""
	}
	return requests(int(n)) + " there."
}

// unused tells why a backend is not used.
func (w *statusWeb) unused(key string) string {
	all := w.backends(key)
	if len(all) == 0 {
		return "There is no such backend."
	}
	for _, b := range all {
		if b.State != "up" {
			return b.Address + " is not used yet: " + strings.ReplaceAll(b.Reason, "_", " ") + "."
		}
	}
	return ""
}
