package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// table is rows of cells, the first of which is the head.
type table [][]string

// tables makes one table a test.
func (r *results) tables() (titles []string, all []table) {
	for _, c := range r.Cells {
		if len(titles) == 0 || titles[len(titles)-1] != c.Test {
			titles = append(titles, c.Test)
			all = append(all, table{c.head()})
		}
		t := &all[len(all)-1]
		if c.web {
			*t = append(*t, c.webRows()...)
			continue
		}
		for i, f := range c.Figures {
			clients := ""
			if i == 0 {
				clients = fmt.Sprint(c.Clients)
			}
			*t = append(*t, []string{
				clients, f.Name, plain(f.Doors[doorDirect]), plain(f.Doors[doorHAProxy]), plain(f.Doors[doorGalley]),
				ranged(f.Ratios[doorHAProxy]), ranged(f.Ratios[doorDirect]),
			})
			if two, ok := f.Doors[doorHAProxy2]; ok {
				*t = append(*t, []string{"", "… haproxy with 2 threads", "", plain(two), "", ranged(f.Ratios[doorHAProxy2]), ""})
			}
			for _, name := range []string{doorUnshared, doorFew, doorEventual, doorStrict, doorEach} {
				if s, ok := f.Doors[name]; ok {
					*t = append(*t, []string{"", "… " + name + ", and galley to that", "", "", plain(s), "", ranged(f.Ratios[name])})
				}
			}
			for _, name := range []string{doorOneNode, doorOther} {
				if s, ok := f.Doors[name]; ok {
					*t = append(*t, []string{"", "… " + name + ", to haproxy and to direct", "", "", plain(s), ranged(f.ratio(name, doorHAProxy)), ranged(f.ratio(name, doorDirect))})
				}
			}
		}
	}
	return titles, all
}

// head is the first row of a table.
func (c *cell) head() []string {
	if c.web {
		return []string{"clients", "", doorNginx, doorCaddy, doorHAProxy, doorGalley, "galley / nginx", "galley / caddy", "galley / haproxy"}
	}
	return []string{"clients", "", doorDirect, doorHAProxy, doorGalley, "galley / haproxy", "galley / direct"}
}

// webRows are the rows of a cell of the web part.
func (c *cell) webRows() []([]string) {
	var rows [][]string
	for i, f := range c.Figures {
		row := []string{"", f.Name}
		if i == 0 {
			row[0] = fmt.Sprint(c.Clients)
		}
		for _, name := range []string{doorNginx, doorCaddy, doorHAProxy, doorGalley} {
			row = append(row, plain(f.Doors[name]))
		}
		rows = append(rows, append(row, ranged(f.Ratios[doorNginx]), ranged(f.Ratios[doorCaddy]), ranged(f.Ratios[doorHAProxy])))
		if other, ok := f.Doors[doorOther]; ok {
			rows = append(rows, []string{"", "… " + doorOther, "", "", "", plain(other), ranged(f.ratio(doorOther, doorNginx)), ranged(f.ratio(doorOther, doorCaddy)), ranged(f.ratio(doorOther, doorHAProxy))})
		}
	}
	return rows
}

func (r *results) targetTable() table {
	t := table{{"target", "goal", "measured", ""}}
	for _, g := range r.Targets {
		sign, verdict := "≥", "FAIL"
		if g.AtMost {
			sign = "≤"
		}
		if g.Pass {
			verdict = "pass"
		}
		t = append(t, []string{g.Name, fmt.Sprintf("%s %g", sign, g.Goal), ranged(g.Got), verdict})
	}
	return t
}

// plain is a median, with as many digits as say something.
func plain(s spread) string {
	switch {
	case s.N == 0:
		return "–"
	case math.Abs(s.Median) >= 100:
		return fmt.Sprintf("%.0f", s.Median)
	case math.Abs(s.Median) >= 10:
		return fmt.Sprintf("%.1f", s.Median)
	default:
		return fmt.Sprintf("%.2f", s.Median)
	}
}

// ranged is a median with its range.
func ranged(s spread) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.2f", s.Median)
	default:
		return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
	}
}

// lines are the facts as a list.
func (r *results) lines() []string {
	m := &r.Machine
	lines := []string{
		fmt.Sprintf("%s, %d cores, %d MB, Linux %s, %s; load before the run %s", m.CPU, m.Cores, m.MemoryMB, m.Kernel, m.System, m.Load),
		fmt.Sprintf("%s; %s; %s; %s (%s)", m.Server, m.HAProxy, m.Sysbench, m.Galley, m.Go),
		fmt.Sprintf("-pin %s; %d rounds, sysbench runs of %d s; threads: %s; %s", m.Pin, m.Rounds, m.Seconds, m.Threads, m.Time),
	}
	if m.Web != "" {
		lines = append(lines, m.Web)
	}
	if r.Others.N > 0 {
		line := fmt.Sprintf("other work on these CPUs during the runs of sysbench and of the web: median %.0f %%, at most %.0f %%", 100*r.Others.Median, 100*r.Others.Max)
		if r.Others.Median > 0.05 {
			line += ": too much to trust throughput and latency; CPU per query suffers less"
		}
		lines = append(lines, line)
	}
	return lines
}

// text writes the tables for a terminal.
func (r *results) text(w *strings.Builder) {
	for _, line := range r.lines() {
		fmt.Fprintln(w, line)
	}
	titles, all := r.tables()
	for i, t := range all {
		fmt.Fprintf(w, "\n%s\n", titles[i])
		t.text(w)
	}
	if len(r.Targets) > 0 {
		fmt.Fprintf(w, "\ntargets (the median decides)\n")
		r.targetTable().text(w)
	}
}

// markdown writes the tables for a document.
func (r *results) markdown(w *strings.Builder) {
	for _, line := range r.lines() {
		fmt.Fprintf(w, "- %s\n", line)
	}
	if len(r.Targets) > 0 {
		fmt.Fprintf(w, "\n## Targets (the median decides)\n\n")
		r.targetTable().markdown(w)
	}
	titles, all := r.tables()
	for i, t := range all {
		fmt.Fprintf(w, "\n## %s\n\n", titles[i])
		t.markdown(w)
	}
}

func (t table) markdown(w *strings.Builder) {
	for i, row := range t {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
}

func (t table) text(w *strings.Builder) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(b.String(), " "))
	}
}
