package main

import (
	"math"
	"slices"
)

// The figures that targets look at.
const (
	queriesPerSecond = "queries per second"
	cpuPerQuery      = "CPU of the proxy, µs per query"
	megabytes        = "MB per second"
	perConnection    = "memory of the proxy, KB per connection, after the login"
)

// results are all figures of a run.
type results struct {
	Machine machine  `json:"machine"`
	Cells   []*cell  `json:"cells"`
	Targets []target `json:"targets"`
	Others  spread   `json:"other_work"` // Share of the CPUs that other work on the machine took during sysbench runs.

	others []float64
}

// cell is one thing measured through every door.
type cell struct {
	Test    string    `json:"test"`
	Clients int       `json:"clients"`
	Figures []*figure `json:"figures"`
}

// figure is what one measurement gave by door, one value a round.
type figure struct {
	Name   string               `json:"name"`
	Rounds map[string][]float64 `json:"rounds"`
	Doors  map[string]spread    `json:"doors"`
	Ratios map[string]spread    `json:"galley_to"`
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
	f := &figure{Name: name, Rounds: map[string][]float64{}}
	c.Figures = append(c.Figures, f)
	return f
}

// add adds a door's value of one more round.
func (f *figure) add(door string, value float64) { f.Rounds[door] = append(f.Rounds[door], value) }

// ratio is one door's value to another's, made within each round.
func (f *figure) ratio(of, to string) spread {
	a, b := f.Rounds[of], f.Rounds[to]
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, a[i]/b[i])
	}
	return spreadOf(all)
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

// target is one of the project's goals with what was measured.
type target struct {
	Name   string  `json:"name"`
	Goal   float64 `json:"goal"`
	AtMost bool    `json:"at_most"`
	Got    spread  `json:"got"`
	Pass   bool    `json:"pass"`
}

// targets are the goals that this run measured; the median decides.
func (r *results) targets() []target {
	ratio := func(f *figure) spread { return f.ratio(doorGalley, doorHAProxy) }
	goals := []struct {
		target
		test, figure string
		clients      int
		got          func(*figure) spread
	}{
		{target{Name: "point select at 64 clients: throughput, to HAProxy's", Goal: 1}, pointSelect, queriesPerSecond, targetClients, ratio},
		{target{Name: "point select at 64 clients: CPU per query, to HAProxy's", Goal: 1.1, AtMost: true}, pointSelect, cpuPerQuery, targetClients, ratio},
		{target{Name: "large result: throughput, to HAProxy's", Goal: 0.9}, largeRows, megabytes, 1, ratio},
		{
			target{Name: "idle client connection: memory, KB", Goal: 15, AtMost: true},
			idleTest, perConnection, 0,
			func(f *figure) spread { return spreadOf(f.Rounds[doorGalley]) },
		},
	}
	var all []target
	for _, g := range goals {
		for _, c := range r.Cells {
			if c.Test != g.test || g.clients != 0 && c.Clients != g.clients || !c.has(g.figure) {
				continue
			}
			t := g.target
			t.Got = g.got(c.figure(g.figure))
			t.Pass = t.Got.N > 0 && !math.IsNaN(t.Got.Median) && (t.AtMost && t.Got.Median <= t.Goal || !t.AtMost && t.Got.Median >= t.Goal)
			all = append(all, t)
		}
	}
	return all
}
