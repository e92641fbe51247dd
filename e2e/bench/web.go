package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// The tests of the web part.
const (
	webHello   = "web: hello.php"
	webPress   = "web: WordPress front page"
	webSmall   = "web: static file, 4 KB"
	webMiddle  = "web: static file, 100 KB"
	webLarge   = "web: static file, 100 MB"
	webCached  = "web: WordPress front page from the front's cache"
	webUneven  = "web: two pools, one 20 ms slower"
	webIdle    = "web: idle clients"
	helloText  = "Hello, galley!"
	pressTitle = "A hundred rowers"
)

// page is what clients ask for.
type page struct {
	key        string // On the command line.
	test       string
	host, path string
	size       int    // Of a file.
	contains   string // What the answer has in it.
	fronts     []string
	slow       bool // It takes so long that a turn is hardly more than one answer for each client: there is one turn a round.
	cut        bool // A turn ends in the middle of answers.
	clients    []int
}

// at says whether a front has it.
func (p *page) at(front string) bool { return front == doorOther || slices.Contains(p.fronts, front) }

func pages() []page {
	all, files := []string{doorNginx, doorCaddy, doorHAProxy, doorGalley}, []string{doorNginx, doorCaddy, doorGalley}
	return []page{
		{key: "hello", test: webHello, host: hostPlain, path: "/hello.php", contains: helloText, fronts: all},
		{key: "wordpress", test: webPress, host: hostPlain, path: "/", contains: pressTitle, fronts: all, slow: true},
		{key: "cached", test: webCached, host: hostCached, path: "/", contains: pressTitle, fronts: []string{doorNginx, doorHAProxy, doorGalley}},
		{key: "4k", test: webSmall, host: hostPlain, path: "/4k.jpg", size: 4 << 10, fronts: files},
		{key: "100k", test: webMiddle, host: hostPlain, path: "/100k.jpg", size: 100 << 10, fronts: files},
		{key: "100m", test: webLarge, host: hostPlain, path: "/100m.bin", size: 100 << 20, fronts: files, cut: true},
		{key: "uneven", test: webUneven, host: hostUneven, path: "/uneven.php", contains: helloText, fronts: all, clients: []int{targetClients}},
	}
}

// idlePage is the key of what measures idle clients.
const idlePage = "idle"

// pageKeys are all that the web part can measure.
func pageKeys() []string {
	var keys []string
	for _, p := range pages() {
		keys = append(keys, p.key)
	}
	return append(keys, idlePage)
}

const (
	// webTurns is how often the fronts take turns in a round, where a page is not slow.
	webTurns = 3
	// webTurnLimit is how long a turn may take: on a slow machine 256 clients wait a minute for their WordPress pages.
	webTurnLimit = 5 * time.Minute
	// warmClients are as many as wake up all workers.
	warmClients = 16
)

// measureWeb measures all of the web part, in rounds of its own, so that its servers are there no longer than for that.
func (r *runner) measureWeb(ctx context.Context, res *results) error {
	stage, err := r.site.openStage(ctx, r.say)
	if err != nil {
		return err
	}
	defer stage.close()
	for round := range r.plan.rounds {
		for _, p := range pages() {
			if !slices.Contains(r.plan.pages, p.key) {
				continue
			}
			clients := p.clients
			if clients == nil {
				clients = r.plan.webClients
			}
			for _, n := range clients {
				t := webTest{runner: r, stage: stage, page: p, round: round, res: res, cell: res.web(p.test, n), crews: map[string]*crew{}}
				if err := t.run(ctx); err != nil {
					return fmt.Errorf("%s, %d clients: %w", p.test, n, err)
				}
			}
		}
	}
	if !slices.Contains(r.plan.pages, idlePage) {
		return nil
	}
	return r.measureWebIdle(ctx, stage, res)
}

// webTest is a page with a number of clients in one round. The clients keep their connections from turn to turn.
type webTest struct {
	*runner
	stage *webStage
	page  page
	round int
	res   *results
	cell  *cell
	crews map[string]*crew // Of each front.
}

// run has the fronts take turns, each time in another order. Before that, all are used for a moment.
func (t *webTest) run(ctx context.Context) error {
	doors := slices.DeleteFunc(slices.Clone(t.stage.fronts), func(d *door) bool {
		return !t.page.at(d.name) || len(t.plan.doors) > 0 && !slices.Contains(t.plan.doors, d.name)
	})
	for _, d := range doors {
		crew, err := newCrew(d, t.page, t.cell.Clients)
		if err != nil {
			return err
		}
		defer crew.close()
		t.crews[d.name] = crew
	}
	number := webTurns
	if t.page.slow {
		number = 1
	}
	for turn := -1; turn < number; turn++ {
		for i := range doors {
			d := doors[(i+t.round+turn+1)%len(doors)]
			if err := t.turn(ctx, d, turn < 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn is a front's turn.
func (t *webTest) turn(ctx context.Context, d *door, warm bool) error {
	ctx, cancel := context.WithTimeout(ctx, webTurnLimit)
	defer cancel()
	long := t.turnTime() * 2 / 5
	if warm {
		return t.warm(ctx, d)
	}
	if t.page.slow {
		long *= 3
	}
	before, err := t.clocks(d)
	if err != nil {
		return err
	}
	var got served
	if t.page.cut {
		got, err = t.crews[d.name].cut(ctx, long)
	} else {
		got, err = t.crews[d.name].during(ctx, long, t.cell.Clients)
	}
	if err != nil {
		return err
	}
	after, err := t.clocks(d)
	if err != nil {
		return err
	}
	t.note(d, got, after.less(before))
	return nil
}

// warm uses a front for a moment; scripts that are slow need that only once.
func (t *webTest) warm(ctx context.Context, d *door) error {
	const moment = 100 * time.Millisecond
	var err error
	switch {
	case t.page.slow && t.round > 0:
	case t.page.slow:
		_, err = t.crews[d.name].during(ctx, moment, min(warmClients, t.cell.Clients))
	case t.page.cut:
		_, err = t.crews[d.name].cut(ctx, moment)
	default:
		_, err = t.crews[d.name].during(ctx, moment, t.cell.Clients)
	}
	return err
}

// webUsed is CPU time that was used by whom.
type webUsed struct {
	front, php, nodes, client time.Duration
	busy, whole               time.Duration // Of the CPUs, whoever uses them.
}

func (t *webTest) clocks(d *door) (webUsed, error) {
	var u webUsed
	var err error
	if u.front, err = familyTime(d.pid()); err != nil {
		return u, err
	}
	if u.php, err = t.stage.phpTime(); err != nil {
		return u, err
	}
	for _, n := range t.site.lab.Nodes() {
		node, err := cpuTime(n.PID())
		if err != nil {
			return u, err
		}
		u.nodes += node
	}
	if u.client, err = cpuTime(os.Getpid()); err != nil {
		return u, err
	}
	u.busy, u.whole, err = t.plan.pin.busy()
	return u, err
}

func (u webUsed) less(v webUsed) webUsed {
	return webUsed{front: u.front - v.front, php: u.php - v.php, nodes: u.nodes - v.nodes, client: u.client - v.client, busy: u.busy - v.busy, whole: u.whole - v.whole}
}

func (u webUsed) all() time.Duration { return u.front + u.php + u.nodes + u.client }

// note writes down what a turn gave.
func (t *webTest) note(d *door, got served, used webUsed) {
	c, n, each := t.cell, float64(len(got.waits)), "request"
	if t.page.cut {
		n, each = float64(got.bytes)/1e6, "MB"
		c.figure(megabytes).add(d.name, n/got.took.Seconds())
	} else {
		slices.Sort(got.waits)
		c.figure(requestsPerSecond).add(d.name, n/got.took.Seconds())
		c.figure("p50, ms").add(d.name, percentile(got.waits, 0.5))
		c.figure(webP99).add(d.name, percentile(got.waits, 0.99))
	}
	c.figure("CPU of the front, µs per "+each).add(d.name, float64(used.front)/1e3/n)
	if t.page.size == 0 {
		c.figure("CPU of PHP, µs per "+each).add(d.name, float64(used.php)/1e3/n)
	}
	c.figure("CPU of all, µs per "+each).add(d.name, float64(used.all())/1e3/n)
	c.figure("errors").add(d.name, float64(got.errors))
	t.res.others = append(t.res.others, max(0, float64(used.busy-used.all())/float64(used.whole)))
	note := ""
	if got.first != nil {
		note = fmt.Sprintf("; %d errors: %v", got.errors, got.first)
	}
	t.say("%-50s %4d  %-12s %8.0f %s/s  p99 %7.2f ms  CPU each: front %6.1f, PHP %6.1f, client %5.1f µs%s", c.Test, c.Clients, d.name, n/got.took.Seconds(), each,
		percentile(got.waits, 0.99), float64(used.front)/1e3/n, float64(used.php)/1e3/n, float64(used.client)/1e3/n, note)
}
