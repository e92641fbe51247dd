package main

import (
	"encoding/json"
	"math"
	"slices"
)

// The figures that targets look at.
const (
	queriesPerSecond     = "queries per second"
	cpuPerQuery          = "CPU of the proxy, µs per query"
	megabytes            = "MB per second"
	perConnection        = "memory of the proxy, KB per connection, after the login"
	perConnectionUsed    = "memory of the proxy, KB per connection, after statements"
	idleCPU              = "CPU of the proxy, % of one"
	backendConnsOpen     = "backend conns"
	connectionsPerSecond = "connections per second"
	requestsPerSecond    = "requests per second"
	webP99               = "p99, ms"
)

// results are all figures of a run.
type results struct {
	Machine machine  `json:"machine"`
	Cells   []*cell  `json:"cells"`
	Targets []target `json:"targets"`
	Others  spread   `json:"other_work"` // Share of the CPUs that other work on the machine took during runs of sysbench and of the web.

	others []float64
}

// cell is one thing measured through every door.
type cell struct {
	Test    string    `json:"test"`
	Clients int       `json:"clients"`
	Figures []*figure `json:"figures"`

	turns bool // The doors take short turns.
	web   bool // The doors are web servers.
}

// figure is what one measurement gave by door, one value a round or a turn.
type figure struct {
	Name   string            `json:"name"`
	Rounds map[string]values `json:"rounds"`
	Doors  map[string]spread `json:"doors"`
	Ratios map[string]spread `json:"galley_to"`

	turns bool
}

// values are what measurements gave; one that is no number (of a turn without an answer, for example) keeps its place.
type values []float64

// MarshalJSON writes null for what is no number.
func (v values) MarshalJSON() ([]byte, error) {
	all := make([]*float64, len(v))
	for i := range v {
		if !math.IsNaN(v[i]) && !math.IsInf(v[i], 0) {
			all[i] = &v[i]
		}
	}
	return json.Marshal(all)
}

// inTurns finds a cell in which the doors take turns, or makes it.
func (r *results) inTurns(test string, clients int) *cell {
	c := r.cell(test, clients)
	c.turns = true
	return c
}

// web finds a cell of the web part, or makes it.
func (r *results) web(test string, clients int) *cell {
	c := r.inTurns(test, clients)
	c.web = true
	return c
}

// cell finds a cell or makes it.
func (r *results) cell(test string, clients int) *cell {
	if c := r.find(test, clients); c != nil {
		return c
	}
	c := &cell{Test: test, Clients: clients}
	r.Cells = append(r.Cells, c)
	return c
}

func (r *results) find(test string, clients int) *cell {
	for _, c := range r.Cells {
		if c.Test == test && c.Clients == clients {
			return c
		}
	}
	return nil
}

func (c *cell) has(name string) bool {
	return slices.ContainsFunc(c.Figures, func(f *figure) bool { return f.Name == name })
}

// figure finds a figure or makes it.
func (c *cell) figure(name string) *figure {
	for _, f := range c.Figures {
		if f.Name == name {
			return f
		}
	}
	f := &figure{Name: name, Rounds: map[string]values{}, turns: c.turns}
	c.Figures = append(c.Figures, f)
	return f
}

// add adds a door's value of one more round.
func (f *figure) add(door string, value float64) { f.Rounds[door] = append(f.Rounds[door], value) }

// ratio is one door's value to another's, made within each round. Where the doors take turns of a second, it is that of their medians.
func (f *figure) ratio(of, to string) spread {
	a, b := f.Rounds[of], f.Rounds[to]
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, a[i]/b[i])
	}
	s := spreadOf(all)
	if f.turns && s.N > 0 {
		s.Median = spreadOf(a).Median / spreadOf(b).Median
	}
	if math.IsNaN(s.Median) || math.IsInf(s.Median, 0) {
		return spread{}
	}
	return s
}

// finish sums up what the rounds gave.
func (r *results) finish() {
	for _, c := range r.Cells {
		for _, f := range c.Figures {
			f.Doors, f.Ratios = map[string]spread{}, map[string]spread{}
			for door, values := range f.Rounds {
				f.Doors[door] = spreadOf(values)
				if ratio := f.ratio(doorGalley, door); door != doorGalley && ratio.N > 0 {
					f.Ratios[door] = ratio
				}
			}
		}
	}
	r.Others = spreadOf(r.others)
	r.Targets = r.targets()
}
