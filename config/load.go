package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FileVariable names the configuration file where Source has none.
const FileVariable = envPrefix + "CONFIG"

// Source is what a configuration is made of. A flag beats a variable, a variable beats the file, the file beats the default.
type Source struct {
	// File is the path of the file. It is read if Data is nil, and names the text in messages. Empty with nil Data: the file of GALLEY_CONFIG, or none.
	File string
	Data []byte
	// Env is the environment as of os.Environ. Empty variables count as not set.
	Env []string
	// Flags are those of RegisterFlags, parsed; nil for none. Others in the set are ignored.
	Flags *pflag.FlagSet
}

// Load reads, checks and completes a configuration. The error is of type Problems and holds every mistake of all sources; then there is no Config.
// What does not keep galley from starting is in Config.Warnings.
func Load(source Source) (*Config, error) {
	r := newReader()
	if source.File == "" && source.Data == nil {
		source.File = variable(source.Env, FileVariable)
	}
	r.env = source.Env
	r.file(source)
	r.environment(source.Env)
	r.flags(source.Flags)
	r.readSecrets()
	r.missing()
	r.validate()
	if len(r.report.found) > 0 {
		return nil, r.report.problems(r.report.found)
	}
	r.cfg.warnings = r.report.problems(r.report.warnings)
	return r.cfg, nil
}

// Default is the configuration of which nothing is given: not valid, as required settings are empty, but with every default.
func Default() *Config {
	return newReader().cfg
}

// reader gathers values from all sources into one Config.
type reader struct {
	cfg      *Config
	settings []Setting
	masker   *masker
	report   *report
	// origin is where the value of each given setting comes from, wrong values included.
	origin map[string]place
	// sections is where the file has its sections.
	sections map[string]place
	// failed settings have a wrong value: checks that compare settings leave them out.
	failed map[string]bool
	// pending secrets are read from their files once it is known which source wins.
	pending map[string][]pendingSecret
	// env is the environment.
	env []string
	// seen finds repetitions in lists.
	seen map[string]place
	// doc is the file's text; understood says that it is known what the file gives.
	doc        *document
	understood bool
}

func newReader() *reader {
	r := &reader{
		cfg: &Config{}, settings: Settings(), report: &report{}, origin: map[string]place{}, sections: map[string]place{},
		failed: map[string]bool{}, pending: map[string][]pendingSecret{}, seen: map[string]place{},
	}
	r.masker = newMasker(r.knownKeys())
	for _, s := range r.settings {
		if s.Default != "" {
			s.read(r, value{kind: kindScalar, text: s.Default}, s.Path)
		}
	}
	return r
}

// knownKeys says of every key of the file what may be shown behind it.
func (r *reader) knownKeys() map[string]keyKind {
	known := map[string]keyKind{"<<": keySection}
	learn := func(key string, secret bool) {
		switch {
		case secret:
			known[key] = keySecret
		case strings.HasSuffix(key, "_file"):
			known[key] = keyPath
		default:
			known[key] = keyOpen
		}
	}
	for _, key := range slices.Concat(nodeKeys(), userKeys(), limitKeys(), fpmPoolKeys(), fpmBackendKeys(), siteKeys()) {
		learn(key, key == "password")
	}
	for _, s := range r.settings {
		learn(s.key(), s.Secret)
		if s.Path == "mysql.users" {
			known[s.key()] = keySection
		}
	}
	for _, s := range r.settings {
		for section := range strings.SplitSeq(s.section(), ".") {
			if known[section] == keyUnknown {
				known[section] = keySection
			}
		}
	}
	return known
}

// variable returns the value of a variable in an environment.
func variable(env []string, name string) string {
	for _, entry := range slices.Backward(env) {
		if key, v, ok := strings.Cut(entry, "="); ok && key == name {
			return v
		}
	}
	return ""
}

// file reads the configuration file into the settings.
func (r *reader) file(source Source) {
	if source.File == "" && source.Data == nil {
		r.understood = true
		return
	}
	name := source.File
	if name == "" {
		name = "configuration"
	}
	data := source.Data
	if data == nil {
		var m *mistake
		if data, m = readFile(source.File, maxText+1); m != nil {
			doc, _ := newDocument(name, "", "", r.masker)
			r.report.add(place{doc: doc}, "", m)
			return
		}
	}
	doc, text := newDocument(name, filepath.Dir(source.File), string(data), r.masker)
	r.doc = doc
	root, ok := parse(doc, text, r.report)
	if !ok {
		return
	}
	start := place{doc: doc, line: 1, col: 1}
	switch root.kind {
	case kindNull:
		if len(r.report.found) == 0 {
			r.report.add(place{doc: doc}, "", &mistake{what: "the file is empty", remedy: "Write at least mysql.listen, cluster.nodes and cluster.monitor.user, or web.listen, web.sites and web.pools; or give no file and set everything by variables."})
		}
		return
	case kindMapping:
		r.understood = true
	case kindBroken:
		return
	case kindScalar, kindList:
		m := &mistake{what: "the file must consist of sections, but it is " + root.kind.String(), remedy: "Write sections as \"mysql:\" and beneath them, indented, \"listen: 127.0.0.1:3306\"."}
		if other := otherFormat(text); other != "" {
			m.what = "this looks like " + other + ", not like a configuration of galley"
		}
		r.report.add(start, "", m)
		return
	}
	given := map[string]value{}
	r.walk(root, "", given)
	r.apply(given)
	r.openFile(source, doc)
}

// openFile warns of a configuration file with secrets in it that everybody on the machine can read.
func (r *reader) openFile(source Source, doc *document) {
	if source.Data != nil {
		return
	}
	status, err := os.Stat(source.File)
	if err != nil || status.Mode().Perm()&worldReadable == 0 {
		return
	}
	for path, at := range r.origin {
		if at.doc == doc && r.setting(path).Secret {
			r.report.warn(place{doc: doc}, "", readableByAll(status, "the file, which holds a secret,"))
			return
		}
	}
}

// apply puts the values of one source over those of the weaker ones.
func (r *reader) apply(given map[string]value) {
	for _, s := range r.settings {
		in, ok := given[s.Path]
		if !ok {
			continue
		}
		if s.pair != "" {
			if both, given := given[s.pair]; given && both.kind != kindNull && in.kind != kindNull && !s.Secret {
				r.fail(in.at, s.Path, bothGiven(strings.TrimSuffix(s.key(), "_file")))
				continue
			}
			r.clear(s.pair)
		}
		r.clear(s.Path)
		r.origin[s.Path] = in.at
		s.read(r, in, s.Path)
	}
}

// clear forgets what a weaker source said of a setting.
func (r *reader) clear(path string) {
	delete(r.pending, path)
	delete(r.failed, path)
	for key := range r.seen {
		if strings.HasPrefix(key, path+" ") {
			delete(r.seen, key)
		}
	}
	if _, given := r.origin[path]; !given {
		return
	}
	delete(r.origin, path)
	if s := r.setting(path); s.pair != "" {
		s.reset(r.cfg)
	}
}

// setting returns the row of a path that is in the table.
func (r *reader) setting(path string) Setting {
	for _, s := range r.settings {
		if s.Path == path {
			return s
		}
	}
	return Setting{Path: path}
}

// fail reports a mistake in the value of a setting.
func (r *reader) fail(at place, path string, m *mistake) {
	r.failed[settingOf(path)] = true
	r.report.add(at, path, m)
}

// failItem is fail for an item of a list that holds no secrets.
func (r *reader) failItem(at place, path string, m *mistake) {
	r.failed[settingOf(path)] = true
	r.report.addBare(at, path, m)
}

// settingOf cuts a path at the index of an item.
func settingOf(path string) string {
	setting, _, _ := strings.Cut(path, "[")
	return setting
}

// once reports what is given a second time; key is the setting's path, a space, and what must be unique.
func (r *reader) once(key string, at place, path, what string) bool {
	if first, twice := r.seen[key]; twice {
		if first.line > 0 && first.doc == at.doc {
			what += ", first " + lineOf(first)
		}
		r.failItem(at, path, &mistake{what: what, remedy: "Take one of the two out."})
		return false
	}
	r.seen[key] = at
	return true
}

// isScalar reports a value that is not a single one.
func (r *reader) isScalar(in value, path string) bool {
	switch in.kind {
	case kindScalar:
		return true
	case kindNull:
		r.fail(in.at, path, noValue())
	case kindBroken:
		r.failed[settingOf(path)] = true
	case kindList, kindMapping:
		r.fail(in.at, path, &mistake{what: "this must be a single value, but it is " + in.kind.String(), remedy: "If the value itself begins with a bracket or brace, put it in quotes."})
	}
	return false
}

func noValue() *mistake {
	return &mistake{what: "the key has no value", remedy: "Write a value, or take the key out."}
}
