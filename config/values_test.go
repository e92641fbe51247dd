package config_test

import (
	"strings"
	"testing"
	"time"

	"galley/config"
)

// required are the variables without which nothing loads.
func required(more ...string) []string {
	return append([]string{"GALLEY_MYSQL_LISTEN=:3306", "GALLEY_CLUSTER_NODES=db", "GALLEY_CLUSTER_MONITOR_USER=m"}, more...)
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]config.Size{
		"4096": 4096, "4KiB": 4096, "4k": 4096, "4K": 4096, "4kb": 0, "5KB": 5000, "1.5M": 3 << 19, "1 MiB": 1 << 20, "2MB": 2e6, "1G": 1 << 30,
		"0": 0, "-1": 0, "1GB1": 0, "MiB": 0, "1e6": 0, "9999999999999G": 0, "1..5M": 0, "2GiB": 0,
	} {
		c, err := config.Load(config.Source{Env: required("GALLEY_MYSQL_MAX_STATEMENT_BUFFER=" + text)})
		if (err == nil) != (want != 0) || err == nil && c.MySQL.MaxAllowedBuffer != want {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
	for size, want := range map[config.Size]string{0: "0", 1: "1", 1 << 10: "1KiB", 1536: "1536", 3 << 20: "3MiB", 1 << 30: "1GiB"} {
		if got := size.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1h": time.Hour, "1m30s": 90 * time.Second, "250ms": 250 * time.Millisecond, "0": 0, "0s": 0,
		"-1s": -1, "1": -1, "1.5": -1, "1d": -1, "99h": -1, "": 15 * time.Second, "NaN": -1, "inf": -1,
	} {
		c, err := config.Load(config.Source{Env: required("GALLEY_MYSQL_WAIT_FOR_NODE=" + text)})
		if (err == nil) != (want >= 0) || err == nil && c.MySQL.WaitForNode != want {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
}

func TestAdminListen(t *testing.T) {
	const token = "GALLEY_ADMIN_TOKEN=0123456789abcdef"
	for _, test := range []struct {
		listen string
		token  bool // needed
	}{
		{"127.0.0.1:1", false},
		{"127.8.9.1:1", false},
		{"[::1]:1", false},
		{"localhost:0", false},
		{":1", true},
		{"0.0.0.0:1", true},
		{"[::]:1", true},
		{"10.0.0.1:1", true},
		{"galley.example.com:1", true},
	} {
		_, err := config.Load(config.Source{Env: required("GALLEY_ADMIN_LISTEN=" + test.listen)})
		if (err != nil) != test.token {
			t.Errorf("%s without a token: %v", test.listen, err)
		}
		if _, err := config.Load(config.Source{Env: required("GALLEY_ADMIN_LISTEN="+test.listen, token)}); err != nil {
			t.Errorf("%s with a token: %v", test.listen, err)
		}
	}
}

func TestOwnAddressAsNode(t *testing.T) {
	for _, test := range []struct {
		listen, node string
		ok           bool
	}{
		{":3306", "127.0.0.1:3306", false},
		{"0.0.0.0:3306", "localhost:3306", false},
		{"127.0.0.1:3306", "localhost:3306", false},
		{"localhost:3306", "127.0.0.1:3306", false},
		{"10.0.0.1:3306", "10.0.0.1:3306", false},
		{":3306", "10.0.0.1:3306", true},
		{":3307", "127.0.0.1:3306", true},
		{"127.0.0.1:3306", "127.0.0.2:3306", true},
		{"127.0.0.1:0", "127.0.0.1:3306", true},
	} {
		_, err := config.Load(config.Source{Env: []string{"GALLEY_MYSQL_LISTEN=" + test.listen, "GALLEY_CLUSTER_NODES=" + test.node, "GALLEY_CLUSTER_MONITOR_USER=m"}})
		if (err == nil) != test.ok {
			t.Errorf("listen %s, node %s: %v", test.listen, test.node, err)
		}
	}
}

// TestSuggestions holds which word is meant by which mistake.
func TestSuggestions(t *testing.T) {
	for key, want := range map[string]string{
		"mysql.lisen": "listen", "mysql.Listen": "listen", "mysql.max_conections": "max_connections", "mysql.maxconnections": "max_connections",
		"mysql.bind": "listen", "cluster.hosts": "nodes", "cluster.node": "nodes", "cluster.probe_timout": "probe_timeout", "mysql.isnatnce_id": "instance_id",
		"cluster.monitor.usr": "user", "log.levle": "level", "mysql.zzzzzz": "", "mysql.x": "", "cluster.monitor.passwrod": "password",
	} {
		keys := strings.Split(key, ".")
		text := strings.Join(keys, ": {") + ": 1" + strings.Repeat("}", len(keys)-1)
		_, err := config.Load(config.Source{Data: []byte(text), Env: required()})
		if err == nil || strings.Contains(err.Error(), "Did you mean "+want+"?") != (want != "") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestBrokenTextsHideSecrets are texts around a secret that once were shown: the key broken, the secret a key, a path, a tag or an anchor.
func TestBrokenTextsHideSecrets(t *testing.T) {
	const planted = "Zq7Xw9Vk2Jp5"
	for _, text := range []string{
		"!!password: " + planted + ":",
		"? \npassword: " + planted + ": !x: listen",
		"? \n\npassword: " + planted + "level: *a- ",
		"&a monitor\npassword: " + planted + "monitor: !xnodes",
		"&a , pasword- [\n\npassword: " + planted + "[web: !x",
		"mysql: {users: [{user: app, papasswd:] " + planted + ", host: a}]}",
		"cluster: {nodes: [b], monitor: {user: m, pasxsword:pasword '" + planted + "'}, interval: 1s}",
		"cluster: {nodes: [b], monitor: {user: m, pa|ssworld:é '" + planted + "'}, interval: 1s}",
		"cluster:\n  monitor:\n    user: m\n    password:\n " + planted + "passwd: \n  inte<<: *arval: 1s\n",
		"mysql:\n  users:\n    - {user: app, plistenassword,: " + planted + ", host: a}\n",
		"cluster:\n  nodes: [\"password: " + planted + "\", b:x]\n",
		"cluster:\n  monitor: {user: m, password_file: x password " + planted + "}\n",
		"log:\n  level: info\n   password " + planted + "\n",
		"log:\n  level: info\n    password: " + planted + "\n",
		"log: {level: x} # password: " + planted + "\n",
		"cluster:\n  monitor:\n    password: 'a\n " + planted + ": {\n  nodes: [db:x]\n",
	} {
		_, err := config.Load(config.Source{Data: []byte(text)})
		if err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("%q\n%v", text, err)
		}
	}
}
