package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one mistake (or one warning) at one place. Secrets are masked in every field.
type Problem struct {
	// Source is the file, the variable (GALLEY_…) or the flag (--…); empty where a value was found nowhere.
	Source string
	// Line and Column count from 1; they are 0 where the source has no lines.
	Line, Column int
	// Path is the setting, for example cluster.nodes[1]; empty for mistakes of the text itself.
	Path string
	// What is wrong, and Remedy what to do: sentences for an operator.
	What, Remedy string
	// Snippet is the line and a caret beneath; empty where showing it could show a secret.
	Snippet string
}

// String is the problem on one line, without the snippet.
func (p Problem) String() string {
	var b strings.Builder
	if p.Source != "" {
		b.WriteString(p.Source)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What + ".")
	if p.Remedy != "" {
		b.WriteString(" " + p.Remedy)
	}
	return b.String()
}

// Problems are all mistakes of one configuration, sorted by place. It is the error that Load returns.
type Problems []Problem

// Error shows each problem with its snippet.
func (ps Problems) Error() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.String()
		if p.Snippet != "" {
			parts[i] += "\n" + p.Snippet
		}
	}
	return strings.Join(parts, "\n")
}

// mistake is what a parser says of a text. In what, {} stands for the text itself, quoted; the report decides whether it may be shown.
// The remedy never holds words of the operator's text, only numbers and addresses made from it.
type mistake struct {
	echo   string
	what   string
	remedy string
}

// place is where something stands. The zero place is nowhere.
type place struct {
	doc       *document
	line, col int
	// width is the number of characters to underline, 0 for one.
	width int
}

// report collects what is found and puts it into words at the end, when all secrets are known.
type report struct {
	found    []finding
	warnings []finding
	secrets  secretWords
}

type finding struct {
	at   place
	path string
	mistake
	// bare says that a line without keys holds values of this path only, which may be shown.
	bare bool
}

func (r *report) add(at place, path string, m *mistake) {
	r.found = append(r.found, finding{at: at, path: path, mistake: *m})
}

// addBare is add for an item of a list that holds no secrets.
func (r *report) addBare(at place, path string, m *mistake) {
	r.found = append(r.found, finding{at: at, path: path, mistake: *m, bare: true})
}

func (r *report) warn(at place, path string, m *mistake) {
	r.warnings = append(r.warnings, finding{at: at, path: path, mistake: *m})
}

// problems puts findings into words, sorted by place and without repetitions.
func (r *report) problems(found []finding) Problems {
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.at.rank(), b.at.rank()), cmp.Compare(a.at.name(), b.at.name()),
			cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col))
	})
	var out Problems
	for _, f := range found {
		p := r.problem(f)
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (r *report) problem(f finding) Problem {
	p := Problem{Source: f.at.name(), Line: f.at.line, Column: f.at.col, Path: f.path, Remedy: f.remedy}
	p.What = strings.ReplaceAll(f.what, "{}", r.quote(f.echo))
	if f.at.doc != nil && f.at.line > 0 {
		snippet := f.at.doc.snippet(f.at, f.bare)
		if !r.secrets.inside(snippet) {
			p.Snippet = snippet
		}
	}
	return p
}

// maxEcho is how much of a wrong value a message repeats.
const maxEcho = 60

// quote shows a text in a message, or the mask.
func (r *report) quote(text string) string {
	if r.secrets.hides(text) {
		return secretMask
	}
	if runes := []rune(text); len(runes) > maxEcho {
		text = string(runes[:maxEcho]) + "…"
	}
	return strconv.Quote(text)
}

// rank orders sources: the file, variables, flags, nowhere.
func (p place) rank() int {
	name := p.name()
	switch {
	case name == "":
		return 3
	case strings.HasPrefix(name, "--"):
		return 2
	case strings.HasPrefix(name, envPrefix):
		return 1
	}
	return 0
}

func (p place) name() string {
	if p.doc == nil {
		return ""
	}
	return p.doc.name
}
