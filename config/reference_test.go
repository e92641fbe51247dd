package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"galley/config"
)

// TestExampleStatesTheDefaults holds that the example is valid, has every setting, and says what the defaults are.
func TestExampleStatesTheDefaults(t *testing.T) {
	data, err := os.ReadFile("galley.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, config.Source{File: "galley.example.yaml", Data: data})
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %v", w)
	}
	required := map[string]bool{"cluster.monitor.password": true, "admin.listen": true} // given as examples
	for _, s := range config.Settings() {
		required[s.Path] = required[s.Path] || s.Required
	}
	for _, change := range config.Diff(config.Default(), c) {
		if !required[change.Path] {
			t.Errorf("the example has %s as %s, the default is %s", change.Path, change.New, change.Old)
		}
	}
	// With every setting that is off switched on (a comment has a space after its #), each is known. Of the secrets both forms stand there.
	all := regexp.MustCompile(`(?m)^( *)#(\S)`).ReplaceAllString(string(data), "$1$2")
	all = regexp.MustCompile(`(?m)^ *(#  - .*)$`).ReplaceAllStringFunc(all, func(line string) string { return strings.Replace(line, "#", "  ", 1) })
	_, err = config.Load(config.Source{File: "galley.example.yaml", Data: []byte(all)})
	if err == nil {
		t.Fatal("both forms of the secrets are given, that must be a mistake")
	}
	for _, p := range err.(config.Problems) { //nolint:errorlint // Load says so
		if !strings.Contains(p.What, "are given") && !strings.Contains(p.What, "does not exist") && !strings.Contains(p.What, "is not set") {
			t.Errorf("%s", p)
		}
	}
	for _, s := range config.Settings() {
		key := s.Path[strings.LastIndexByte(s.Path, '.')+1:]
		if !regexp.MustCompile(`(?m)^\s*` + key + `:`).MatchString(all) {
			t.Errorf("the example lacks %s", s.Path)
		}
	}
}

func TestReferenceHasAllSettings(t *testing.T) {
	text := config.Reference()
	for _, s := range config.Settings() {
		if s.Doc == "" || s.Type == "" || !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s has no doc", s.Path)
		}
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(s.Path) + "` \\|.*$").FindString(text)
		if !strings.Contains(row, s.Doc) || !strings.Contains(row, s.Default) || strings.Contains(row, "restart") != s.Restart {
			t.Errorf("%s: %q", s.Path, row)
		}
		if strings.Count(row, "|") != 5 {
			t.Errorf("%s breaks the table: %q", s.Path, row)
		}
	}
}

func TestDiff(t *testing.T) {
	const before = `
mysql:
  listen: :3306
  users: [{user: a, password: hunter2}, {user: b, password: hunter3}, {user: c, password: hunter4}]
cluster: {nodes: [db1, db2], monitor: {user: m, password: hunter2}}
admin: {listen: 127.0.0.1:9306}
`
	const after = `
mysql:
  listen: :3307
  instance_id: 1
  grace: 90s
  users: [{user: b, password: hunter9}, {user: c, password: hunter4}, {user: d, host: db, password: hunter4}]
cluster: {nodes: [db2, {address: db1, weight: 2, name: x}], monitor: {user: m, password: hunter3}, recv_queue: {low: 0.1}}
admin: {listen: 127.0.0.1:9307, token: hunter2hunter2hunter2, socket: /run/g.sock}
`
	a, b := load(t, config.Source{Data: []byte(before)}), load(t, config.Source{Data: []byte(after)})
	want := []config.Change{
		{Path: "mysql.listen", Old: ":3306", New: ":3307", NeedsRestart: true},
		{Path: "mysql.grace", Old: "30s", New: "1m30s"},
		{Path: "mysql.users[a@%]", Old: "a@%"},
		{Path: "mysql.users[b@%].password", Old: "[secret]", New: "[secret]"},
		{Path: "mysql.users[d@db]", New: "d@db"},
		{Path: "mysql.instance_id", Old: "0", New: "1", NeedsRestart: true},
		{Path: "cluster.nodes", Old: "db1:3306, db2:3306", New: "db2:3306, db1:3306 (name x, weight 2)"},
		{Path: "cluster.monitor.password", Old: "[secret]", New: "[secret]"},
		{Path: "cluster.recv_queue.low", Old: "0.2", New: "0.1"},
		{Path: "admin.listen", Old: "127.0.0.1:9306", New: "127.0.0.1:9307", NeedsRestart: true},
		{Path: "admin.token", New: "[secret]", NeedsRestart: true},
		{Path: "admin.socket", New: "/run/g.sock", NeedsRestart: true},
	}
	got := config.Diff(a, b)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing %+v", want[i])
		case i >= len(want):
			t.Errorf("too much: %+v", got[i])
		case got[i] != want[i]:
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	if d := config.Diff(a, a); d != nil {
		t.Errorf("a configuration differs from itself: %v", d)
	}
	reordered := load(t, config.Source{Data: []byte(strings.Replace(before, "{user: a, password: hunter2}, {user: b, password: hunter3}", "{user: b, password: hunter3}, {user: a, password: hunter2}", 1))})
	if d := config.Diff(a, reordered); len(d) != 1 || d[0].Path != "mysql.users" {
		t.Errorf("got %v", d)
	}
}
