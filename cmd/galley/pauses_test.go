package main

import (
	"strings"
	"testing"
	"time"

	"galley/cluster"
)

func TestPauseProblems(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	// A minute of samples, one a second; what f says holds for the last ten.
	history := func(paused float64, asked bool) []cluster.Sample {
		var all []cluster.Sample
		for i := range 60 {
			s := cluster.Sample{At: at.Add(time.Duration(i) * time.Second)}
			if i >= 50 {
				s.Paused, s.Asked = paused, asked && i == 55
			}
			all = append(all, s)
		}
		return all
	}
	view := &cluster.View{Nodes: []cluster.Node{{Addr: "a:1"}, {Addr: "b:1"}, {Addr: "c:1"}}}
	for name, c := range map[string]struct {
		of   map[string][]cluster.Sample
		want string
	}{
		"quiet":                 {map[string][]cluster.Sample{"a:1": history(0, false), "b:1": history(0, false)}, ""},
		"asked, and no pause":   {map[string][]cluster.Sample{"a:1": history(0, false), "b:1": history(0.01, true)}, ""},
		"paused by b":           {map[string][]cluster.Sample{"a:1": history(0.5, false), "b:1": history(0.1, true), "c:1": history(0.4, false)}, "Node b:1 pauses the cluster: it cannot keep up, and writes stood still for 50%"},
		"paused by nobody seen": {map[string][]cluster.Sample{"a:1": history(0.5, false)}, ""},
		"nothing known":         {nil, ""},
	} {
		got := ""
		for _, p := range pauseProblems(view, func(addr string) []cluster.Sample { return c.of[addr] }) {
			got += p.Text
		}
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	// What is over is not told.
	old := history(0, false)
	for i := range 40 {
		old[i].Paused, old[i].Asked = 1, true
	}
	if found := pauseProblems(view, func(string) []cluster.Sample { return old }); len(found) > 0 {
		t.Errorf("an old pause: %v", found)
	}
}
