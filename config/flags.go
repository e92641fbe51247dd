package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// RegisterFlags adds a flag for every setting: --mysql.listen and so on. Values are checked by Load, together with everything else.
func RegisterFlags(flags *pflag.FlagSet) {
	for _, s := range Settings() {
		v := &flagValue{setting: s}
		f := flags.VarPF(v, s.Path, "", s.Doc)
		f.DefValue = s.Default
		if s.Type == "boolean" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue keeps the text of a flag.
type flagValue struct {
	setting Setting
	text    string
	set     bool
}

// Set takes the text; a list may be given in several flags.
func (v *flagValue) Set(text string) error {
	if v.set && v.setting.list && !looksLikeYAML(text) {
		text = v.text + "," + text
	}
	v.text, v.set = text, true
	return nil
}

// String is what pflag prints in usage texts.
func (v *flagValue) String() string {
	if v.set && v.setting.Secret {
		return secretMask
	}
	return v.text
}

// Type is a word for usage texts.
func (v *flagValue) Type() string {
	switch word, _, _ := strings.Cut(v.setting.Type, " "); word {
	case "list", "address", "number", "duration", "size", "path", "secret":
		return word
	case "boolean":
		return "bool"
	}
	return "word"
}

// flags reads the flags that were given.
func (r *reader) flags(flags *pflag.FlagSet) {
	if flags == nil {
		return
	}
	given := map[string]value{}
	for _, s := range r.settings {
		f := flags.Lookup(s.Path)
		if f == nil || !f.Changed {
			continue
		}
		v, ok := f.Value.(*flagValue)
		if !ok {
			continue
		}
		given[s.Path] = r.external(s, s.Flag(), v.text)
		if s.Secret {
			r.report.warn(given[s.Path].at, s.Path, &mistake{what: "a secret in a flag can be seen in the list of processes", remedy: "Use " + s.Env() + " or " + s.Flag() + "_file."})
		}
	}
	r.apply(given)
}
