package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"galley/cluster"
	"galley/cmd/galley/demo"
)

const (
	statusEvery    = 5 * time.Second // Where lines pile up.
	statusEveryTTY = time.Second     // Where one line is written over and over.
)

// screen writes lines and, on a terminal, a last line that is renewed in place. It may be used from any goroutine.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	tty   bool
	shown bool // The renewed line stands there.
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		st, err := f.Stat()
		s.tty = err == nil && st.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// line writes a line that stays.
func (s *screen) line(format string, args ...any) {
	_, _ = s.Write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// Write writes text that stays; it is whole lines.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		_, _ = io.WriteString(s.out, "\r\x1b[K")
		s.shown = false
	}
	return s.out.Write(text)
}

// status shows how it goes now.
func (s *screen) status(text string) {
	if !s.tty {
		s.line("%s", text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.out, "\r\x1b[K"+text)
	s.shown = true
}

// every is the time between two statuses.
func (s *screen) every() time.Duration {
	if s.tty {
		return statusEveryTTY
	}
	return statusEvery
}

func clock(t time.Time) string { return t.Format("15:04:05") }

// watch shows a status every few seconds, and what happens in the cluster when it happens.
func (d *theDemo) watch(ctx context.Context) {
	status := time.NewTicker(d.screen.every())
	defer status.Stop()
	news := time.NewTicker(200 * time.Millisecond)
	defer news.Stop()
	seen := time.Now()
	before, at := d.workload.All(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-news.C:
			last := seen // All events of one view have the same time.
			for _, e := range d.galley.monitor.Events() {
				if !e.At.After(last) {
					continue
				}
				seen = e.At
				d.screen.line("%s     %s %s", clock(e.At), d.nodeName(e.Addr), d.named(eventText(&e)))
			}
		case <-status.C:
			now := d.workload.All()
			d.screen.status(d.statusLine(&before, &now, time.Since(at)))
			before, at = now, time.Now()
		}
	}
}

// nodeName is the name of the node at an address, or else the cluster.
func (d *theDemo) nodeName(addr string) string {
	for _, n := range d.lab.Nodes() {
		if n.Addr() == addr {
			return n.Name()
		}
	}
	if addr == "" {
		return "cluster:"
	}
	return addr
}

// named puts names in place of addresses.
func (d *theDemo) named(text string) string {
	for _, n := range d.lab.Nodes() {
		text = strings.ReplaceAll(text, n.Addr(), n.Name())
	}
	return printable(text)
}

func (d *theDemo) statusLine(before, now *demo.Noticed, span time.Duration) string {
	v := d.galley.monitor.View()
	writer, usable := "none", 0
	if w := v.WriterNode(); w != nil {
		writer = d.nodeName(w.Addr)
	}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.ReadGrade != cluster.Never || n.WriteGrade != cluster.Never {
			usable++
		}
	}
	rate := func(now, before int) float64 { return float64(now-before) / span.Seconds() }
	return fmt.Sprintf("%s  nodes %d/%d  writer %s  reads %.0f/s  writes %.0f/s  errors %d", clock(time.Now()), usable, len(v.Nodes), writer,
		rate(now.Reads, before.Reads), rate(now.Writes, before.Writes), now.Count())
}

// account prints what the clients noticed, and compares what they were told with what is in the tables.
func (d *theDemo) account(ctx context.Context, acts []demo.Act) error {
	// What was begun may be finished although the demo ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	all := d.workload.All()
	p := newPrinter(d.screen)
	p.line("")
	p.line("What %d clients noticed:", d.workload.Clients())
	p.row("EVENT", "READS", "WRITES", "ERRORS", "LONGEST PAUSE OF A READER", "OF A WRITER", "KINDS OF ERRORS")
	row := func(event string, n *demo.Noticed) {
		p.row(event, fmt.Sprint(n.Reads), fmt.Sprint(n.Writes), fmt.Sprint(n.Count()), seconds(n.ReadPause), seconds(n.WritePause), n.Kinds())
	}
	for i := range acts {
		row(acts[i].Event, &acts[i].Noticed)
	}
	row("all the time", &all)
	p.flush()
	v, err := d.workload.Verify(ctx)
	if err != nil {
		return err
	}
	p.line("")
	p.line("%d writes were acknowledged, %d had their answer lost, %d are in the tables.", v.Acknowledged, v.Unknown, v.Found)
	if len(v.Wrong) > 0 {
		return fmt.Errorf("the tables are not what the clients were told: %s", strings.Join(v.Wrong, "; "))
	}
	if d.shop != nil {
		if err := d.shop.account(ctx, p, acts); err != nil {
			return err
		}
	}
	p.line("Nothing that was acknowledged is lost, and nothing was run twice.")
	p.line("")
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
