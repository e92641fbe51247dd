package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"galley/config"
)

func TestSecretIsNeverShown(t *testing.T) {
	s := config.NewSecret("hunter2")
	user := config.User{User: "app", Password: s}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "user", user)
	shown := []string{log.String()}
	for _, verb := range []string{"%v", "%s", "%q", "%+v", "%#v", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, user), fmt.Sprintf(verb, []config.Secret{s}))
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		for _, v := range []any{s, user, map[config.Secret]int{s: 1}} {
			text, err := marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, string(text))
		}
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(strings.ToLower(text), "secret") && !strings.Contains(text, fmt.Sprintf("%x", "[secret]")) {
			t.Errorf("shown as %s", text)
		}
	}
	if s.Reveal() != "hunter2" || s.IsZero() || !config.NewSecret("").IsZero() {
		t.Error("the secret is lost")
	}
}

func TestSecretFiles(t *testing.T) {
	const base = "mysql: {listen: :3306}\ncluster:\n  nodes: [db]\n  monitor: {user: m, password_file: "
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), 0o600, "hunter2 !\n")
	write(t, filepath.Join(dir, "windows"), 0o600, "hunter2 !\r\n")
	write(t, filepath.Join(dir, "bare"), 0o600, "hunter2 !")
	write(t, filepath.Join(dir, "open"), 0o644, "hunter2 !\n")
	write(t, filepath.Join(dir, "empty"), 0o600, "\n")
	write(t, filepath.Join(dir, "lines"), 0o600, "hunter2 !\nmore\n")
	write(t, filepath.Join(dir, "large"), 0o600, strings.Repeat("hunter2 !", 1000))
	for _, test := range []struct{ file, err, warning string }{
		{"good", "", ""},
		{dir + "/windows", "", ""},
		{"./bare", "", ""},
		{"open", "", dir + "/open can be read by every user of this machine (mode 0644). Run chmod o= on it, and give it to galley's user."},
		{"empty", `empty" is empty. Write the secret into it, on one line.`, ""},
		{"lines", "in the file: this secret has more than one line.", ""},
		{"large", "too large for a secret", ""},
		{"none", "the file named here does not exist", ""},
		{"./none", `none" does not exist`, ""},
		{dir, `is a directory`, ""},
	} {
		t.Run(filepath.Base(test.file), func(t *testing.T) {
			file := filepath.Join(dir, "galley.yaml")
			write(t, file, 0o644, base+test.file+"}\n")
			c, err := config.Load(config.Source{File: file})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got %v", err)
				}
				if place := file + ":4:37: cluster.monitor.password_file: "; !strings.HasPrefix(err.Error(), place) {
					t.Errorf("the place should be %s: %v", place, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Cluster.Monitor.Password.Reveal(); got != "hunter2 !" {
				t.Errorf("got %q", got)
			}
			if got := c.Warnings().Error(); !strings.Contains(got, test.warning) || (got == "") != (test.warning == "") {
				t.Errorf("warnings: %s", got)
			}
		})
	}
}

func TestAccountsWithSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), 0o600, "one\n")
	write(t, filepath.Join(dir, "b"), 0o600, "two\n")
	users := "[{user: x, password_file: " + dir + "/a}, {user: x, host: db, password_file: " + dir + "/b}]"
	c := load(t, config.Source{Data: []byte(sample), Env: []string{"GALLEY_MYSQL_USERS=" + users}})
	if u := c.MySQL.Users; len(u) != 2 || u[0].Password.Reveal() != "one" || u[1].Password.Reveal() != "two" {
		t.Errorf("got %v", u)
	}
}

func TestAccountsWithSecretVariables(t *testing.T) {
	c := load(t, config.Source{Data: []byte(sample), Env: []string{
		"GALLEY_MYSQL_USERS=[{user: x, password_env: X_PASSWORD}]", "X_PASSWORD=hunter2: {", "Y_PASSWORD=", "BAD=a\nb",
	}})
	if u := c.MySQL.Users; len(u) != 1 || u[0].Password.Reveal() != "hunter2: {" || u[0].PasswordEnv != "X_PASSWORD" {
		t.Errorf("got %v", u)
	}
	for users, want := range map[string]string{
		"{user: x, password_env: Y_PASSWORD}":                         "is not set",
		"{user: x, password_env: GALLEY_X}":                           "galley's own settings",
		"{user: x, password_env: hunter2!}":                           "not the name of a variable",
		"{user: x, password_env: X_PASSWORD, password: hunter2}":      "given twice",
		"{user: x, password_env: X_PASSWORD, password_file: /hunter}": "given twice",
	} {
		_, err := config.Load(config.Source{Data: []byte(sample), Env: []string{"X_PASSWORD=hunter2", "Y_PASSWORD=", "GALLEY_MYSQL_USERS=[" + users + "]"}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", users, err)
		}
	}
}

// TestUnusedSecretFile holds that a file is not read, or missed, where a stronger source gives the secret.
func TestUnusedSecretFile(t *testing.T) {
	text := "mysql: {listen: :3306, users: [{user: a, password_file: /nowhere}]}\ncluster: {nodes: [db], monitor: {user: m, password_file: /nowhere}}\n"
	c := load(t, config.Source{Data: []byte(text), Env: []string{"GALLEY_MYSQL_USERS=[{user: b, password: x}]", "GALLEY_CLUSTER_MONITOR_PASSWORD=y"}})
	if len(c.MySQL.Users) != 1 || c.MySQL.Users[0].User != "b" || c.Cluster.Monitor.PasswordFile != "" || c.Cluster.Monitor.Password.Reveal() != "y" {
		t.Errorf("got %+v", c)
	}
}

func TestWarnings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "galley.yaml")
	write(t, file, 0o644, `mysql:
  listen: :3306
  users: [{user: a, password: ""}]
cluster:
  nodes: [db]
  discover: false
  discover_networks: [10.0.0.0/8]
  monitor:
    user: m
    password: hunter2 #hunter3
admin: {token: hunter4}
`)
	c := load(t, config.Source{File: file, Flags: flags(t, "--admin.token=hunter5")})
	var got []string
	for _, w := range c.Warnings() {
		got = append(got, strings.TrimPrefix(w.String(), file))
	}
	want := []string{
		": the file, which holds a secret, can be read by every user of this machine (mode 0644). Run chmod o= on it, and give it to galley's user.",
		":3:31: mysql.users[0].password: the password is empty: whoever reaches galley can log in as this account. Set a password.",
		":7:22: cluster.discover_networks: this has no effect, as cluster.discover is false. Take one of the two out.",
		`:10:15: cluster.monitor.password: YAML takes what follows " #" as a comment, not as part of this value. Put the value in quotes, or a space after the #.`,
		"--admin.token: admin.token: a secret in a flag can be seen in the list of processes. Use GALLEY_ADMIN_TOKEN or --admin.token_file.",
		"--admin.token: admin.token: the token is short and can be guessed. Make one with: openssl rand -hex 32.",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(c.Warnings().Error(), "hunter") {
		t.Error("a warning shows a secret")
	}
}

// TestFlagsHideSecrets looks at what usage texts and printed flags show.
func TestFlagsHideSecrets(t *testing.T) {
	fs := flags(t, "--cluster.monitor.password", "hunter2", "--mysql.check_client_host", "--cluster.discover=false")
	if text := fs.FlagUsages() + fs.Lookup("cluster.monitor.password").Value.String(); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is shown: %s", text)
	}
	c := load(t, config.Source{Data: []byte(sample), Flags: fs})
	if c.Cluster.Monitor.Password.Reveal() != "hunter2" || !c.MySQL.CheckClientHost || c.Cluster.Discover {
		t.Errorf("got %+v", c)
	}
}

// FuzzLoad loads any text around a password. Nothing panics, and no message shows the password.
func FuzzLoad(f *testing.F) {
	const planted = "Zq7Xw9Vk2Jp5"
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		before, after, _ := strings.Cut(string(text), "Gr3enHerring")
		f.Add(strings.TrimSuffix(before, "password: "), after)
	}
	f.Add(sample+"\n", "")
	f.Add("cluster: {nodes: [a, \"", "\", b:x]}")
	f.Add("listen: &", " x")
	f.Add("cluster:\n  monitor:\n    ", ",more: x")
	f.Fuzz(func(t *testing.T, before, after string) {
		text := before + "password: " + planted + after
		c, err := config.Load(config.Source{File: "galley.yaml", Data: []byte(text)})
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		shown := ""
		if err != nil {
			shown = err.Error()
		} else {
			printed, err := yaml.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			shown = c.Warnings().Error() + fmt.Sprintf("%+v", config.Diff(c, config.Default()))
			if c.Cluster.Monitor.Password.Reveal() == planted {
				shown += string(printed)
			}
		}
		if strings.Contains(shown, planted) {
			t.Errorf("%q\nis shown in\n%s", text, shown)
		}
	})
}

// FuzzLoadVariables loads any text as a list in a variable.
func FuzzLoadVariables(f *testing.F) {
	f.Add("a,b", "[{user: a, password: b}]")
	f.Add("[::1]:3306,[::2]", "- user: a")
	f.Add("- a\n- {address: b}", "{")
	f.Fuzz(func(t *testing.T, nodes, users string) {
		c, err := config.Load(config.Source{Env: []string{
			"GALLEY_MYSQL_LISTEN=:0", "GALLEY_CLUSTER_MONITOR_USER=m", "GALLEY_CLUSTER_NODES=" + nodes, "GALLEY_MYSQL_USERS=" + users,
		}})
		if err == nil && len(c.Cluster.Nodes) == 0 {
			t.Error("there is no node")
		}
	})
}
