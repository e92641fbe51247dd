package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// document is a text that problems point into: the file, or the value of a variable or flag.
type document struct {
	name string
	// base is the directory that relative paths in it start from.
	base  string
	lines []string
	// hidden lines continue a value of an earlier line that may be a secret.
	hidden []bool
	masker *masker
	// parsed says that the text was sound YAML.
	parsed bool
}

// newDocument prepares a text; line ends of all systems are made \n.
func newDocument(name, base, text string, m *masker) (doc *document, normal string) {
	normal = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\ufeff"))
	doc = &document{name: name, base: base, lines: strings.Split(normal, "\n"), masker: m}
	doc.hide()
	return doc, normal
}

// hide marks the lines that continue a hidden value: deeper ones, all up to the quote that closes it, and the first one behind a key without a value.
func (d *document) hide() {
	d.hidden = make([]bool, len(d.lines))
	var before opening
	before.depth = -1
	for n, line := range d.lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		empty := indent == len(line)
		switch {
		case before.quote != 0:
			d.hidden[n] = true
			if strings.IndexByte(line, before.quote) >= 0 {
				before = opening{depth: -1}
			}
			continue
		case before.depth >= 0 && (indent > before.depth || empty):
			d.hidden[n] = true
		case before.empty && !empty && !d.known(line):
			d.hidden[n] = true
			before.empty = false
		default:
			before = d.opened(line, indent)
		}
	}
}

// known reports whether a line begins with a key of galley's.
func (d *document) known(line string) bool {
	f, ok := d.masker.find(line, 0)
	return ok && d.masker.known[f.word] != keyUnknown && strings.Trim(line[:f.start], " \t-{\"'") == ""
}

// opening is what a line leaves open of a hidden value.
type opening struct {
	// depth is the indent beyond which lines continue the value, -1 for none.
	depth int
	// quote is the quote that the value leaves open, 0 for none.
	quote byte
	// empty says that the value did not even begin.
	empty bool
}

// opened returns what a line leaves open.
func (d *document) opened(line string, indent int) opening {
	o := opening{depth: -1}
	for at := 0; at <= len(line); {
		f, ok := d.masker.find(line, at)
		if !ok {
			break
		}
		at = d.masker.rest(f, line)
		o.empty = false
		if f.kind != keyUnknown && f.kind != keySecret {
			continue
		}
		if o.depth = f.start; strings.ContainsAny(line[:f.start], "{[") {
			o.depth = indent
		}
		value := strings.TrimLeft(line[f.value:], " \t")
		o.empty = value == "" && f.kind == keySecret
		if value != "" && (value[0] == '"' || value[0] == '\'') && quoteEnd(value) < 0 {
			o.quote = value[0]
			break
		}
	}
	return o
}

// learn gives to words what stands behind words that smell of secrets. Behind a sound key of a
// parsed text that is the first word only: the tree knows more.
func (d *document) learn(words *secretWords) {
	for n, line := range d.lines {
		if d.hidden[n] && (!d.parsed || !d.known(line)) {
			words.learnPieces(line, d.masker.known)
			continue
		}
		for at := 0; at <= len(line); {
			f, ok := d.masker.find(line, at)
			if !ok {
				break
			}
			at = d.masker.rest(f, line)
			if f.kind != keySecret {
				continue
			}
			value, separator := line[f.value:], line[f.end:f.value]
			if d.parsed && (strings.HasSuffix(separator, ": ") || strings.HasSuffix(separator, ":") && value == "") {
				value = firstWord(value)
			}
			words.learnPieces(value, d.masker.known)
		}
	}
}

// widest is how much of a long line a snippet shows.
const widest = 100

// snippet shows the line at p with a caret beneath, secrets masked; "" if the line is not to be shown.
func (d *document) snippet(p place, bare bool) string {
	if p.line < 1 || p.line > len(d.lines) || d.hidden[p.line-1] {
		return ""
	}
	text, column, free := d.mask(p, bare)
	if strings.Trim(strings.NewReplacer(secretMask, "", notShown, "").Replace(text), " -[{?") == "" {
		return "" // The place alone says as much.
	}
	runes := []rune(text)
	width := 1
	if free {
		width = max(1, min(p.width, len(runes)-column))
	}
	if len(runes) > widest {
		from := max(0, min(column-widest/2, len(runes)-widest))
		runes = runes[from:min(len(runes), from+widest)]
		column -= from
		width = min(width, max(1, len(runes)-column))
	}
	gutter := fmt.Sprintf("%4d | ", p.line)
	return gutter + string(runes) + "\n" + strings.Repeat(" ", len(gutter)-2) + "| " + strings.Repeat(" ", column) + "^" + strings.Repeat("~", width-1)
}

// mask returns the line as it may be shown, the column (from 0) of p in it, and whether the text there is shown.
func (d *document) mask(p place, bare bool) (text string, column int, free bool) {
	line := cutComment(d.lines[p.line-1])
	hidden := d.masker.spans(line, bare, d.parsed)
	var b strings.Builder
	column, free = -1, true
	shown, original := 0, 0
	for i, r := range line {
		h, inside := within(hidden, i)
		if original == p.col-1 {
			column, free = shown, !inside
			if inside && h.from < i {
				column = max(0, shown-len(h.label))
			}
		}
		original++
		switch {
		case inside && h.from == i:
			b.WriteString(h.label)
			shown += len(h.label)
		case !inside:
			b.WriteRune(printable(r))
			shown++
		}
	}
	if column < 0 {
		column, free = shown, false
	}
	return strings.TrimRight(b.String(), " "), column, free
}

// within returns the hidden span that byte i is in.
func within(hidden []span, i int) (span, bool) {
	for _, s := range hidden {
		if i >= s.from && i < s.to {
			return s, true
		}
	}
	return span{}, false
}

// cutComment takes a comment off a line: it may hold what was a value yesterday.
func cutComment(line string) string {
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
		return ""
	}
	before, _, _ := strings.Cut(line, " #")
	return before
}

// printable replaces what would not show in a terminal, tabs foremost.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return '→'
	case r == utf8.RuneError || !unicode.IsPrint(r):
		return '·'
	}
	return r
}
