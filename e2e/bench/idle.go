package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const idleTest = "idle connections"

const (
	// settle is how long memory is given to come to rest.
	settle = 3 * time.Second
	// idleTime is how long the CPU time of a proxy with idle clients is counted.
	idleTime = 10 * time.Second
	// writers is the share of the idle clients, one in so many, that have written.
	writers = 10
)

// measureIdle measures what logged-in clients that do nothing cost, with fresh proxies.
func (r *runner) measureIdle(ctx context.Context, res *results) error {
	if err := r.site.exec(ctx, "CREATE OR REPLACE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(20))"); err != nil {
		return err
	}
	hap, err := r.site.startHAProxy(ctx, doorHAProxy, 0)
	if err != nil {
		return err
	}
	defer hap.proxy.stop()
	gal, err := r.site.startGalley(ctx, doorGalley, r.plan.galley, fmt.Sprintf("  max_connections: %d\n", r.plan.idle+1000))
	if err != nil {
		return err
	}
	defer gal.proxy.stop()
	c := res.cell(idleTest, r.plan.idle)
	if err := r.idle(ctx, hap, r.plan.idleBehindHAProxy(), c); err != nil {
		return fmt.Errorf("%s, %s: %w", idleTest, hap.name, err)
	}
	if err := r.idle(ctx, gal, r.plan.idle, c); err != nil {
		return fmt.Errorf("%s, %s: %w", idleTest, gal.name, err)
	}
	return nil
}

// memory is what the processes hold at a moment, in bytes.
type memory struct {
	proxy, nodes int64
}

func (r *runner) memory(ctx context.Context, d *door) (memory, error) {
	if err := pause(ctx, settle); err != nil {
		return memory{}, err
	}
	var m memory
	var err error
	if m.proxy, err = resident(d.pid()); err != nil {
		return memory{}, err
	}
	for _, n := range r.site.lab.Nodes() {
		size, err := resident(n.PID())
		if err != nil {
			return memory{}, err
		}
		m.nodes += size
	}
	return m, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idleSteps are what each client has run before it does nothing.
func idleSteps() []step {
	return []step{
		query("SET NAMES utf8mb4"),
		queryByKey("SELECT c FROM pages WHERE id = "),
		{packet: func(out []byte, c *client) []byte {
			if c.number%writers != 0 {
				return out
			}
			return appendCommand(out, comQuery, "INSERT INTO notes (note) VALUES ('idle')")
		}},
	}
}

func (r *runner) idle(ctx context.Context, d *door, clients int, c *cell) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	h, err := newHerd(r.site, d, clients)
	if err != nil {
		return err
	}
	defer h.close()
	// What the first connections set up is not a price per connection.
	first, err := newHerd(r.site, d, abreast)
	if err != nil {
		return err
	}
	defer first.close()
	if err := first.once(ctx, round{steps: idleSteps(), quit: true}); err != nil {
		return err
	}
	before, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := h.once(ctx, round{}); err != nil {
		return err
	}
	took := time.Since(began)
	connected, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	began = time.Now()
	if err := h.once(ctx, round{steps: idleSteps()}); err != nil {
		return err
	}
	took += time.Since(began)
	asked, err := r.memory(ctx, d)
	if err != nil {
		return err
	}
	per := func(after, before int64) float64 { return float64(after-before) / 1e3 / float64(clients) }
	c.figure(perConnection).add(d.name, per(connected.proxy, before.proxy))
	c.figure("memory of the nodes, KB per connection, after the login").add(d.name, per(connected.nodes, before.nodes))
	c.figure(perConnectionUsed).add(d.name, per(asked.proxy, before.proxy))
	c.figure("memory of the nodes, KB per connection, after statements").add(d.name, per(asked.nodes, before.nodes))
	c.figure("memory of the proxy, MB in all").add(d.name, float64(asked.proxy)/1e6)
	r.say("%d idle connections, %-8s after the login %.1f KB each (nodes %.1f), after statements %.1f KB (nodes %.1f); all that took %.1f s", clients, d.name,
		per(connected.proxy, before.proxy), per(connected.nodes, before.nodes), per(asked.proxy, before.proxy), per(asked.nodes, before.nodes), took.Seconds())
	if d.admin == "" {
		return nil
	}
	if err := r.doingNothing(ctx, d, c); err != nil {
		return err
	}
	conns, err := backendConns(ctx, d.admin)
	c.figure(backendConnsOpen).add(d.name, conns)
	r.say("  %.0f backend conns", conns)
	return err
}

// doingNothing measures what galley does while its clients do nothing.
func (r *runner) doingNothing(ctx context.Context, d *door, c *cell) error {
	before, err := r.ownClocks(d)
	if err != nil {
		return err
	}
	if err := pause(ctx, idleTime); err != nil {
		return err
	}
	after, err := r.ownClocks(d)
	if err != nil {
		return err
	}
	percent := 100 * float64(after.proxy-before.proxy) / float64(after.at.Sub(before.at))
	c.figure(idleCPU).add(d.name, percent)
	r.say("  CPU of the proxy %.2f %% of one", percent)
	return nil
}

var errNoMetric = errors.New("galley's metrics do not tell the backend conns")

// backendConns asks galley how many it has, to all nodes.
func backendConns(ctx context.Context, admin string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return sumOfMetric(string(text), "galley_mysql_backend_conns")
}

// sumOfMetric adds up a metric over its labels, in Prometheus' text format.
func sumOfMetric(text, name string) (float64, error) {
	var sum float64
	found := false
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+"{"); ok {
			_, value, _ := strings.Cut(rest, "} ")
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0, fmt.Errorf("metric %s: %w", name, err)
			}
			sum += v
			found = true
		}
	}
	if !found {
		return 0, errNoMetric
	}
	return sum, nil
}
