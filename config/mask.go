package config

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Nothing that may be a secret is ever shown, and what may be one is decided on the text, not on the parsed tree: mistakes in the text are the very
// moment at which the tree is wrong or missing. A misspelt key, a password with a comma in braces, a colon forgotten: all of these move a secret to
// where the tree shows no secret.

const (
	smellPattern = `(?i)[\w-]*(?:pass|pwd|token|secret|credential)[\w-]*`
	// keyPattern finds a word that is a key: before a colon and a space, a quote and a colon, or an equals sign of another format.
	keyPattern = `([^\s:,\[\]{}"'#=-][^\s:,\[\]{}"'#=]*)(?:["']?[ \t]*:(?:[ \t]|$)|["'][ \t]*:|[ \t]*=)|():(?:[ \t]|$)`
	// gluedPattern finds a key without a space behind its colon, which the library takes for one in braces.
	gluedPattern = `[{,][ \t]*([A-Za-z_][^\s:,\[\]{}"'#=]*):`
)

// secretWords are texts that are not shown in messages, wherever they turn up.
type secretWords struct {
	whole map[string]bool
	parts []string
}

// shortestPart is the length from which a secret also hides texts that merely contain it; shorter ones would hide half of the messages.
const shortestPart = 4

// learn remembers a secret.
func (s *secretWords) learn(text string) {
	if text == "" || s.whole[text] {
		return
	}
	if s.whole == nil {
		s.whole = map[string]bool{}
	}
	s.whole[text] = true
	if utf8.RuneCountInString(text) >= shortestPart {
		s.parts = append(s.parts, text)
	}
}

// learnValue remembers all texts of a value, keys included: a password in braces is a key to YAML.
func (s *secretWords) learnValue(v value, known map[string]keyKind) {
	s.learnPieces(v.text, known)
	for _, item := range v.items {
		s.learnValue(item, known)
	}
	for _, f := range v.fields {
		s.learnPieces(f.key, known)
		s.learnValue(f.value, known)
	}
}

// learnPieces remembers each word of a text that may hold a secret, but for words that are keys.
func (s *secretWords) learnPieces(text string, known map[string]keyKind) {
	s.learn(strings.TrimSpace(text))
	for piece := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t,:{}[]\"'=|>&*!\\", r) }) {
		if known[piece] == keyUnknown {
			s.learn(piece)
		}
	}
}

// learnText remembers what stands in one text behind a word that smells of secrets: "password: x" in quotes, or as the second line of another value.
func (s *secretWords) learnText(text string, m *masker) {
	at := m.smell.FindStringIndex(text)
	if at == nil {
		return
	}
	if rest := text[at[1]:]; rest != "" && strings.ContainsRune(" \t\n:=\"'", rune(rest[0])) {
		s.learnPieces(rest, m.known)
	}
}

// hides reports whether a text of the operator is or holds a secret.
func (s *secretWords) hides(text string) bool {
	return s.whole[text] || s.inside(text)
}

func (s *secretWords) inside(text string) bool {
	for _, part := range s.parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// keyKind says what may be shown behind a key.
type keyKind int

const (
	keyUnknown keyKind = iota // nothing: it may be a misspelt password
	keySecret                 // nothing
	keyPath                   // a path only: it may be the secret itself by mistake
	keyOpen                   // its value
	keySection                // keys in braces
)

// masker shows lines without what may be secret.
type masker struct {
	known map[string]keyKind
	smell *regexp.Regexp
	key   *regexp.Regexp
	glued *regexp.Regexp
	// assign is what stands between a smelling word and its value.
	assign *regexp.Regexp
	// next finds the next known key after a comma: there a value in braces surely ends.
	next *regexp.Regexp
}

func newMasker(known map[string]keyKind) *masker {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, regexp.QuoteMeta(name))
	}
	return &masker{
		known:  known,
		smell:  regexp.MustCompile(smellPattern),
		glued:  regexp.MustCompile(gluedPattern),
		assign: regexp.MustCompile(`^["']?[ \t]*[:=]?[ \t]*`),
		key:    regexp.MustCompile(keyPattern),
		next:   regexp.MustCompile(`,[ \t]*["']?(?:` + strings.Join(names, "|") + `)["']?[ \t]*:[ \t]`),
	}
}

// found is a key on a line: its text ends at end, its value may begin at value.
type found struct {
	start, end, value int
	word              string
	kind              keyKind
}

// find returns the first key, or word that smells of a secret, in line from from on.
func (m *masker) find(line string, from int) (f found, ok bool) {
	f.start = len(line) + 1
	if at := m.key.FindStringSubmatchIndex(line[from:]); at != nil {
		start, end := at[2], at[3]
		if start < 0 { // A colon with no key before it.
			start, end = at[4], at[5]
		}
		f = found{start: from + start, end: from + end, value: from + at[1], word: line[from+start : from+end]}
		if f.kind, ok = m.known[f.word], true; strings.HasPrefix(f.word, "x-") {
			f.kind = keySection
		}
	}
	// The separator before a glued key may be the end of the last find.
	before := max(0, from-1)
	if at := m.glued.FindStringSubmatchIndex(line[before:]); at != nil && before+at[2] >= from && before+at[2] < f.start && !inList(line[:before+at[2]]) {
		f = found{start: before + at[2], end: before + at[3], value: before + at[1], word: line[before+at[2] : before+at[3]]}
		f.kind, ok = m.known[f.word], true
	}
	for _, at := range m.smell.FindAllStringIndex(line[from:], -1) {
		start, end := from+at[0], from+at[1]
		word := line[start:end]
		switch {
		case ok && start >= f.end, m.known[word] == keyPath && start == f.start:
			return f, ok
		case m.known[word] == keyPath:
			continue
		case ok:
			start = min(start, f.start) // The key smells somewhere in its middle.
		}
		return found{start: start, end: end, value: end + len(m.assign.FindString(line[end:])), word: word, kind: keySecret}, true
	}
	return f, ok
}

// inList reports whether the innermost bracket that a line leaves open is that of a list.
func inList(line string) bool {
	var open []rune
	for _, r := range line {
		switch r {
		case '[', '{':
			open = append(open, r)
		case ']', '}':
			open = open[:max(0, len(open)-1)]
		}
	}
	return len(open) > 0 && open[len(open)-1] == '['
}

// visible reports whether the value that begins at text may be shown.
func (f found) visible(text string) bool {
	text = strings.TrimLeft(text, " \t")
	switch f.kind {
	case keyOpen:
		return true
	case keyPath:
		text = strings.TrimLeft(text, `"'`)
		return text == "" || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../")
	case keySection:
		return text == "" || strings.ContainsRune("{[&*", rune(text[0]))
	case keyUnknown, keySecret:
	}
	return text == ""
}

// span is a half-open range of bytes of a line that is not shown, and what stands in its place.
type span struct {
	from, to int
	label    string
}

// notShown stands for what is most likely no secret, but might be one.
const notShown = "[not shown]"

// rest is where to look for the next key behind f. A path that is shown may smell of secrets: /run/secrets/monitor.
func (m *masker) rest(f found, line string) int {
	if f.kind != keyPath || !f.visible(line[f.value:]) {
		return f.value
	}
	value := strings.TrimLeft(line[f.value:], " \t\"'")
	if end := strings.IndexAny(value, " \t,}]\"'"); end >= 0 {
		value = value[end:]
	} else {
		value = ""
	}
	return len(line) - len(value)
}

// spans returns what to hide of a line. bare allows what stands before the first key; parsed says that the whole text was sound YAML, without
// which the end of a value is unknowable.
func (m *masker) spans(line string, bare, parsed bool) []span {
	var hidden []span
	at := 0
	for first := true; at <= len(line); first = false {
		f, ok := m.find(line, at)
		if first && !bare {
			until := len(line)
			if ok {
				until = f.start
			}
			lead := len(line) - len(strings.TrimLeft(line, " \t-{[\"'?"))
			if lead < until && m.known[firstWord(line[lead:])] != keyOpen {
				hidden = append(hidden, span{lead, until, notShown})
			}
		}
		if !ok {
			break
		}
		at = m.rest(f, line)
		if f.visible(line[f.value:]) {
			continue
		}
		at = m.valueEnd(line, f.value, parsed)
		label := notShown
		if f.kind == keySecret {
			label = secretMask
		}
		hidden = append(hidden, span{f.value, at, label})
		if at == len(line) {
			break
		}
	}
	return hidden
}

// firstWord is what may be a key whose colon was forgotten.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// valueEnd returns where a hidden value that begins at from surely has ended.
func (m *masker) valueEnd(line string, from int, parsed bool) int {
	if !parsed {
		return len(line)
	}
	from += len(line[from:]) - len(strings.TrimLeft(line[from:], " \t"))
	if from < len(line) && (line[from] == '"' || line[from] == '\'') {
		end := quoteEnd(line[from:])
		if end < 0 {
			return len(line)
		}
		from += end
	}
	if at := m.next.FindStringIndex(line[from:]); at != nil {
		return from + at[0]
	}
	return len(line)
}

// quoteEnd returns the length of the quoted text at the beginning of s, or -1 if the quote is not closed in it.
func quoteEnd(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return -1
}
