// Package config turns what an operator wrote into a Config: one YAML file, environment variables and flags, read strictly.
//
// It is not where settings take effect, and it opens nothing but the configuration file and the secret files that it names. Each package of galley gets its
// own section by value.
//
// The one thing to know first: settings() is the single table of all settings. File keys, variables, flags, defaults, the reference text, Diff and the
// printed configuration are derived from it. A new setting is a field here and a row there.
package config

import (
	"io/fs"
	"net/netip"
	"time"
)

// Config is a whole, valid configuration. It is a value: nothing changes it after Load.
type Config struct {
	MySQL   MySQL   `yaml:"mysql"`
	Cluster Cluster `yaml:"cluster"`
	Web     Web     `yaml:"web"`
	Admin   Admin   `yaml:"admin"`
	Log     Log     `yaml:"log"`

	warnings Problems
}

// MySQL is the front door for MySQL clients.
type MySQL struct {
	// Listen is host:port; the host may be empty for all addresses, the port 0 for a free one.
	Listen string
	// Socket is the path of a unix socket where clients connect as well; empty means none. SocketGroup is empty for galley's own group.
	Socket      string
	SocketMode  fs.FileMode
	SocketGroup string
	// ProxyNetworks are those from which connections begin with a PROXY header.
	ProxyNetworks []netip.Prefix
	// TLS is TLS towards clients.
	TLS ServerTLS
	// MaxConnections is the number of clients from which on error 1040 is answered.
	MaxConnections int
	// HandshakeTimeout bounds the time from accept to the end of authentication.
	HandshakeTimeout time.Duration
	// WaitForNode is how long a statement or a login waits for a usable node; 0 is not at all.
	WaitForNode time.Duration
	// MaxWaitingForNode and MaxWaitingSize bound those that wait for one, by their number and by the bytes of their statements.
	MaxWaitingForNode int
	MaxWaitingSize    Size
	// SwitchTimeout is how long a planned change of the writer waits for transactions and writes that have begun; 0 is hardly at all.
	SwitchTimeout time.Duration
	// ConnectTimeout bounds dial and login on a node.
	ConnectTimeout time.Duration
	// Grace is how long running statements and transactions may take after SIGTERM.
	Grace time.Duration
	// CheckClientHost makes the host part of accounts also apply to the client's own address.
	CheckClientHost bool
	// ReadOnlyTransactionsOnReaders lets START TRANSACTION READ ONLY go to a reader.
	ReadOnlyTransactionsOnReaders bool
	// ServerVersion replaces the cluster's version in the greeting; empty keeps the cluster's.
	ServerVersion string
	// Users are the accounts that cannot be imported from the cluster.
	Users []User
	// MaxAllowedBuffer is the largest statement kept in memory to be classified; in the file it is max_statement_buffer.
	MaxAllowedBuffer Size
	// Consistency is Consistent, OwnWrites, Eventual or Strict. See ConsistencyOf.
	Consistency string
	// CausalWait is how long a read waits for its node before the writer answers it.
	CausalWait time.Duration
	// InstanceID is galley's own number in connection ids, 0 to 255.
	InstanceID int
	// Compression is which compression clients may ask for: CompressionAny, CompressionZlib, CompressionZstd or CompressionOff.
	Compression string
	// NodeCompression is which compression nodes are asked for: CompressionOff, CompressionZlib or CompressionZstd. In the file it is cluster.compression.
	NodeCompression string
	// Pool is how sessions share backend conns.
	Pool Pool
	// MaxInFlight is the number of statements that run at a time; 0 is no limit.
	MaxInFlight int
	// MaxExecutionTime is how long a read may run; 0 is no limit.
	MaxExecutionTime time.Duration
	// ClientWriteTimeout is how long a client may take none of its answer.
	ClientWriteTimeout time.Duration
	// KillWritesOfGoneClients has writes killed when their client goes, not only reads.
	KillWritesOfGoneClients bool
	// TransactionReplay has transactions that are lost with their node run again; ReplaySize and ReplayStatements bound what is kept of one.
	TransactionReplay bool
	ReplaySize        Size
	ReplayStatements  int
	// DeadlockRetries is how often an autocommit statement is run again after a deadlock (1213).
	DeadlockRetries int
	// Limits are those of single users.
	Limits []Limit
}

// The modes of TLS: ServerTLS knows the first three, ClientTLS all but optional.
const (
	TLSOff            = "off"
	TLSOptional       = "optional"
	TLSRequired       = "required"
	TLSPreferred      = "preferred"
	TLSVerifyCA       = "verify_ca"
	TLSVerifyIdentity = "verify_identity"
)

// ServerTLS is TLS towards clients. Paths are as they can be opened.
type ServerTLS struct {
	// Mode is as it was given, empty where it was not: see Effective.
	Mode     string
	CertFile string
	// KeyFile is empty where the key is in CertFile.
	KeyFile string
	// CAFile is empty where clients give no certificates.
	CAFile string
	// MinVersion is 1.2 or 1.3.
	MinVersion string
}

// Effective is the mode that holds: off, optional or required.
func (t ServerTLS) Effective() string {
	switch {
	case t.Mode != "":
		return t.Mode
	case t.CertFile != "":
		return TLSOptional
	}
	return TLSOff
}

// ClientTLS is TLS towards nodes. Paths are as they can be opened.
type ClientTLS struct {
	Mode string
	// CAFile is empty for the system's authorities.
	CAFile string
	// CertFile is galley's own certificate, empty for none; KeyFile is empty where the key is in it.
	CertFile string
	KeyFile  string
	// ServerName replaces the node's host in what verify_identity looks for.
	ServerName string
}

// Limit is what bounds one user; 0 is no limit.
type Limit struct {
	User             string
	MaxConnections   int
	MaxInFlight      int
	MaxExecutionTime time.Duration // 0 is what holds for all.
	NoReplay         bool          // Transactions are not run again.
}

// ReplaysOf says whether transactions of a user are run again where they are lost.
func (m *MySQL) ReplaysOf(user string) bool {
	return m.TransactionReplay && (len(m.Limits) == 0 || !m.LimitOf(user).NoReplay)
}

// LimitOf gives a user's limits, which may be none.
func (m *MySQL) LimitOf(user string) Limit {
	for i := range m.Limits {
		if m.Limits[i].User == user {
			return m.Limits[i]
		}
	}
	return Limit{User: user}
}

// Pool is how sessions share backend conns.
type Pool struct {
	// Multiplex lets a session give its backend conn back between statements; else it keeps it to its end.
	Multiplex bool
	// MaxPerNode is the number of backend conns to a node; 0 is three quarters of the node's max_connections.
	MaxPerNode int
	// MaxPerUser is the number of backend conns of a user to a node; 0 is no limit but MaxPerNode.
	MaxPerUser int
	// MinIdle is how many idle conns of a user to a node are kept although IdleTime has passed.
	MinIdle int
	// IdleTime is how long a conn may be unused.
	IdleTime time.Duration
	// Lifetime is how long a conn may be open.
	Lifetime time.Duration
	// WaitForConnection is how long a statement waits for a conn where there are as many as there may be.
	WaitForConnection time.Duration
	// MaxWaiting is the number of sessions that may wait for a conn to a node.
	MaxWaiting int
	// Opening is how many conns to a node are opened at a time.
	Opening int
	// MaxStatements is how many prepared statements are kept on a conn.
	MaxStatements int
}

// ConsistencyOf is what holds for a user's statements.
func (m *MySQL) ConsistencyOf(user string) string {
	for i := range m.Users {
		if u := &m.Users[i]; u.User == user && u.Consistency != "" {
			return u.Consistency
		}
	}
	return m.Consistency
}

// The values of MySQL.Consistency.
const (
	// Consistent makes a statement see every write that was acknowledged through galley before it began.
	Consistent = "cluster"
	// OwnWrites makes it see what was acknowledged on the same connection.
	OwnWrites = "session"
	// Strict makes a read see all that the cluster has committed before it began, also past galley.
	Strict = "strict"
	// Eventual lets a read see what its node has applied so far.
	Eventual = "eventual"
)

// The values of MySQL.Compression and MySQL.NodeCompression.
const (
	CompressionAny  = "any"
	CompressionZlib = "zlib"
	CompressionZstd = "zstd"
	CompressionOff  = "off"
)

// The values of Cluster.Degraded.
const (
	DegradedWait     = "wait"
	DegradedReadonly = "readonly"
)

// The values of Cluster.Lease.
const (
	LeaseAuto     = "auto"
	LeaseOff      = "off"
	LeaseRequired = "required"
)

// User is an account with its password.
type User struct {
	User string
	// Host is the host pattern of the account, "%" if not given.
	Host string
	// Password is the password itself, also where it came from PasswordFile or the variable PasswordEnv.
	Password     Secret
	PasswordFile string
	PasswordEnv  string
	// Consistency replaces MySQL.Consistency for whoever logs in with the name User; empty is that.
	Consistency string
	// Imported says that the password is the cluster's: the entry only has settings.
	Imported bool
}

// Cluster is the Galera cluster behind galley.
type Cluster struct {
	// Nodes are in the operator's order, which is the order in which the writer is chosen.
	Nodes   []Node
	Monitor Monitor
	// Interval is the time between two probes of a node.
	Interval     time.Duration
	ProbeTimeout time.Duration
	// Discover lets members that the cluster reports join by themselves.
	Discover bool
	// DiscoverNetworks are the networks, besides the configured nodes' addresses, to whose members credentials are sent.
	DiscoverNetworks []netip.Prefix
	// ReadsOnWriter lets the writer take reads although there are readers.
	ReadsOnWriter bool
	// Degraded is DegradedWait or DegradedReadonly.
	Degraded string
	// TLS is TLS towards nodes.
	TLS ClientTLS
	// SendProxyProtocol begins each backend conn with a PROXY header that has the client's address.
	SendProxyProtocol bool
	// AccountsInterval is the time between two imports of accounts.
	AccountsInterval time.Duration
	// AllowPublicKeyRetrieval lets passwords be encrypted by a public key that a node sends without proof that it is the node's.
	AllowPublicKeyRetrieval bool

	// Lease is LeaseAuto, LeaseOff or LeaseRequired; LeaseTerm is how long a confirmation of it holds, and LeaseSchema where it is kept.
	Lease       string
	LeaseTerm   time.Duration
	LeaseSchema string

	// WeightInFlight, WeightRunning and WeightQueue make a node's load out of galley's own statements in flight, Threads_running and the receive queue.
	WeightInFlight float64
	WeightRunning  float64
	WeightQueue    float64
	// QueueLow and QueueHigh are the shares of gcs.fc_limit at which a reader's share starts to fall and is zero.
	QueueLow  float64
	QueueHigh float64
}

// Node is a configured member.
type Node struct {
	// Address is host:port in normal form: the port always present, IPv6 in brackets. Or unix: and the path of a socket.
	Address string
	// Weight is the node's share of reads relative to the other nodes.
	Weight int
	// Name is the operator's word for the node; empty if none was given.
	Name string
}

// Monitor is the account that probes nodes and imports accounts.
type Monitor struct {
	User string
	// Password is the password itself, also where it came from PasswordFile.
	Password     Secret
	PasswordFile string
}

// Admin is the status page and the API.
type Admin struct {
	// Listen is host:port; empty means no admin page over TCP.
	Listen string
	// Token is the token itself, also where it came from TokenFile; never empty if Listen is not a loopback address.
	Token     Secret
	TokenFile string
	// Socket is the path of the unix socket (0600) for commands; empty means none.
	Socket string
	// AllowedHosts are the names, besides the listen address itself, under which browsers may open the page.
	AllowedHosts []string
}

// Log is how galley writes its log.
type Log struct {
	// Level is trace, debug, info, warn or error.
	Level string
	// Format is text or json.
	Format string
}

// Warnings are findings that do not keep galley from starting, each at its place: for the caller to log after Load.
func (c *Config) Warnings() Problems { return c.warnings }
