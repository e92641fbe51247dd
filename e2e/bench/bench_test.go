package main

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
)

// sysbenchText is what sysbench 1.0.20 prints after a checkpoint, cut short.
const sysbenchText = `[ 2s ] thds: 64 tps: 8416.21 qps: 8416.21 (r/w/o: 8416.21/0.00/0.00) lat (ms,99%): 50.11 err/s: 0.00 reconn/s: 0.00
Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.031 |**                                       7
       0.032 |*****                                    90
       0.118 |                                         2
     272.267 |                                         1

SQL statistics:
    transactions:                        19084  (9358.20 per sec.)
    queries:                             19084  (9358.20 per sec.)
    ignored errors:                      3      (1.50 per sec.)
`

func TestSample(t *testing.T) {
	var rep report
	rep.text.WriteString(sysbenchText)
	rep.intervals, rep.intervalQPS = 1, 1000
	rep.end.at = rep.begin.at.Add(2e9)
	rep.end.proxy, rep.end.all = 20e6, 100e6
	rep.end.busy, rep.end.whole = 300e6, 2000e6
	s, err := rep.sample()
	if err != nil {
		t.Fatal(err)
	}
	want := sample{qps: 9358.2, p50: 0.032, p99: 0.118, cpu: 10, all: 50, others: 0.1, errors: 1.5}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if _, err := (&report{}).sample(); err == nil {
		t.Error("no error for an empty output")
	}
}

func TestSpread(t *testing.T) {
	tests := []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{math.NaN(), math.Inf(1)}, spread{}},
		{[]float64{3, 1, 2}, spread{2, 1, 3, 3}},
		{[]float64{4, 1, math.NaN()}, spread{2.5, 1, 4, 2}},
	}
	for _, test := range tests {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: got %v, want %v", test.values, got, test.want)
		}
	}
}

func TestTargets(t *testing.T) {
	var r results
	c := r.cell(pointSelect, targetClients)
	for _, v := range [][2]float64{{100, 90}, {100, 120}, {100, 130}} {
		c.figure(queriesPerSecond).add(doorHAProxy, v[0])
		c.figure(queriesPerSecond).add(doorGalley, v[1])
		c.figure(cpuPerQuery).add(doorHAProxy, 10)
		c.figure(cpuPerQuery).add(doorGalley, 12)
	}
	r.cell(pointSelect, 8).figure(queriesPerSecond).add(doorGalley, 1)
	r.finish()
	if len(r.Targets) != 2 {
		t.Fatalf("targets %+v", r.Targets)
	}
	if got := r.Targets[0]; !got.Pass || got.Got != (spread{1.2, 0.9, 1.3, 3}) {
		t.Errorf("throughput: %+v", got)
	}
	if got := r.Targets[1]; got.Pass || got.Got.Median != 1.2 {
		t.Errorf("CPU: %+v", got)
	}
	var text strings.Builder
	r.text(&text)
	for _, want := range []string{"1.20 (0.90–1.30)  pass", "FAIL"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

func TestTurns(t *testing.T) {
	var r results
	c := r.inTurns(phpTest, 8)
	for _, v := range [][2]float64{{100, 150}, {200, 150}, {100, 100}} {
		c.figure(connectionsPerSecond).add(doorDirect, v[0])
		c.figure(connectionsPerSecond).add(doorGalley, v[1])
	}
	r.finish()
	if len(r.Targets) != 1 || !r.Targets[0].Pass || r.Targets[0].Got != (spread{1.5, 0.75, 1.5, 3}) {
		t.Errorf("got %+v: not the ratio of the medians", r.Targets)
	}
}

// A turn without an answer, and a figure that is 0, leave results that can be written.
func TestNoNumbers(t *testing.T) {
	var r results
	c := r.web(webHello, targetClients)
	for _, v := range [][2]float64{{math.NaN(), 0}, {math.Inf(1), 0}, {4, 0}} {
		c.figure(webP99).add(doorGalley, v[0])
		c.figure(webP99).add(doorNginx, v[1])
	}
	r.finish()
	text, err := json.Marshal(&r)
	if err != nil || !strings.Contains(string(text), `"galley":[null,null,4]`) {
		t.Errorf("%v: %s", err, text)
	}
	if got := c.figure(webP99).Ratios[doorNginx]; got.N != 0 {
		t.Errorf("a ratio to 0 is %+v", got)
	}
}

func TestSumOfMetric(t *testing.T) {
	const text = "# TYPE conns gauge\nconns{node=\"a\"} 12\nconns{node=\"b\"} 30\nconns_lost_total 4\n"
	if got, err := sumOfMetric(text, "conns"); err != nil || got != 42 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := sumOfMetric(text, "others"); err == nil {
		t.Error("no error for a metric that is not there")
	}
}

func TestPlan(t *testing.T) {
	p, err := parsePlan([]string{"-galley", "x", "-wordpress", "x", "-quick", "-rounds", "2"}, io.Discard)
	if err != nil || p.rounds != 2 || p.seconds != 3 || len(p.clients) != 1 || p.pin != pinOne {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, args := range []string{
		"", "-galley x", "-wordpress x", "-galley x -parts nothing", "-galley x -wordpress x -tests nothing", "-galley x -wordpress x -clients 0", "-galley x -wordpress x -doors nothing", "-galley x -wordpress x -pin two",
		"-galley x -wordpress x -seconds 1", "-galley x -wordpress x -pages nothing", "-galley x -wordpress x y",
	} {
		if _, err := parsePlan(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
