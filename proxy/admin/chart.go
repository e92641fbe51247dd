package admin

import (
	"fmt"
	"math"
	"strconv"
)

// The drawing area of every graph: a unit a second across, and height enough that whole numbers are finer than pixels.
// The page stretches it.
const (
	chartWidth  = historyLen - 1
	chartHeight = 100
)

// chart is one drawn graph. Paths are SVG path data (SVG 1.1 section 8.3).
type chart struct {
	Label string // for those who cannot see it
	Top   string // the figure at the upper edge
	Limit int    // height of a dashed line; negative for none
	Lines []chartLine
}

type chartLine struct {
	Class string
	Line  string
	Area  string // the same closed along the bottom; empty where it would cover others
	Dot   string // the newest point; empty when there is no newest sample
}

// plot is what newChart draws.
type plot struct {
	label  string
	format func(float64) string
	limit  float64 // drawn as a dashed line when above zero
	least  float64 // the scale reaches at least up to here
	fixed  bool    // the scale is exactly least, not a round number above the highest sample
	lines  []plotLine
}

type plotLine struct {
	class  string
	values []float32
	area   bool
}

func newChart(p plot) chart {
	highest := float64(0)
	for _, l := range p.lines {
		highest = max(highest, maxOf(l.values))
	}
	top := p.least
	if !p.fixed {
		top = max(p.least, roundUp(highest), roundUp(p.limit))
	}
	c := chart{Label: p.label, Top: p.format(top), Limit: -1}
	if p.limit > 0 {
		c.Limit = height(p.limit, top)
	}
	for _, l := range p.lines {
		line, area := linePath(l.values, top)
		drawn := chartLine{Class: l.class, Line: line, Dot: dot(l.values, top)}
		if l.area {
			drawn.Area = area
		}
		c.Lines = append(c.Lines, drawn)
	}
	return c
}

// linePath draws samples as a polyline in relative steps, one run between gaps, with equal neighbours merged: a quiet
// cluster's graph is a few bytes. The second path closes each run along the bottom.
func linePath(values []float32, top float64) (line, area string) {
	var l, a []byte
	for i := 0; i < len(values); {
		if isGap(values[i]) {
			i++
			continue
		}
		end := i
		for end < len(values) && !isGap(values[end]) {
			end++
		}
		run := appendRun(nil, values[i:end], i, top)
		l = append(l, run...)
		a = append(a, run...)
		a = fmt.Appendf(a, "V%dH%dZ", chartHeight, i)
		i = end
	}
	return string(l), string(a)
}

func appendRun(out []byte, values []float32, x int, top float64) []byte {
	y := height(float64(values[0]), top)
	out = fmt.Appendf(out, "M%d %d", x, y)
	if len(values) == 1 {
		return append(out, "h0"...)
	}
	flat := 0
	for _, v := range values[1:] {
		next := height(float64(v), top)
		if next == y {
			flat++
			continue
		}
		if flat > 0 {
			out = fmt.Appendf(out, "h%d", flat)
			flat = 0
		}
		out = append(out, "l1 "...)
		out = strconv.AppendInt(out, int64(next-y), 10)
		y = next
	}
	if flat > 0 {
		out = fmt.Appendf(out, "h%d", flat)
	}
	return out
}

// dot is a path of no length at the newest sample; with a round cap it is a dot of the stroke's width however the graph
// is stretched.
func dot(values []float32, top float64) string {
	last := len(values) - 1
	if last < 0 || isGap(values[last]) {
		return ""
	}
	return fmt.Sprintf("M%d %dh0", last, height(float64(values[last]), top))
}

func height(v, top float64) int {
	if top <= 0 {
		return chartHeight
	}
	share := min(max(v/top, 0), 1)
	return chartHeight - int(math.Round(share*chartHeight))
}

func isGap(v float32) bool { return math.IsNaN(float64(v)) }

// maxOf is the greatest sample; zero when there is none.
func maxOf(values []float32) float64 {
	highest := float64(0)
	for _, v := range values {
		if !isGap(v) {
			highest = max(highest, float64(v))
		}
	}
	return highest
}

// roundUp gives the next 1, 2 or 5 times a power of ten.
func roundUp(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	step := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= v*(1-1e-9) {
			return m * step
		}
	}
	return 10 * step
}
