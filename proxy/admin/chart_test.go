package admin

import (
	"math"
	"testing"
)

func TestPath(t *testing.T) {
	gap := float32(math.NaN())
	tests := map[string]struct {
		values     []float32
		line, area string
	}{
		"nothing":       {nil, "", ""},
		"only gaps":     {[]float32{gap, gap}, "", ""},
		"one":           {[]float32{gap, 5}, "M1 50h0", "M1 50h0V100H1Z"},
		"flat is short": {[]float32{0, 0, 0, 0}, "M0 100h3", "M0 100h3V100H0Z"},
		"up and down":   {[]float32{0, 10, 10, 5}, "M0 100l1 -100h1l1 50", "M0 100l1 -100h1l1 50V100H0Z"},
		"gap":           {[]float32{1, 1, gap, 2, 2}, "M0 90h1M3 80h1", "M0 90h1V100H0ZM3 80h1V100H3Z"},
		"off the scale": {[]float32{-5, 99}, "M0 100l1 -100", "M0 100l1 -100V100H0Z"},
	}
	for name, tt := range tests {
		line, area := linePath(tt.values, 10)
		if line != tt.line || area != tt.area {
			t.Errorf("%s: %q and %q, want %q and %q", name, line, area, tt.line, tt.area)
		}
	}
}

func TestChartScale(t *testing.T) {
	c := newChart(plot{format: count, least: 10, lines: []plotLine{{"x", []float32{3, 37}, true}}})
	if c.Top != "50" || c.Limit != -1 {
		t.Errorf("top %s, limit %d; want 50 and none", c.Top, c.Limit)
	}
	c = newChart(plot{format: count, least: 10, limit: 80, lines: []plotLine{{"x", []float32{3, 50}, true}}})
	if c.Top != "100" || c.Limit != 20 {
		t.Errorf("top %s, limit at %d; want 100 and 20", c.Top, c.Limit)
	}
	c = newChart(plot{format: percent, least: 1, fixed: true, lines: []plotLine{{"x", []float32{0.5, float32(math.NaN())}, false}}})
	if c.Top != "100%" || c.Lines[0].Dot != "" || c.Lines[0].Area != "" {
		t.Errorf("%+v: want a top of 100%%, no dot after a gap and no area", c)
	}
}

func TestRoundUp(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, -1: 0, 1: 1, 1.1: 2, 3: 5, 7: 10, 10: 10, 101: 200, 0.0004: 0.0005, math.Inf(1): 0} {
		if got := roundUp(v); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}
