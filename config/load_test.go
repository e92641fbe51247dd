package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"galley/config"
)

// sample is the configuration of the README: complete, and to stay valid for ever.
const sample = `mysql:
  listen: 127.0.0.1:3306
cluster:
  nodes: [10.0.0.1:3306, 10.0.0.2:3306, 10.0.0.3:3306]
  monitor: {user: monitor, password: secret}
admin:
  listen: 127.0.0.1:9306
`

func load(t *testing.T, source config.Source) *config.Config {
	t.Helper()
	c, err := config.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.RegisterFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestSampleIsComplete(t *testing.T) {
	got := load(t, config.Source{File: "galley.yaml", Data: []byte(sample)})
	want := &config.Config{
		MySQL: config.MySQL{
			Listen: "127.0.0.1:3306", SocketMode: 0o660, TLS: config.ServerTLS{MinVersion: "1.2"}, MaxConnections: 10000, HandshakeTimeout: 10 * time.Second, WaitForNode: 15 * time.Second, MaxWaitingForNode: 10000, MaxWaitingSize: 64 << 20, SwitchTimeout: 10 * time.Second,
			ConnectTimeout: 5 * time.Second, Grace: 30 * time.Second, ReadOnlyTransactionsOnReaders: true, MaxAllowedBuffer: 1 << 20, Consistency: config.Consistent, CausalWait: 2 * time.Second,
			Compression: config.CompressionAny, NodeCompression: config.CompressionOff, ClientWriteTimeout: time.Minute, DeadlockRetries: 3, TransactionReplay: true, ReplaySize: 1 << 20, ReplayStatements: 100,
			Pool: config.Pool{Multiplex: true, IdleTime: time.Minute, Lifetime: time.Hour, WaitForConnection: 10 * time.Second, MaxWaiting: 10000, Opening: 4, MaxStatements: 100},
		},
		Cluster: config.Cluster{
			Nodes:    []config.Node{{Address: "10.0.0.1:3306", Weight: 1}, {Address: "10.0.0.2:3306", Weight: 1}, {Address: "10.0.0.3:3306", Weight: 1}},
			Monitor:  config.Monitor{User: "monitor", Password: config.NewSecret("secret")},
			TLS:      config.ClientTLS{Mode: config.TLSOff},
			Interval: 500 * time.Millisecond, ProbeTimeout: 2 * time.Second, Discover: true, Degraded: config.DegradedWait, AccountsInterval: 5 * time.Second,
			Lease: config.LeaseAuto, LeaseTerm: 6 * time.Second, LeaseSchema: "galley",
			WeightInFlight: 1, WeightRunning: 1, WeightQueue: 2, QueueLow: 0.2, QueueHigh: 0.8,
		},
		Web: config.Web{
			TLS: config.WebTLS{MinVersion: "1.2"}, ACME: config.ACME{Directory: config.ACMELetsEncrypt}, MaxConnections: 10000, HeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, WriteTimeout: time.Minute,
			MinBodyRate: 512, MaxHeader: 64 << 10, MaxURI: 16 << 10, Grace: 30 * time.Second, MaxBuffered: 1 << 30, FileCache: 64 << 20, PageCache: 128 << 20,
			AccessLog: config.AccessLogOff, AccessLogFormat: config.AccessLogCombined,
		},
		Admin: config.Admin{Listen: "127.0.0.1:9306"},
		Log:   config.Log{Level: "info", Format: "text"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if w := got.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %v", w)
	}
}

func TestNodesOfAllForms(t *testing.T) {
	const text = `
mysql: {listen: :3306}
cluster:
  monitor: {user: m}
  nodes: [db1, DB2.Example.com:3307, 10.0.0.1, "[2001:DB8::1]", "[::1]:3307", "[fe80::1%eth0]:1", {address: db3, weight: 3, name: third}, unix:/run/mysqld/mysqld.sock, /run/other.sock]
`
	want := []config.Node{
		{Address: "db1:3306", Weight: 1},
		{Address: "db2.example.com:3307", Weight: 1},
		{Address: "10.0.0.1:3306", Weight: 1},
		{Address: "[2001:db8::1]:3306", Weight: 1},
		{Address: "[::1]:3307", Weight: 1},
		{Address: "[fe80::1%eth0]:1", Weight: 1},
		{Address: "db3:3306", Weight: 3, Name: "third"},
		{Address: "unix:/run/mysqld/mysqld.sock", Weight: 1},
		{Address: "unix:/run/other.sock", Weight: 1},
	}
	if got := load(t, config.Source{Data: []byte(text)}).Cluster.Nodes; !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, line := range []string{
		"cluster: {nodes: [10.0.0.1:3306, db2:3307], monitor: {user: m}}",
		"cluster: {nodes: [ 10.0.0.1:3306 ,db2:3307 ], monitor: {user: m}}",
		"cluster: {nodes: [10.0.0.1:3306,\n  db2:3307], monitor: {user: m}}",
		"cluster: {nodes: [{address: 10.0.0.1:3306}, db2:3307], monitor: {user: m}}",
		`{"cluster": {"nodes": ["10.0.0.1:3306", "db2:3307"], "monitor": {"user": "m"}}}`,
	} {
		c := load(t, config.Source{Data: []byte(line), Env: []string{"GALLEY_MYSQL_LISTEN=:3306"}})
		want := []config.Node{{Address: "10.0.0.1:3306", Weight: 1}, {Address: "db2:3307", Weight: 1}}
		if !slices.Equal(c.Cluster.Nodes, want) {
			t.Errorf("%s: got %v", line, c.Cluster.Nodes)
		}
	}
}

func TestAnchorsAndMerge(t *testing.T) {
	const text = `
x-account: &account {user: monitor, password: one}
mysql:
  listen: 127.0.0.1:3306
  users:
    - &app {user: app, host: 10.%, password: two}
    - <<: *app
      user: app2
cluster:
  nodes: &nodes [db1, db2]
  monitor:
    <<: *account
    password: three
`
	c := load(t, config.Source{Data: []byte(text)})
	users := []config.User{
		{User: "app", Host: "10.%", Password: config.NewSecret("two")},
		{User: "app2", Host: "10.%", Password: config.NewSecret("two")},
	}
	if !slices.Equal(c.MySQL.Users, users) {
		t.Errorf("users: %v", c.MySQL.Users)
	}
	if m := c.Cluster.Monitor; m.User != "monitor" || m.Password.Reveal() != "three" {
		t.Errorf("monitor: %v %q", m, m.Password.Reveal())
	}
}

// TestEnvironmentAlone is a container without a file.
func TestEnvironmentAlone(t *testing.T) {
	c := load(t, config.Source{Env: []string{
		"PATH=/bin", "GALLEY_MYSQL_LISTEN=:3306", "GALLEY_CLUSTER_NODES=db1, 10.0.0.2:3307,[::1]:1", "GALLEY_CLUSTER_MONITOR_USER=m",
		"GALLEY_CLUSTER_MONITOR_PASSWORD= #x: {y, ", "GALLEY_MYSQL_MAX_STATEMENT_BUFFER=64K", "GALLEY_CLUSTER_LOAD_RECV_QUEUE=3.5",
		"GALLEY_CLUSTER_RECV_QUEUE_LOW=0.1", "GALLEY_CLUSTER_DISCOVER=false", "GALLEY_MYSQL_READ_ONLY_TRANSACTIONS_ON_READERS=false",
		`GALLEY_MYSQL_USERS=[{"user": "app", "password": "p"}, {"user": "b", "host": "10.%", "password": "q"}]`, "GALLEY_CLUSTER_INTERVAL=1s",
		"GALLEY_LOG_LEVEL=", "GALLEY_ADMIN_ALLOWED_HOSTS=galley.example.com,[::1]", "GALLEY_MYSQL_INSTANCE_ID=7",
		// What Kubernetes sets for services called galley and galley-mysql.
		"GALLEY_SERVICE_HOST=10.1.1.1", "GALLEY_SERVICE_PORT=3306", "GALLEY_SERVICE_PORT_MYSQL=3306", "GALLEY_PORT=tcp://10.1.1.1:3306",
		"GALLEY_PORT_3306_TCP=tcp://10.1.1.1:3306", "GALLEY_PORT_3306_TCP_PROTO=tcp", "GALLEY_MYSQL_PORT_3306_TCP_ADDR=10.1.1.1",
		"GALLEY_MYSQL_SERVICE_HOST=10.1.1.1", "GALLEY_MYSQL_PORT=tcp://10.1.1.1:3306",
	}})
	nodes := []config.Node{{Address: "db1:3306", Weight: 1}, {Address: "10.0.0.2:3307", Weight: 1}, {Address: "[::1]:1", Weight: 1}}
	if !slices.Equal(c.Cluster.Nodes, nodes) {
		t.Errorf("nodes: %v", c.Cluster.Nodes)
	}
	if got := c.Cluster.Monitor.Password.Reveal(); got != " #x: {y, " {
		t.Errorf("password: %q", got)
	}
	users := []config.User{{User: "app", Host: "%", Password: config.NewSecret("p")}, {User: "b", Host: "10.%", Password: config.NewSecret("q")}}
	if !slices.Equal(c.MySQL.Users, users) {
		t.Errorf("users: %v", c.MySQL.Users)
	}
	if c.MySQL.MaxAllowedBuffer != 64<<10 || c.Cluster.WeightQueue != 3.5 || c.Cluster.QueueLow != 0.1 || c.Cluster.Discover ||
		c.MySQL.ReadOnlyTransactionsOnReaders || c.Log.Level != "info" || c.MySQL.InstanceID != 7 || c.Cluster.Interval != time.Second ||
		!slices.Equal(c.Admin.AllowedHosts, []string{"galley.example.com", "::1"}) {
		t.Errorf("got %+v", c)
	}
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "galley.yaml")
	write(t, file, 0o600, sample+"log: {level: error}\n")
	write(t, filepath.Join(dir, "password"), 0o600, "from a file\n")
	env := []string{"GALLEY_CONFIG=" + file}
	tests := []struct {
		name  string
		env   []string
		args  []string
		level string
		pass  string
		nodes int
	}{
		{"file", nil, nil, "error", "secret", 3},
		{"variable over file", []string{"GALLEY_LOG_LEVEL=warn", "GALLEY_CLUSTER_NODES=db1,db2", "GALLEY_CLUSTER_MONITOR_PASSWORD=e"}, nil, "warn", "e", 2},
		{"flag over variable", []string{"GALLEY_LOG_LEVEL=warn", "GALLEY_CLUSTER_NODES=db1,db2"}, []string{"--log.level=trace", "--cluster.nodes=db1"}, "trace", "secret", 1},
		{"flag over file", nil, []string{"--log.level", "debug", "--cluster.nodes", "a,b", "--cluster.nodes", "c", "--cluster.nodes", "d"}, "debug", "secret", 4},
		{"password file of a variable over password of the file", []string{"GALLEY_CLUSTER_MONITOR_PASSWORD_FILE=" + dir + "/password"}, nil, "error", "from a file", 3},
		{
			"password of a flag over password file of a variable",
			[]string{"GALLEY_CLUSTER_MONITOR_PASSWORD_FILE=/nowhere"},
			[]string{"--cluster.monitor.password=flag"},
			"error", "flag", 3,
		},
		{
			"password file of a flag over password of a variable",
			[]string{"GALLEY_CLUSTER_MONITOR_PASSWORD=x"},
			[]string{"--cluster.monitor.password_file=" + dir + "/password"},
			"error", "from a file", 3,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, config.Source{Env: append(slices.Clone(env), test.env...), Flags: flags(t, test.args...)})
			if c.Log.Level != test.level || c.Cluster.Monitor.Password.Reveal() != test.pass || len(c.Cluster.Nodes) != test.nodes {
				t.Errorf("got %s, %q, %v", c.Log.Level, c.Cluster.Monitor.Password.Reveal(), c.Cluster.Nodes)
			}
		})
	}
}

// TestEverySettingEverywhere gives each setting by variable and by flag and expects the same as from the file.
func TestEverySettingEverywhere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "s"), 0o600, "0123456789abcdef")
	examples := map[string]string{
		"address": "127.0.0.1:4000", "number": "0.5", "duration": "7s", "boolean": "true", "size": "8KiB", "secret": "0123456789abcdef",
		"path": dir + "/s", "text": "t", "list of {user, max_connections, max_in_flight, max_execution_time, transaction_replay}": "[{user: a, max_in_flight: 3}]", "list of {user, host, password, password_file, password_env, consistency}": "[{user: a, host: '%', password: b}]",
		"list of addresses, or of {address, weight, name}": "[10.9.9.9:1, {address: db:2, weight: 2}]", "list of networks": "[10.0.0.0/8]", "list of host names": "[a.example]",
		"trace, debug, info, warn or error": "debug", "text or json": "json", "cluster, session, eventual or strict": "eventual", "auto, off or required": "required", "wait or readonly": "readonly",
		"file mode": "0600", "off, optional or required": "off", "1.2 or 1.3": "1.3", "off, preferred, required, verify_ca or verify_identity": "verify_ca",
		"list of {name, backends, …}": "[{name: php, backends: [10.0.0.1:9000]}]", "any, zlib, zstd or off": "off", "off, zlib or zstd": "zlib",
		"list of {hosts, root, pool, …}": "[{hosts: [a.example], root: /srv/a}]", "path, stdout or off": "stdout", "combined or json": "json", "letsencrypt, staging or URL": "staging", "mail address": "a@example.com",
	}
	for _, s := range config.Settings() {
		example, ok := examples[s.Type]
		if !ok {
			t.Fatalf("no example of type %s", s.Type)
		}
		if s.Type == "number" && !strings.Contains(s.Path, "load") && !strings.Contains(s.Path, "queue") {
			example = "5"
		}
		if s.Type == "boolean" && s.Default == "true" {
			example = "false"
		}
		var rest []string // what is required besides
		for env, v := range map[string]string{"GALLEY_MYSQL_LISTEN": ":1", "GALLEY_CLUSTER_NODES": "db", "GALLEY_CLUSTER_MONITOR_USER": "m"} {
			if env != s.Env() {
				rest = append(rest, env+"="+v)
			}
		}
		rest = append(rest, map[string][]string{"web.tls.listen": {"GALLEY_WEB_TLS_CERT_FILE=/c"}, "web.sites": {"GALLEY_WEB_LISTEN=:8"}}[s.Path]...)
		keys := strings.Split(s.Path, ".")
		text := strings.Join(keys, ": {") + ": " + example + strings.Repeat("}", len(keys)-1)
		fromFile := load(t, config.Source{Data: []byte(text), Env: rest})
		fromEnv := load(t, config.Source{Env: append(rest, s.Env()+"="+example)})
		fromFlag := load(t, config.Source{Env: rest, Flags: flags(t, s.Flag()+"="+example)})
		if d := config.Diff(fromFile, fromEnv); d != nil {
			t.Errorf("%s: file and variable differ: %v", s.Path, d)
		}
		if d := config.Diff(fromFile, fromFlag); d != nil {
			t.Errorf("%s: file and flag differ: %v", s.Path, d)
		}
		if d := config.Diff(load(t, config.Source{Env: append(rest, base(s))}), fromFile); len(d) == 0 {
			t.Errorf("%s: giving it changes nothing", s.Path)
		}
	}
}

// base gives a required setting another value than the examples', and nothing for the others.
func base(s config.Setting) string {
	switch s.Path {
	case "mysql.listen", "cluster.nodes", "cluster.monitor.user":
		return s.Env() + "=other:9"
	}
	return "X=y"
}

// TestSectionsOfGo holds that every field of Config is in the table.
func TestSectionsOfGo(t *testing.T) {
	fields := settingsIn(reflect.TypeFor[config.Config]())
	if got := len(config.Settings()); got != fields {
		t.Errorf("%d settings for %d fields", got, fields)
	}
}

// settingsIn counts the exported fields of a section, and of the sections in it.
func settingsIn(section reflect.Type) (n int) {
	for _, f := range reflect.VisibleFields(section) {
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct && f.Type.NumField() > 0 && f.Type.Field(0).IsExported():
			n += settingsIn(f.Type)
		default:
			n++
		}
	}
	return n
}

func write(t *testing.T, file string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// TestPasswordsAreTakenAsWritten puts every sign into an unquoted password: it is either read exactly or refused, never changed.
func TestPasswordsAreTakenAsWritten(t *testing.T) {
	for sign := rune('!'); sign < 0x7f; sign++ {
		if sign == ',' {
			continue // YAML allows a comma before the brace that closes: {password: abc,} is no mistake. TestGolden/password_comma has the others.
		}
		for _, form := range []string{"%c9abcdef", "abc%cdef", "abcdef%c", "abc%c def"} {
			password := fmt.Sprintf(form, sign)
			for _, text := range []string{
				"cluster:\n  nodes: [db]\n  monitor:\n    user: m\n    password: " + password + "\n",
				"cluster:\n  nodes: [db]\n  monitor:\n    password: " + password + "   \n    user: m\n",
				"cluster: {nodes: [db], monitor: {user: m, password: " + password + "}}",
				"cluster: {nodes: [db], monitor: {user: m, password: '" + strings.ReplaceAll(password, "'", "''") + "'}}",
			} {
				c, err := config.Load(config.Source{Data: []byte(text), Env: []string{"GALLEY_MYSQL_LISTEN=:3306"}})
				switch {
				case err == nil && c.Cluster.Monitor.Password.Reveal() != password:
					t.Errorf("%q\nread as %q", text, c.Cluster.Monitor.Password.Reveal())
				case err != nil && strings.Contains(text, "'"+password):
					t.Errorf("%q\nis refused in quotes: %v", text, err)
				case err != nil && strings.Contains(err.Error(), "abc"):
					t.Errorf("%q\nis shown in %v", text, err)
				}
			}
		}
	}
}

func TestProblemsAreSorted(t *testing.T) {
	_, err := config.Load(config.Source{
		File: "galley.yaml", Data: []byte("mysql: {listen: 1}\nlog: {level: x}\n"),
		Env:   []string{"GALLEY_ZZ=1", "GALLEY_LOG_FORMAT=x", "GALLEY_MYSQL_USERS=[{usr: hunter2, password: hunter3}]", "GALLEY_MYSQL_LISTN=hunter4"},
		Flags: flags(t, "--cluster.interval=5", "--cluster.nodes=a:x"),
	})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("got %T", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s:%d:%d %s", p.Source, p.Line, p.Column, p.Path))
	}
	want := []string{
		"galley.yaml:0:0 cluster.monitor.user", "galley.yaml:1:17 mysql.listen", "galley.yaml:2:14 log.level",
		"GALLEY_LOG_FORMAT:0:0 log.format", "GALLEY_MYSQL_LISTN:0:0 ", "GALLEY_MYSQL_USERS:1:2 mysql.users[0]", "GALLEY_MYSQL_USERS:1:3 mysql.users[0]", "GALLEY_ZZ:0:0 ",
		"--cluster.interval:0:0 cluster.interval", "--cluster.nodes:0:0 cluster.nodes[0]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	text := err.Error()
	if strings.Contains(text, "hunter") {
		t.Error("a secret is shown: " + text)
	}
	for _, part := range []string{"Did you mean GALLEY_MYSQL_LISTEN?", "Did you mean user?"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %s", part, text)
		}
	}
}

func TestFileProblems(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ file, want string }{
		"missing":   {filepath.Join(dir, "none.yaml"), `none.yaml" does not exist. Create the file, or correct the path.`},
		"directory": {dir, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(config.Source{File: test.file})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "required") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPrintedConfigurationLoads prints a full configuration and reads it again.
func TestPrintedConfigurationLoads(t *testing.T) {
	c := load(t, config.Source{File: "galley.example.yaml", Env: nil})
	c.Cluster.DiscoverNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.Cluster.Nodes = append(c.Cluster.Nodes, config.Node{Address: "db:1", Weight: 2, Name: "x"})
	c.MySQL.Users = []config.User{{User: "a", Host: "%", Password: config.NewSecret("hunter2")}}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is shown: %s", text)
	}
	again := load(t, config.Source{Data: text})
	for _, change := range config.Diff(c, again) {
		if !strings.HasSuffix(change.Path, "password") {
			t.Errorf("%+v\n%s", change, text)
		}
	}
}
