package config

import (
	"net/netip"
	"strings"
	"time"
)

// Setting is one row of the table of all settings.
type Setting struct {
	// Path is the key with its sections, and the name of the flag: mysql.listen.
	Path string
	// Type is a word for the reference.
	Type string
	// Default is what holds where nothing is given, as one would write it; empty for none.
	Default string
	// Doc is one or two sentences.
	Doc string
	// Required settings have no default and must be given.
	Required bool
	// Secret settings are never shown.
	Secret bool
	// Restart says that a change takes effect at the next start only.
	Restart bool

	// pair is the other of two settings that say the same, of which at most one may be given.
	pair string
	binding
}

// envPrefix begins the names of galley's variables.
const envPrefix = "GALLEY_"

// Env is the name of the setting's variable.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Path, ".", "_"))
}

// Flag is the setting's flag.
func (s Setting) Flag() string { return "--" + s.Path }

// section and key are the two halves of the path.
func (s Setting) section() string { return s.Path[:strings.LastIndexByte(s.Path, '.')] }

func (s Setting) key() string { return s.Path[strings.LastIndexByte(s.Path, '.')+1:] }

// Settings returns all settings in the order of the reference.
func Settings() []Setting {
	var all []Setting
	for _, some := range [][]Setting{mysqlSettings(), doorSettings(), compressionSettings(), poolSettings(), limitSettings(), clusterSettings(), leaseSettings(), linkSettings(), nodeCompressionSettings(), webSettings(), acmeSettings(), webPoolSettings(), webLimitSettings(), adminSettings(), logSettings()} {
		all = append(all, some...)
	}
	return all
}

func mysqlSettings() []Setting {
	return []Setting{
		{
			Path: "mysql.listen", Type: "address", Required: true, Restart: true,
			Doc:     "Where MySQL clients connect, host:port. :3306 is all addresses.",
			binding: text(func(c *Config) *string { return &c.MySQL.Listen }, listenOn("3306")),
		}, {
			Path: "mysql.max_connections", Type: "number", Default: "10000",
			Doc:     "Client connections at a time; one more is answered with error 1040.",
			binding: number(func(c *Config) *int { return &c.MySQL.MaxConnections }, 1, 1_000_000),
		}, {
			Path: "mysql.handshake_timeout", Type: "duration", Default: "10s",
			Doc:     "Time from connecting to the end of authentication.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.HandshakeTimeout }, 10*time.Millisecond, time.Hour),
		}, {
			Path: "mysql.wait_for_node", Type: "duration", Default: "15s",
			Doc:     "How long a statement or a login waits for a usable node before the client gets an error; 0s is not at all.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.WaitForNode }, 0, time.Hour),
		}, {
			Path: "mysql.max_waiting_for_node", Type: "number", Default: "10000",
			Doc:     "Statements and logins that may wait for a usable node at a time; with one more, the one that has waited longest gets an error.",
			binding: number(func(c *Config) *int { return &c.MySQL.MaxWaitingForNode }, 1, 1_000_000),
		}, {
			Path: "mysql.max_waiting_for_node_size", Type: "size", Default: "64MiB",
			Doc:     "How large the statements that wait for a usable node may be, all together; beyond, those that have waited longest get an error.",
			binding: size(func(c *Config) *Size { return &c.MySQL.MaxWaitingSize }, 4*kibi, 64*gibi),
		}, {
			Path: "mysql.switch_timeout", Type: "duration", Default: "10s",
			Doc:     "How long galley switch-writer, and galley drain of the writer, wait for transactions and writes that have begun, before they give up or, with --force, go on: transactions are then run again on the new writer, or end with a deadlock error.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.SwitchTimeout }, 0, time.Hour),
		}, {
			Path: "mysql.connect_timeout", Type: "duration", Default: "5s",
			Doc:     "Time to connect and log in to a node.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.ConnectTimeout }, 10*time.Millisecond, 10*time.Minute),
		}, {
			Path: "mysql.grace", Type: "duration", Default: "30s",
			Doc:     "How long running statements and transactions may take after SIGTERM.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.Grace }, 0, 24*time.Hour),
		}, {
			Path: "mysql.check_client_host", Type: "boolean", Default: "false",
			Doc:     "Match the host part of accounts against the client's own address too, not only against the address that the node sees.",
			binding: boolean(func(c *Config) *bool { return &c.MySQL.CheckClientHost }),
		}, {
			Path: "mysql.read_only_transactions_on_readers", Type: "boolean", Default: "true",
			Doc:     "Send START TRANSACTION READ ONLY to a reader.",
			binding: boolean(func(c *Config) *bool { return &c.MySQL.ReadOnlyTransactionsOnReaders }),
		}, {
			Path: "mysql.consistency", Type: "cluster, session, eventual or strict", Default: Consistent,
			Doc: "cluster: a statement sees every write that was acknowledged before it began, on any connection through galley. session: those of its own connection. " +
				"eventual: a read sees what its node has applied so far. strict: a read sees all that was committed, also past galley (wsrep_sync_wait).",
			binding: text(func(c *Config) *string { return &c.MySQL.Consistency }, parseConsistency),
		}, {
			Path: "mysql.causal_wait", Type: "duration", Default: "2s",
			Doc:     "How long a read waits for its node to apply what it must see; then the writer answers it.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.CausalWait }, 10*time.Millisecond, 10*time.Minute),
		}, {
			Path: "mysql.server_version", Type: "text",
			Doc:     "Version in galley's greeting, instead of the cluster's own.",
			binding: text(func(c *Config) *string { return &c.MySQL.ServerVersion }, parseVersion),
		}, {
			Path: "mysql.users", Type: "list of {user, host, password, password_file, password_env, consistency}",
			Doc:     "Accounts that galley cannot import from the cluster. The host is % if not given. consistency holds for all who log in with the name; an entry with it and no password is for an account of the cluster.",
			binding: usersBinding(),
		}, {
			Path: "mysql.max_statement_buffer", Type: "size", Default: "1MiB",
			Doc:     "Largest statement kept in memory to be classified; a larger one goes to the writer.",
			binding: size(func(c *Config) *Size { return &c.MySQL.MaxAllowedBuffer }, 4*kibi, gibi),
		}, {
			Path: "mysql.instance_id", Type: "number", Default: "0", Restart: true,
			Doc:     "Galley's own number in connection ids, different for each galley in front of the same cluster.",
			binding: number(func(c *Config) *int { return &c.MySQL.InstanceID }, 0, 255),
		},
	}
}

// usersBinding prints accounts in full but for their passwords.
func usersBinding() binding {
	at := func(c *Config) *[]User { return &c.MySQL.Users }
	b := list(at, readUser, showUser)
	b.plain = func(c *Config) any { return plainUsers(*at(c)) }
	return b
}

// nodesBinding prints nodes as they are written in the file.
func nodesBinding() binding {
	at := func(c *Config) *[]Node { return &c.Cluster.Nodes }
	b := list(at, readNode, showNode)
	b.plain = func(c *Config) any { return plainNodes(*at(c)) }
	return b
}

func clusterSettings() []Setting {
	password := func(c *Config) *Secret { return &c.Cluster.Monitor.Password }
	return []Setting{
		{
			Path: "cluster.nodes", Type: "list of addresses, or of {address, weight, name}", Required: true,
			Doc:     "The members, host:port each (the port is 3306 if not given) or unix: and the path of a socket, in the order in which the writer is chosen.",
			binding: nodesBinding(),
		}, {
			Path: "cluster.monitor.user", Type: "text", Required: true,
			Doc:     "Account that probes the nodes and imports accounts.",
			binding: text(func(c *Config) *string { return &c.Cluster.Monitor.User }, parseUserName),
		}, {
			Path: "cluster.monitor.password", Type: "secret", Secret: true, pair: "cluster.monitor.password_file",
			Doc:     "Its password.",
			binding: secret(password, parsePassword),
		}, {
			Path: "cluster.monitor.password_file", Type: "path", pair: "cluster.monitor.password",
			Doc:     "File that holds its password instead.",
			binding: secretFile(func(c *Config) *string { return &c.Cluster.Monitor.PasswordFile }, password, parsePassword),
		}, {
			Path: "cluster.interval", Type: "duration", Default: "500ms",
			Doc:     "Time between two probes of a node.",
			binding: duration(func(c *Config) *time.Duration { return &c.Cluster.Interval }, 10*time.Millisecond, time.Minute),
		}, {
			Path: "cluster.probe_timeout", Type: "duration", Default: "2s",
			Doc:     "Time after which an unanswered probe counts as failed.",
			binding: duration(func(c *Config) *time.Duration { return &c.Cluster.ProbeTimeout }, 10*time.Millisecond, time.Minute),
		}, {
			Path: "cluster.discover", Type: "boolean", Default: "true",
			Doc:     "Let members that the cluster reports join by themselves, and leave when they are gone.",
			binding: boolean(func(c *Config) *bool { return &c.Cluster.Discover }),
		}, {
			Path: "cluster.discover_networks", Type: "list of networks",
			Doc:     "Networks whose discovered members get credentials, besides the addresses of the configured nodes.",
			binding: list(func(c *Config) *[]netip.Prefix { return &c.Cluster.DiscoverNetworks }, words(parseNetwork), netip.Prefix.String),
		}, {
			Path: "cluster.reads_on_writer", Type: "boolean", Default: "false",
			Doc:     "Let the writer take reads although there are readers.",
			binding: boolean(func(c *Config) *bool { return &c.Cluster.ReadsOnWriter }),
		}, {
			Path: "cluster.degraded", Type: "wait or readonly", Default: DegradedWait,
			Doc: "While no node is in a primary component: wait has all statements wait (mysql.wait_for_node) and then refused; readonly serves reads from nodes that are left, " +
				"which may be old (wsrep_dirty_reads), and refuses everything that may write at once.",
			binding: text(func(c *Config) *string { return &c.Cluster.Degraded }, oneOf(DegradedWait, DegradedReadonly)),
		}, {
			Path: "cluster.accounts_interval", Type: "duration", Default: "5s",
			Doc:     "Time between two imports of accounts.",
			binding: duration(func(c *Config) *time.Duration { return &c.Cluster.AccountsInterval }, 100*time.Millisecond, time.Hour),
		}, {
			Path: "cluster.allow_public_key_retrieval", Type: "boolean", Default: "false",
			Doc:     "Log in with caching_sha2_password over an unencrypted connection too, trusting whatever public key comes from a node's address.",
			binding: boolean(func(c *Config) *bool { return &c.Cluster.AllowPublicKeyRetrieval }),
		}, {
			Path: "cluster.load.in_flight", Type: "number", Default: "1",
			Doc:     "Weight of galley's own statements in flight in a node's load.",
			binding: fraction(func(c *Config) *float64 { return &c.Cluster.WeightInFlight }, maxWeight),
		}, {
			Path: "cluster.load.threads_running", Type: "number", Default: "1",
			Doc:     "Weight of the node's Threads_running.",
			binding: fraction(func(c *Config) *float64 { return &c.Cluster.WeightRunning }, maxWeight),
		}, {
			Path: "cluster.load.recv_queue", Type: "number", Default: "2",
			Doc:     "Weight of the node's receive queue.",
			binding: fraction(func(c *Config) *float64 { return &c.Cluster.WeightQueue }, maxWeight),
		}, {
			Path: "cluster.recv_queue.low", Type: "number", Default: "0.2",
			Doc:     "Receive queue, as a share of gcs.fc_limit, from which on a reader gets fewer reads.",
			binding: fraction(func(c *Config) *float64 { return &c.Cluster.QueueLow }, 1),
		}, {
			Path: "cluster.recv_queue.high", Type: "number", Default: "0.8",
			Doc:     "Receive queue, as a share of gcs.fc_limit, from which on a reader gets no reads.",
			binding: fraction(func(c *Config) *float64 { return &c.Cluster.QueueHigh }, 1),
		},
	}
}

func adminSettings() []Setting {
	token := func(c *Config) *Secret { return &c.Admin.Token }
	return []Setting{
		{
			Path: "admin.listen", Type: "address", Restart: true,
			Doc:     "Where the status page, the metrics and the API are served. Any address but a loopback one needs a token.",
			binding: text(func(c *Config) *string { return &c.Admin.Listen }, listenOn("9306")),
		}, {
			Path: "admin.token", Type: "secret", Secret: true, pair: "admin.token_file", Restart: true,
			Doc:     "Token for whatever changes something; where it is set, reading needs it too, from this machine as well.",
			binding: secret(token, parseToken),
		}, {
			Path: "admin.token_file", Type: "path", pair: "admin.token", Restart: true,
			Doc:     "File that holds the token instead.",
			binding: secretFile(func(c *Config) *string { return &c.Admin.TokenFile }, token, parseToken),
		}, {
			Path: "admin.socket", Type: "path", Restart: true,
			Doc:     "Unix socket (mode 0600) for galley's own commands.",
			binding: text(func(c *Config) *string { return &c.Admin.Socket }, parseSocket),
		}, {
			Path: "admin.allowed_hosts", Type: "list of host names", Restart: true,
			Doc:     "Names, besides the listen address itself, under which browsers may open the page.",
			binding: list(func(c *Config) *[]string { return &c.Admin.AllowedHosts }, words(parseHost), func(s string) string { return s }),
		},
	}
}

func logSettings() []Setting {
	return []Setting{
		{
			Path: "log.level", Type: "trace, debug, info, warn or error", Default: "info",
			Doc:     "The least important lines that are written.",
			binding: text(func(c *Config) *string { return &c.Log.Level }, oneOf("trace", "debug", "info", "warn", "error")),
		}, {
			Path: "log.format", Type: "text or json", Default: "text",
			Doc:     "One line for people, or one JSON object a line.",
			binding: text(func(c *Config) *string { return &c.Log.Format }, oneOf("text", "json")),
		},
	}
}
