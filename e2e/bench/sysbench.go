package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is one sysbench run.
type sample struct {
	qps, p50, p99 float64 // Milliseconds of a transaction; a point select is one by itself.
	cpu           float64 // Of the proxy, in µs per query.
	all           float64 // Of the proxy, the nodes and sysbench together, in µs per query.
	others        float64 // Share of the CPUs that other work on the machine took.
	errors        float64 // Ignored errors (deadlocks) per second.
}

// measureSysbench fills in the sysbench part of a round.
func (r *runner) measureSysbench(ctx context.Context, round int, res *results) error {
	for _, sc := range scenarios() {
		if !slices.Contains(r.plan.tests, sc.key) {
			continue
		}
		for _, clients := range r.plan.clients {
			if len(sc.only) > 0 && !slices.Contains(sc.only, clients) {
				continue
			}
			doors := r.site.main()
			if sc.name == pointSelect && clients == targetClients {
				doors = r.site.doors
			}
			c := res.cell(sc.name, clients)
			for i := range doors {
				d := doors[(i+round)%len(doors)]
				s, err := r.sysbench(ctx, d, &sc, clients)
				if err != nil {
					return fmt.Errorf("%s, %d clients, %s: %w", sc.name, clients, d.name, err)
				}
				s.note(c, d)
				res.others = append(res.others, s.others)
				r.say("round %d  %-18s %3d  %-18s %8.0f queries/s  p50 %6.2f  p99 %6.2f ms  CPU %5.1f of %5.1f µs, others %2.0f %%", round+1, sc.name, clients, d.name, s.qps, s.p50, s.p99, s.cpu, s.all, 100*s.others)
			}
		}
	}
	return nil
}

// note puts the figures into the cell.
func (s sample) note(c *cell, d *door) {
	c.figure(queriesPerSecond).add(d.name, s.qps)
	c.figure("p50, ms").add(d.name, s.p50)
	c.figure("p99, ms").add(d.name, s.p99)
	if d.proxy != nil {
		c.figure(cpuPerQuery).add(d.name, s.cpu)
	}
	c.figure("CPU of all, µs per query").add(d.name, s.all)
	if s.errors > 0 || c.has("ignored errors per second") {
		c.figure("ignored errors per second").add(d.name, s.errors)
	}
}

// sysbench runs one test through one door.
func (r *runner) sysbench(ctx context.Context, d *door, sc *scenario, clients int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.plan.seconds+60)*time.Second)
	defer cancel()
	args := append([]string{
		fmt.Sprintf("--threads=%d", clients), fmt.Sprintf("--time=%d", r.plan.seconds), "--report-interval=1", "--report-checkpoints=1", "--histogram", "--percentile=99",
	}, sc.args...)
	cmd := r.site.sysbenchCommand(ctx, d.addr(sc.writes), sc.script, append(args, "run")...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	report, err := r.follow(stdout, d, cmd.Process.Pid)
	if werr := cmd.Wait(); werr != nil {
		return sample{}, fmt.Errorf("sysbench: %w\n%s%s", werr, report.text.String(), stderr.String())
	}
	if err != nil {
		return sample{}, err
	}
	return report.sample()
}

// report is what sysbench prints, with the CPU clocks read as it does.
type report struct {
	text           strings.Builder // Since the checkpoint.
	begin, end     clocks
	intervals      int
	checkpointSeen bool
	intervalQPS    float64
}

// clocks are readings at one moment.
type clocks struct {
	at          time.Time
	proxy, all  time.Duration // All is the proxy, the nodes and the client.
	nodes       time.Duration
	client      time.Duration
	busy, whole time.Duration // Of the CPUs, whoever uses them.
}

func (r *runner) clocks(d *door, client int) (clocks, error) {
	c := clocks{at: time.Now()}
	var err error
	if c.proxy, err = cpuTime(d.pid()); err != nil {
		return clocks{}, err
	}
	if c.client, err = cpuTime(client); err != nil {
		return clocks{}, err
	}
	for _, n := range r.site.lab.Nodes() {
		t, err := cpuTime(n.PID())
		if err != nil {
			return clocks{}, err
		}
		c.nodes += t
	}
	c.all = c.proxy + c.nodes + c.client
	c.busy, c.whole, err = r.plan.pin.busy()
	return c, err
}

// ownClocks are the clocks where this process is the client.
func (r *runner) ownClocks(d *door) (clocks, error) { return r.clocks(d, os.Getpid()) }

// follow reads sysbench's output to its end. The clocks are read at the checkpoint, where sysbench's own counters begin anew, and at each line of an interval after it.
func (r *runner) follow(stdout io.Reader, d *door, client int) (*report, error) {
	var rep report
	var failed error
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, "Checkpoint report:"):
			rep.text.Reset()
			rep.checkpointSeen = true
			rep.begin, failed = r.clocks(d, client)
		case rep.checkpointSeen && strings.Contains(line, " qps: "):
			c, err := r.clocks(d, client)
			failed = errors.Join(failed, err)
			rep.end = c
			rep.intervals++
			rep.intervalQPS += number(intervalQPS, line)
		}
		rep.text.WriteString(line)
		rep.text.WriteByte('\n')
	}
	return &rep, errors.Join(failed, lines.Err())
}

var (
	intervalQPS  = regexp.MustCompile(` qps: ([0-9.]+)`)
	totalQueries = regexp.MustCompile(`queries:\s+\d+\s+\(([0-9.]+) per sec`)
	errorRate    = regexp.MustCompile(`ignored errors:\s+\d+\s+\(([0-9.]+) per sec`)
	bucketLine   = regexp.MustCompile(`^\s*([0-9.]+) \|\**\s+(\d+)$`)
)

func number(pattern *regexp.Regexp, text string) float64 {
	found := pattern.FindAllStringSubmatch(text, -1)
	if found == nil {
		return 0
	}
	v, err := strconv.ParseFloat(found[len(found)-1][1], 64)
	if err != nil {
		return 0
	}
	return v
}

// sample makes the figures. Those per query are of the intervals between the first and the last reading of the clocks.
func (rep *report) sample() (sample, error) {
	text := rep.text.String()
	s := sample{qps: number(totalQueries, text), errors: number(errorRate, text)}
	if s.qps == 0 || rep.intervals == 0 {
		return sample{}, fmt.Errorf("no figures in the output of sysbench:\n%s", text)
	}
	queries := rep.intervalQPS / float64(rep.intervals) * rep.end.at.Sub(rep.begin.at).Seconds()
	s.cpu = float64(rep.end.proxy-rep.begin.proxy) / 1e3 / queries
	s.all = float64(rep.end.all-rep.begin.all) / 1e3 / queries
	s.others = float64(rep.end.busy-rep.begin.busy-(rep.end.all-rep.begin.all)) / float64(rep.end.whole-rep.begin.whole)
	s.p50, s.p99 = histogram(text)
	return s, nil
}

// histogram takes p50 and p99 from sysbench's histogram, whose buckets are 1.8 % wide.
func histogram(text string) (p50, p99 float64) {
	type bucket struct {
		value float64
		count int
	}
	var buckets []bucket
	total := 0
	for line := range strings.Lines(text) {
		found := bucketLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if found == nil {
			continue
		}
		value, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			continue
		}
		count, err := strconv.Atoi(found[2])
		if err != nil {
			continue
		}
		buckets = append(buckets, bucket{value, count})
		total += count
	}
	at := func(q float64) float64 {
		seen := 0
		for _, b := range buckets {
			if seen += b.count; float64(seen) >= q*float64(total) {
				return b.value
			}
		}
		return 0
	}
	return at(0.5), at(0.99)
}
