package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// MarshalYAML prints the whole configuration, defaults included, as a file would say it; secrets are masked.
func (c *Config) MarshalYAML() (any, error) {
	var root yaml.MapSlice
	for _, s := range Settings() {
		v := s.plain(c)
		if v == "" {
			continue
		}
		root = put(root, strings.Split(s.Path, "."), v)
	}
	return root, nil
}

// put sets a value under a path of keys.
func put(section yaml.MapSlice, path []string, v any) yaml.MapSlice {
	if len(path) == 1 {
		return append(section, yaml.MapItem{Key: path[0], Value: v})
	}
	for i := range section {
		if section[i].Key == path[0] {
			inner, _ := section[i].Value.(yaml.MapSlice)
			section[i].Value = put(inner, path[1:], v)
			return section
		}
	}
	return append(section, yaml.MapItem{Key: path[0], Value: put(nil, path[1:], v)})
}

func plainNodes(nodes []Node) []any {
	out := make([]any, 0, len(nodes))
	for _, n := range nodes {
		if n.Name == "" && n.Weight == 1 {
			out = append(out, n.Address)
			continue
		}
		item := yaml.MapSlice{{Key: "address", Value: n.Address}, {Key: "weight", Value: n.Weight}}
		if n.Name != "" {
			item = append(item, yaml.MapItem{Key: "name", Value: n.Name})
		}
		out = append(out, item)
	}
	return out
}

func plainUsers(users []User) []any {
	out := make([]any, 0, len(users))
	for _, u := range users {
		item := yaml.MapSlice{{Key: "user", Value: u.User}, {Key: "host", Value: u.Host}}
		switch {
		case u.PasswordFile != "":
			item = append(item, yaml.MapItem{Key: "password_file", Value: u.PasswordFile})
		case u.PasswordEnv != "":
			item = append(item, yaml.MapItem{Key: "password_env", Value: u.PasswordEnv})
		case u.Imported:
		default:
			item = append(item, yaml.MapItem{Key: "password", Value: maskOf(u.Password)})
		}
		if u.Consistency != "" {
			item = append(item, yaml.MapItem{Key: "consistency", Value: u.Consistency})
		}
		out = append(out, item)
	}
	return out
}

func showUsers(users []User) string {
	words := make([]string, 0, len(users))
	for _, u := range users {
		words = append(words, showUser(u))
	}
	return strings.Join(words, ", ")
}

// Reference describes all settings in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntroduction)
	section := ""
	for _, s := range Settings() {
		if name, _, _ := strings.Cut(s.Path, "."); name != section {
			section = name
			fmt.Fprintf(&b, "\n### %s\n\n| setting | type | default | |\n|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Path, s.Type, defaultOf(s), docOf(s))
	}
	return b.String()
}

const referenceIntroduction = `Every setting can stand in the YAML file, in an environment variable and in a flag. A flag beats a variable, a variable beats the file, the file beats
the default. The variable of ` + "`mysql.listen`" + ` is ` + "`GALLEY_MYSQL_LISTEN`" + `, its flag is ` + "`--mysql.listen`" + `. ` + "`" + FileVariable + "`" + ` names the file. An empty variable counts as not set.

Lists in variables and flags are written ` + "`a,b,c`" + `, or as YAML or JSON. Durations have a unit: ` + "`500ms`, `10s`, `1m30s`" + `. Sizes are bytes or have one: ` + "`512KiB`, `1MiB`" + `
(` + "`K`, `M`, `G`" + ` are powers of 1024 as in MariaDB's own files). A path in the file is relative to the directory of the file. Keys at the top level that begin with
` + "`x-`" + ` are ignored: a place for YAML anchors.

Changes apply at reload (SIGHUP), but for the settings marked *restart*.
`

func defaultOf(s Setting) string {
	switch {
	case s.Required:
		return "*required*"
	case s.Default == "":
		return ""
	}
	return "`" + s.Default + "`"
}

func docOf(s Setting) string {
	if s.Restart {
		return s.Doc + " *(restart)*"
	}
	return s.Doc
}
