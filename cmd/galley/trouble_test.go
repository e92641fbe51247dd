package main

import (
	"strings"
	"testing"
	"time"

	"galley/cluster"
)

func TestDatabaseTrouble(t *testing.T) {
	now := time.Now()
	past := func(parts ...float64) []cluster.Sample {
		var out []cluster.Sample
		for i, p := range parts {
			out = append(out, cluster.Sample{At: now.Add(-time.Duration(len(parts)-1-i) * time.Second), Paused: p})
		}
		return out
	}
	one := []cluster.Node{{Addr: "10.0.0.1:3306"}, {Addr: "10.0.0.2:3306"}}
	tests := map[string]struct {
		view    cluster.View
		samples []cluster.Sample
		want    string
	}{
		"healthy":                 {cluster.View{Nodes: one}, past(0, 0, 0), ""},
		"nothing known":           {cluster.View{Nodes: one}, nil, ""},
		"no writer":               {cluster.View{Nodes: one, Writer: -1, WriterReason: cluster.NonPrimary}, past(0), "there is no writer: non primary"},
		"paused":                  {cluster.View{Nodes: one}, past(0.9, 0.6, 0.9), "for 80%"},
		"half is not above half":  {cluster.View{Nodes: one}, past(0.5, 0.5, 0.5), ""},
		"one probe does not do":   {cluster.View{Nodes: one}, past(0, 0, 1), ""},
		"it was, and is no more":  {cluster.View{Nodes: one}, past(1, 1, 1, 0, 0, 0), ""},
		"it was not, and is now":  {cluster.View{Nodes: one}, past(0, 0, 0, 1, 1, 1), "for 100%"},
		"what is known is recent": {cluster.View{Nodes: one}, past(1), "for 100%"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := databaseTrouble(&tt.view, func(addr string) []cluster.Sample {
				if addr != "10.0.0.1:3306" {
					t.Errorf("asked for %s", addr)
				}
				return tt.samples
			})
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTroubleIsNotAskedForEachRequest(t *testing.T) {
	var w troubleWatch
	asked := 0
	for range 1000 {
		if got := w.of(func() string { asked++; return "trouble" }); got != "trouble" {
			t.Fatal(got)
		}
	}
	w.last.Store(&troubleSeen{at: time.Now().Add(-time.Hour), text: "old"})
	if got := w.of(func() string { asked++; return "" }); got != "" || asked < 2 {
		t.Errorf("an old answer is given: %q, asked %d times", got, asked)
	}
}
