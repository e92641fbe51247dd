package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// kind is what a value is, before anybody asks what it should be.
type kind int

const (
	kindNull kind = iota
	kindScalar
	kindList
	kindMapping
	kindBroken // a mistake that has been reported already
)

func (k kind) String() string {
	switch k {
	case kindScalar:
		return "a single value"
	case kindList:
		return "a list"
	case kindMapping:
		return "a section"
	case kindNull, kindBroken:
	}
	return "nothing"
}

// value is a piece of configuration and its place: the common form of file, variables and flags. Anchors, aliases and merges are resolved in it.
type value struct {
	kind   kind
	text   string // of a scalar, as written, without quotes
	at     place
	items  []value // of a list
	fields []field // of a mapping, keys unique
}

type field struct {
	key string
	// bare keys stand in braces without a colon.
	bare  bool
	at    place
	value value
}

func (v value) field(key string) (field, bool) {
	for _, f := range v.fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// tree builds values from the parser's tree.
type tree struct {
	doc     *document
	report  *report
	anchors map[string]value
	depth   int
}

// deepest is more than any configuration needs and little enough for every recursion.
const deepest = 50

// place is where a token begins. The scanner of goccy/go-yaml counts spaces behind an unquoted text in its column, so the text is looked for.
func (t *tree) place(tok *token.Token) place {
	p := place{doc: t.doc, line: tok.Position.Line, col: max(1, tok.Position.Column)}
	text := []rune(strings.Trim(tok.Origin, " \n"))
	if p.line < 1 || p.line > len(t.doc.lines) || len(text) == 0 {
		return p
	}
	line := []rune(t.doc.lines[p.line-1])
	for at := min(p.col-1, len(line)-len(text)); at >= 0; at-- {
		if slices.Equal(line[at:at+len(text)], text) {
			p.col, p.width = at+1, len(text)
			break
		}
	}
	return p
}

// node converts one node; path is for messages, near the place of the key for values that have no text.
func (t *tree) node(n ast.Node, path string, near place) value {
	if n == nil || n.GetToken() == nil {
		return value{at: near}
	}
	at := t.place(n.GetToken())
	t.depth++
	defer func() { t.depth-- }()
	if t.depth > deepest {
		t.report.add(at, "", &mistake{what: "this is nested too deeply", remedy: "No setting is nested more than four levels deep."})
		return value{kind: kindBroken, at: at}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return value{at: near}
	case *ast.MappingNode, *ast.MappingValueNode:
		return t.mapping(n, path)
	case *ast.SequenceNode:
		list := value{kind: kindList, at: t.place(n.Start)}
		for i, item := range n.Values {
			list.items = append(list.items, t.node(item, itemPath(path, i), list.at))
		}
		return list
	case *ast.LiteralNode:
		return t.scalar(strings.TrimSuffix(n.Value.Value, "\n"), at)
	case *ast.StringNode:
		return t.scalar(n.Value, at)
	case *ast.AnchorNode:
		v := t.node(n.Value, path, near)
		t.anchors[tokenText(n.Name)] = v
		return v
	case *ast.AliasNode:
		v, ok := t.anchors[tokenText(n.Value)]
		if !ok {
			t.report.add(at, path, &mistake{what: "* stands for an earlier value marked with &, and there is none of this name", remedy: "If the value itself begins with *, put it in quotes."})
			return value{kind: kindBroken, at: at}
		}
		return v
	case *ast.TagNode:
		if !strings.HasPrefix(n.Start.Value, "!!") {
			t.report.add(at, path, &mistake{what: "a value that begins with ! is a YAML tag, and galley knows none", remedy: "If the value itself begins with !, put it in quotes."})
			return value{kind: kindBroken, at: at}
		}
		return t.node(n.Value, path, near)
	case ast.ScalarNode:
		return value{kind: kindScalar, text: n.GetToken().Value, at: at}
	}
	t.report.add(at, path, &mistake{what: "galley does not know this kind of YAML", remedy: "Write plain keys, values and lists."})
	return value{kind: kindBroken, at: at}
}

func (t *tree) scalar(text string, at place) value {
	t.report.secrets.learnText(text, t.doc.masker)
	return value{kind: kindScalar, text: text, at: at}
}

func tokenText(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// mapping converts a mapping; its place is that of the first key or of the brace.
func (t *tree) mapping(n ast.Node, path string) value {
	var pairs []*ast.MappingValueNode
	v := value{kind: kindMapping}
	braces := false
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs, braces = n.Values, n.IsFlowStyle
		v.at = t.place(n.GetToken())
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	if len(pairs) > 0 && !braces {
		v.at = t.place(pairs[0].Key.GetToken())
	}
	var merged []field
	for _, pair := range pairs {
		if pair.Key.IsMergeKey() {
			merged = append(merged, t.merged(pair, path)...)
			continue
		}
		f, ok := t.pair(pair, path)
		if !ok {
			continue
		}
		if first, twice := v.field(f.key); twice {
			t.report.add(f.at, t.join(path, f.key), &mistake{what: "this key is given twice, first " + lineOf(first.at), remedy: "Keep one of the two."})
			continue
		}
		v.fields = append(v.fields, f)
	}
	for _, f := range merged {
		if _, own := v.field(f.key); !own {
			v.fields = append(v.fields, f)
		}
	}
	return v
}

func (t *tree) pair(pair *ast.MappingValueNode, path string) (field, bool) {
	var key ast.Node = pair.Key
	if complexKey, ok := key.(*ast.MappingKeyNode); ok {
		key = complexKey.Value
	}
	plain := false
	switch key.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
	case ast.ScalarNode:
		plain = true
	}
	if !plain {
		t.report.add(t.place(pair.Key.GetToken()), path, &mistake{what: "a key must be a plain word", remedy: "Write key: value."})
		return field{}, false
	}
	f := field{key: key.GetToken().Value, at: t.place(key.GetToken())}
	f.bare = pair.Start == nil || pair.Start.Type != token.MappingValueType
	f.value = t.node(pair.Value, t.join(path, f.key), f.at)
	secrets, known := &t.report.secrets, t.doc.masker.known
	secrets.learnText(f.key, t.doc.masker)
	switch {
	case f.bare && known[f.key] == keyUnknown:
		secrets.learn(f.key)
	case t.doc.masker.smell.MatchString(f.key) && known[f.key] != keyPath:
		secrets.learnValue(f.value, known)
	}
	return f, true
}

// merged returns the fields that << brings in.
func (t *tree) merged(pair *ast.MappingValueNode, path string) []field {
	v := t.node(pair.Value, joinPath(path, "<<"), t.place(pair.Key.GetToken()))
	switch v.kind {
	case kindMapping:
		return v.fields
	case kindList:
		var fields []field
		for _, item := range v.items {
			fields = append(fields, item.fields...)
		}
		return fields
	case kindBroken:
		return nil
	case kindNull, kindScalar:
	}
	t.report.add(v.at, path, &mistake{what: "<< merges a section marked with &, and this is none", remedy: "Write <<: *name, with &name at an earlier section."})
	return nil
}

// join is joinPath for keys that galley knows. Another key may be a secret, and paths are shown.
func (t *tree) join(path, key string) string {
	if t.doc.masker.known[key] == keyUnknown {
		return path
	}
	return joinPath(path, key)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
