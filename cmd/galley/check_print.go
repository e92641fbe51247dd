package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes the report for people.
func (r *report) print(out io.Writer) {
	p := newPrinter(out)
	if len(r.Nodes) > 0 {
		r.printCluster(p)
	}
	if len(r.Backends) > 0 {
		p.line("")
		p.row("POOL", "PHP-FPM", "STATE")
		for _, b := range r.Backends {
			p.row(b.Pool, b.Addr, b.State)
		}
		p.flush()
	}
	p.findings("Warnings", r.Warnings)
	p.findings("Errors", r.Errors)
	p.line("")
	if len(r.Errors) == 0 {
		p.line("Galley can serve this.")
		return
	}
	p.line("%d error%s. Galley would start in spite of that and serve what it can.", len(r.Errors), plural(len(r.Errors)))
}

// printCluster writes what there is to say of the nodes.
func (r *report) printCluster(p *printer) {
	p.line("")
	p.row("NODE", "NAME", "STATE", "ROLE", "VIEW", "QUEUE", "FC LIMIT", "THREADS", "VERSION", "REASON")
	for _, n := range r.Nodes {
		p.row(n.Addr, n.Name, n.State, n.Role, n.View, n.Queue, n.FCLimit, n.Threads, n.Version, n.Reason)
	}
	p.flush()
	p.line("  (queue: received/to send; threads: running/connected/max_connections)")
	p.line("")
	p.row("Writer:", r.Writer)
	p.row("Readers:", r.Readers)
	p.row("Accounts:", r.Accounts)
	p.flush()
	if len(r.Unusable) > 0 {
		p.line("")
		p.line("Accounts that no client can use through galley:")
		for _, a := range r.Unusable {
			p.row("  "+a.Account, a.Why)
		}
		p.flush()
	}
}

// printer writes lines and aligned tables. An error of the output is left to the end of the process: there is nobody to tell.
type printer struct {
	out   io.Writer
	table *tabwriter.Writer
}

func newPrinter(out io.Writer) *printer {
	return &printer{out: out, table: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
}

func (p *printer) line(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func (p *printer) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	_, _ = fmt.Fprintln(p.table, strings.Join(cells, "\t"))
}

func (p *printer) flush() { _ = p.table.Flush() }

func (p *printer) findings(title string, all []finding) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.line("%s:", title)
	for _, f := range all {
		p.line("  - %s", printable(f.Text))
		if f.Do != "" {
			p.line("    %s", printable(f.Do))
		}
	}
}

// printable drops what could move the cursor of a terminal: names and errors come from servers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
