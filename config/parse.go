package config

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxText bounds a configuration text; real ones have a few kilobytes.
const maxText = 1 << 20

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func lineOf(p place) string { return "on line " + strconv.Itoa(p.line) }

// parse reads a YAML text into one value; ok is false if its problems leave nothing to go on with.
func parse(doc *document, text string, r *report) (v value, ok bool) {
	start := place{doc: doc, line: 1, col: 1}
	if m, at := unreadable(doc, text); m != nil {
		r.add(at, "", m)
		return value{}, false
	}
	file, problem := parseYAML(text)
	doc.parsed = problem == nil
	doc.learn(&r.secrets)
	if problem != nil {
		syntax(doc, text, problem, r)
		return value{}, false
	}
	t := &tree{doc: doc, report: r, anchors: map[string]value{}}
	bodies := 0
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if _, directive := d.Body.(*ast.DirectiveNode); directive {
			continue
		}
		if bodies++; bodies > 1 {
			at := start
			if d.Start != nil {
				at = t.place(d.Start)
			}
			r.add(at, "", &mistake{what: "a second YAML document begins here, and galley reads one", remedy: "Take out the line --- and what does not belong here."})
			return value{}, false
		}
		v = t.node(d.Body, "", start)
	}
	return v, true
}

// unreadable finds texts that are not worth a parser.
func unreadable(doc *document, text string) (*mistake, place) {
	start := place{doc: doc, line: 1, col: 1}
	if len(text) > maxText {
		return &mistake{what: "this is too large for a configuration (more than 1 MiB)", remedy: "Is it the right file?"}, place{doc: doc}
	}
	if strings.ContainsRune(text, 0) {
		return &mistake{what: "this is not a text file, it has zero bytes in it", remedy: "Write the configuration as YAML in UTF-8."}, place{doc: doc}
	}
	for n, line := range doc.lines {
		if utf8.ValidString(line) {
			continue
		}
		col := 1
		for len(line) > 0 {
			r, size := utf8.DecodeRuneInString(line)
			if r == utf8.RuneError && size == 1 {
				break
			}
			col++
			line = line[size:]
		}
		return &mistake{what: "this is not UTF-8 text", remedy: "Save the file as UTF-8."}, place{doc: doc, line: n + 1, col: col}
	}
	if tooDeep(text) {
		return &mistake{what: "this is nested too deeply", remedy: "Is a bracket not closed? No setting is nested more than four levels deep."}, start
	}
	return nil, place{}
}

// tooDeep keeps texts from the recursive parser that would overflow its stack: thousands of brackets, or of dashes on one line.
func tooDeep(text string) bool {
	depth := 0
	for line := range strings.Lines(text) {
		depth += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		depth = max(0, depth)
		dashes := strings.Count(line, "- ") + strings.Count(line, "-\t") + strings.Count(line, "? ") + strings.Count(line, "?\t")
		if max(depth, dashes, strings.Count(line, "["), strings.Count(line, "{")) > deepest*4 {
			return true
		}
	}
	return false
}

// errParserGaveUp stands for a panic inside of the YAML library.
var errParserGaveUp = errors.New("the YAML parser gave up")

// parseYAML calls the library. It has panicked on broken texts before, and a typing mistake at reload must not end a proxy.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errParserGaveUp
		}
	}()
	// Duplicate keys are allowed here so that all of them can be reported, each with the line of the first.
	return parser.Parse(mendColons(lexer.Tokenize(text)), 0, parser.AllowDuplicateMapKey())
}

// mendColons puts together again what the scanner of goccy/go-yaml 1.19 takes apart: the 10.0.0.1:3306 of {nodes: [10.0.0.1:3306]}. In brackets within
// braces it takes every colon as the end of a key, while a colon without a space is part of an unquoted text (YAML 1.2.2, section 7.3.3).
func mendColons(tokens token.Tokens) token.Tokens {
	var mended token.Tokens
	var open []token.Type
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type { //nolint:exhaustive // only brackets and braces nest
		case token.SequenceStartType, token.MappingStartType:
			open = append(open, t.Type)
		case token.SequenceEndType, token.MappingEndType:
			open = open[:max(0, len(open)-1)]
		}
		if len(open) > 0 && open[len(open)-1] == token.SequenceStartType && i+2 < len(tokens) && splitText(t, tokens[i+1], tokens[i+2]) {
			next := tokens[i+2]
			t = token.String(t.Value+":"+next.Value, t.Origin+":"+next.Origin, t.Position)
			i += 2
		}
		mended.Add(t)
	}
	return mended
}

// splitText reports whether three tokens are an unquoted text, a colon and more text, without a space between them.
func splitText(before, colon, after *token.Token) bool {
	plain := func(t *token.Token) bool {
		return t.Type == token.StringType || t.Type == token.IntegerType || t.Type == token.FloatType
	}
	return plain(before) && colon.Type == token.MappingValueType && plain(after) &&
		before.Position.Line == colon.Position.Line && colon.Position.Line == after.Position.Line &&
		before.Position.Column+utf8.RuneCountInString(before.Value) == colon.Position.Column && colon.Position.Column+1 == after.Position.Column
}

// syntax reports why the text is not YAML. The library stops at the first mistake; tabs are worth showing all.
func syntax(doc *document, text string, err error, r *report) {
	if tabs(doc, r) {
		return
	}
	at := place{doc: doc, line: 1, col: 1}
	message := ""
	if problem, ok := errors.AsType[yaml.Error](err); ok {
		message = problem.GetMessage()
		if tok := problem.GetToken(); tok != nil && tok.Position != nil {
			at.line, at.col = min(max(1, tok.Position.Line), len(doc.lines)), max(1, tok.Position.Column)
		}
	}
	at, m := sharpen(doc, at, message)
	if other := otherFormat(text); other != "" {
		m = &mistake{what: "this looks like " + other + ", not like YAML", remedy: "Write sections as \"mysql:\" and beneath them, indented, \"listen: 127.0.0.1:3306\"."}
	}
	r.add(at, "", m)
}

// sharpen finds the words for a message, and where it is too general looks at the line.
func sharpen(doc *document, at place, message string) (place, *mistake) {
	line := []rune(doc.lines[at.line-1])
	if strings.Contains(message, "mapping value is not allowed") {
		return deeper(doc, at, syntaxMistake(message))
	}
	if strings.Contains(message, "value is not allowed") && at.col <= len(line) {
		switch {
		case strings.ContainsRune("]}", line[at.col-1]):
			message = "corresponding to"
		case at.col > 1 && strings.ContainsRune("\"'", line[at.col-2]):
			message = "after quote"
		}
	}
	return at, syntaxMistake(message)
}

// deeper moves a mistake from a value to the line after it, where that line is what the parser stumbled on: it is indented too far.
func deeper(doc *document, at place, m *mistake) (place, *mistake) {
	indent := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	for n := at.line; n < len(doc.lines); n++ {
		line := doc.lines[n]
		if strings.TrimSpace(cutComment(line)) == "" {
			continue
		}
		if indent(line) <= indent(doc.lines[at.line-1]) {
			break
		}
		return place{doc: doc, line: n + 1, col: indent(line) + 1}, &mistake{
			what:   "this line is indented deeper than the one above it, which has a value already",
			remedy: "Indent the keys of a section equally.",
		}
	}
	return at, m
}

// tabs reports lines indented with tabs.
func tabs(doc *document, r *report) bool {
	before := len(r.found)
	for n, line := range doc.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if at := strings.IndexByte(indent, '\t'); at >= 0 && indent != line {
			r.add(place{doc: doc, line: n + 1, col: at + 1}, "", &mistake{what: "this line is indented with a tab, which YAML does not allow", remedy: "Indent with spaces, two a level."})
		}
	}
	return len(r.found) > before
}

// otherFormat guesses what somebody took for a galley configuration.
func otherFormat(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && line[len(line)-1] == ']' && !strings.ContainsAny(line, ",\"' "):
			return "an INI or TOML file"
		case strings.HasPrefix(line, "<"):
			return "HTML or XML"
		case strings.HasPrefix(line, "-----BEGIN"):
			return "a certificate or key"
		}
		break
	}
	return ""
}

// syntaxMistake says in an operator's words what the library says in a parser's. Its words are never passed on: they may quote the text.
func syntaxMistake(message string) *mistake {
	for _, s := range []struct{ part, what, remedy string }{
		{"double-quoted", "the quote \" that opens here is never closed", "Close it; inside of double quotes write \\\" for the quote itself."},
		{"single-quoted", "the quote ' that opens here is never closed", "Close it; inside of single quotes write '' for the quote itself."},
		{"is a reserved character", "a value cannot begin with @ or `", "Put the value in quotes."},
		{"escape character", "there is an unknown escape after \\ in this double-quoted text", "Use single quotes, or write \\\\ for a backslash."},
		{"mapping value is not allowed", "there is a second \": \" on this line", "Put a value that contains \": \" in quotes, and each key on a line of its own."},
		{"sequence end token", "the bracket [ that opens here is never closed", "Close it with ], or put the value in quotes if it is no list."},
		{"flow mapping end token", "the brace { that opens here is never closed", "Close it with }, or put the value in quotes if it is no section."},
		{"',' or ']'", "a comma or the bracket ] is missing here", "Write [a, b]; put items that contain brackets, commas or \": \" in quotes."},
		{"',' or '}'", "a comma or the brace } is missing here", "Write {key: value, key: value}; put values that contain braces, commas or \": \" in quotes."},
		{"could not find flow map content", "a key is missing here", "Write {key: value, key: value}."},
		{"corresponding to", "this bracket or brace closes one that was never opened", "Take it out, or put the value in quotes."},
		{"header option", "a value cannot begin with | or > on its own line", "Put the value in quotes."},
		{"after quote", "there is text behind the closing quote", "Put the whole value in quotes, inner single quotes doubled: 'it''s'."},
		{"directive", "a line or value cannot begin with %", "Put the value in quotes."},
		{"anchor", "& marks a value for later use, and no such mark can stand here", "If the value itself begins with &, put it in quotes."},
		{"alias", "* stands for an earlier value marked with &, and no such thing can stand here", "If the value itself begins with *, put it in quotes."},
		{"tag", "a value that begins with ! is a YAML tag, and this one is malformed", "Put the value in quotes."},
		{"block sequence entries", "a list item cannot stand here", "Begin each item on a line of its own: \"- item\", or write [a, b]."},
		{"non-map value", "this line is not a key with a value", "Write \"key: value\", with a colon and a space."},
		{"value is not allowed in this context", "this does not fit the lines above it", "Indent the keys of a section equally, and write \"key: value\" with a colon and a space."},
		{"implicit line break", "a key is broken over two lines, or a colon is missing", "Write \"key: value\" on one line."},
		{"expected sequence element", "there is a comma without an item before it", "Write [a, b]."},
		{"document separator", "nothing may stand on the line of ---", "Put it on the next line."},
		{"end content", "nothing may follow ...", "Take out the line with the dots."},
	} {
		if strings.Contains(message, s.part) {
			return &mistake{what: s.what, remedy: s.remedy}
		}
	}
	return &mistake{what: "this is not valid YAML", remedy: "Look at indentation, colons and quotes here and on the line above."}
}
