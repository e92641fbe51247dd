package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, progress io.Writer) int {
	p, err := parsePlan(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintln(progress, "bench:", err)
		return 2
	}
	r := &runner{plan: p, progress: progress, began: time.Now()}
	res, err := r.run(ctx)
	if err == nil && res != nil {
		var text strings.Builder
		res.text(&text)
		_, err = io.WriteString(out, text.String())
		err = errors.Join(err, res.save(p))
	}
	if err != nil {
		_, _ = fmt.Fprintln(progress, "bench:", err)
		return 1
	}
	return 0
}

// runner has what all measurements share.
type runner struct {
	plan  plan
	site  *site
	began time.Time

	mu       sync.Mutex
	progress io.Writer
}

func (r *runner) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.progress, "%6.1f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// run measures all that is planned. There are no results where only the doors were to be held open.
func (r *runner) run(ctx context.Context) (*results, error) {
	load := loadAverage()
	files, err := raiseOpenFiles(uint64(r.plan.idle + 4096))
	if err != nil {
		return nil, fmt.Errorf("raise the number of open files: %w", err)
	}
	// HAProxy has two for each of its clients, of whom there are half as many.
	if enough := int(files) - 2000; r.plan.has(partIdle) && enough < r.plan.idle {
		return nil, fmt.Errorf("%d open files are allowed, too few for %d idle connections: raise ulimit -Hn, or say -idle %d", files, r.plan.idle, max(1, enough))
	}
	if err := r.plan.pin.everything(); err != nil {
		return nil, err
	}
	if r.site, err = openSite(ctx, r.plan, r.say); err != nil {
		return nil, err
	}
	defer r.site.close()
	if r.plan.hold {
		return nil, r.hold(ctx)
	}
	res := &results{}
	if res.Machine, err = r.describe(ctx, load); err != nil {
		return nil, err
	}
	if err := r.measure(ctx, res); err != nil {
		return nil, err
	}
	res.finish()
	return res, nil
}

func (r *runner) measure(ctx context.Context, res *results) error {
	parts := []struct {
		name string
		do   func(context.Context, int, *results) error
	}{
		{partPHP, r.measurePHP},
		{partSharing, r.measureSharing},
		{partLevels, r.measureConsistency},
		{partCrowd, r.measureCrowd},
		{partSysbench, r.measureSysbench},
		{partLarge, r.measureLarge},
	}
	for round := range r.plan.rounds {
		for _, part := range parts {
			if !r.plan.has(part.name) {
				continue
			}
			if err := part.do(ctx, round, res); err != nil {
				return err
			}
		}
	}
	if r.plan.has(partIdle) {
		if err := r.measureIdle(ctx, res); err != nil {
			return err
		}
	}
	if r.plan.has(partWeb) {
		return r.measureWeb(ctx, res)
	}
	return nil
}

// hold prints how to reach everything and waits.
func (r *runner) hold(ctx context.Context) error {
	app, root := r.site.lab.App(), r.site.lab.Root()
	r.say("nodes %s", strings.Join(r.site.lab.Addrs(), " "))
	for _, d := range r.site.doors {
		r.say("%-18s reads %s  writes %s  pid %d", d.name, d.reads, d.writes, d.pid())
	}
	r.say("accounts: %s %s, %s %s; Ctrl-C ends", app.User, app.Password, root.User, root.Password)
	if r.plan.onlyWeb() {
		stage, err := r.site.openStage(ctx, r.say)
		if err != nil {
			return err
		}
		defer stage.close()
		for _, d := range stage.fronts {
			r.say("%-18s http://%s  pid %d; its configuration is in %s", d.name, d.reads, d.pid(), stage.dir)
		}
		for _, p := range pages() {
			r.say("%-50s Host: %-12s %s", p.test, p.host, p.path)
		}
	}
	<-ctx.Done()
	return nil
}

// save writes the files that the plan names.
func (r *results) save(p plan) error {
	if p.markdown != "" {
		var b strings.Builder
		r.markdown(&b)
		if err := os.WriteFile(p.markdown, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a document
			return err
		}
	}
	if p.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.json, append(text, '\n'), 0o644) //nolint:gosec // a document
}
