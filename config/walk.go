package config

import (
	"maps"
	"slices"
	"strings"
)

// walk sorts the values of a section into given by the path of their setting, and reports keys that are none.
func (r *reader) walk(section value, path string, given map[string]value) {
	for _, f := range section.fields {
		here := joinPath(path, f.key)
		switch {
		case r.isSetting(here):
			given[here] = f.value
			r.comment(f.value, here)
		case r.isSection(here):
			r.sections[here] = f.at
			r.walkSection(f, here, given)
		case path == "" && strings.HasPrefix(f.key, "x-"):
			// Room for anchors, as in compose files.
		default:
			r.unknown(f, path)
		}
	}
}

func (r *reader) walkSection(f field, path string, given map[string]value) {
	switch f.value.kind {
	case kindNull:
		// A section whose keys are all commented out.
	case kindMapping:
		r.walk(f.value, path, given)
	case kindScalar, kindList, kindBroken:
		// What was meant is unknown, so nothing of the section is said to be missing.
		for _, s := range r.settings {
			if strings.HasPrefix(s.Path, path+".") {
				r.origin[s.Path] = f.value.at
				r.failed[s.Path] = true
			}
		}
		if f.value.kind == kindBroken {
			return
		}
		keys := r.keys(path)
		r.report.add(f.value.at, path, &mistake{what: "this must be a section, but it is " + f.value.kind.String(), remedy: "Its keys are " + strings.Join(keys, ", ") + "."})
	}
}

func (r *reader) isSetting(path string) bool { return r.setting(path).read != nil }

func (r *reader) isSection(path string) bool {
	return slices.ContainsFunc(r.settings, func(s Setting) bool { return strings.HasPrefix(s.Path, path+".") })
}

// keys returns the keys of a section, "" being the whole file.
func (r *reader) keys(section string) []string {
	var keys []string
	prefix := section + "."
	if section == "" {
		prefix = ""
	}
	for _, s := range r.settings {
		rest, ok := strings.CutPrefix(s.Path, prefix)
		if !ok {
			continue
		}
		key, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// unknown reports a key that is no setting, with the most likely reason.
func (r *reader) unknown(f field, section string) {
	if f.bare {
		r.report.add(f.at, section, bareKey())
		return
	}
	keys := r.keys(section)
	remedy := didYouMean(f.key, keys)
	if remedy == "" {
		remedy = r.elsewhere(f.key)
	}
	if remedy == "" {
		remedy = "The keys here are " + strings.Join(keys, ", ") + "."
	}
	r.report.add(f.at, section, &mistake{echo: f.key, what: "unknown key {}", remedy: remedy})
}

// bareKey is what a comma in an unquoted value leads to. The key is not repeated: it may be the second half of a password.
func bareKey() *mistake {
	return &mistake{what: "there is a key without a value here", remedy: "In braces and brackets a comma ends an unquoted value: put a value with a comma in quotes."}
}

// elsewhere finds a key that would be right in another section, or that is written as a path.
func (r *reader) elsewhere(key string) string {
	var places []string
	for _, s := range r.settings {
		switch key {
		case s.Path:
			return "Write " + s.section() + ": and beneath it, indented, " + s.key() + ":."
		case s.key():
			places = append(places, s.section())
		}
	}
	for section := range maps.Keys(r.sectionNames()) {
		if parent, name, ok := cutLast(section); ok && name == key {
			places = append(places, parent)
		}
	}
	if len(places) == 0 {
		return ""
	}
	slices.Sort(places)
	return "This key belongs in the section " + strings.Join(slices.Compact(places), " or ") + "."
}

func (r *reader) sectionNames() map[string]bool {
	names := map[string]bool{}
	for _, s := range r.settings {
		names[s.section()] = true
	}
	return names
}

func cutLast(path string) (parent, name string, ok bool) {
	at := strings.LastIndexByte(path, '.')
	if at < 0 {
		return "", path, false
	}
	return path[:at], path[at+1:], true
}

// comment warns of a secret that ends where YAML begins a comment, and learns each secret of the file.
func (r *reader) comment(in value, path string) {
	if !r.setting(path).Secret || in.kind != kindScalar {
		return
	}
	r.hash(in, path)
}

// hash warns of an unquoted value with " #" behind it: YAML cuts it there, and the operator may have meant it to go on. A comment proper has a space
// after its #.
func (r *reader) hash(in value, path string) {
	r.report.secrets.learn(in.text)
	if in.at.doc == nil || in.at.line < 1 || in.at.line > len(in.at.doc.lines) {
		return
	}
	line := []rune(in.at.doc.lines[in.at.line-1])
	rest := string(line[min(len(line), in.at.col-1):])
	if rest == "" || rest[0] == '"' || rest[0] == '\'' {
		return
	}
	_, after, found := strings.Cut(rest, " #")
	if found && after != "" && after[0] != ' ' && after[0] != '#' {
		r.report.warn(in.at, path, &mistake{what: "YAML takes what follows \" #\" as a comment, not as part of this value", remedy: "Put the value in quotes, or a space after the #."})
	}
}
