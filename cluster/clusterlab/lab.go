// Package clusterlab runs a real Galera cluster on this machine: mariadbd processes on 127.0.0.1, made from nothing,
// broken on purpose, and gone without a trace afterwards. It serves the demo, the end-to-end tests and the benchmarks.
// It is not a way to run a cluster that matters: nothing is ever flushed to disk.
//
// The one thing to know first: the context given to [Start] is the life of the lab. When it ends the lab is closed, so
// do not give it the deadline of the start alone.
//
//	lab, err := clusterlab.Start(ctx, clusterlab.Options{Nodes: 3, Progress: func(s string) { fmt.Fprintln(os.Stderr, s) }})
//	if err != nil { … }
//	defer lab.Close()
//	node := lab.Nodes()[0]       // lab.Addrs() are the host:port of all
//	dsn := lab.AppDSN(node)      // go-sql-driver's form; RootDSN, Monitor(), App() and Root() too
//	node.Kill()                  // or Terminate, Pause and Resume
//	err = node.Start(ctx)        // joins again and waits until it is synced
//	more, err := lab.AddNode(ctx)
//
// It needs mariadbd, mariadb-install-db, rsync, lsof and the Galera provider; [Start] names what is missing. Run by root
// the servers become the user mysql (rsync refuses to serve as root); otherwise they run as who calls.
// Nothing outlives the caller: each child dies with it (PR_SET_PDEATHSIG), and what a killed caller left behind (the directory)
// is removed by the next [Start].
package clusterlab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Schema is the schema that the application account owns.
const Schema = "app"

// Options say what cluster to start; the zero value is three nodes in a temporary directory.
type Options struct {
	// Dir is where the lab's own directory is made; the system's directory for temporary files if empty.
	Dir string
	// Nodes is the number of nodes to start with; 3 if zero.
	Nodes int
	// Progress is told what happens, one line without a newline at a time; never concurrently. It may be nil.
	Progress func(line string)
	// BufferPoolMB is each node's innodb_buffer_pool_size in MiB; 128 if zero.
	BufferPoolMB int
	// LeaseSchema is where the monitor account may keep galleys' lease of the writer; empty for none: it may not.
	LeaseSchema string
	// ExtraArgs are added to the command line of every mariadbd, like --log-bin.
	ExtraArgs []string
	// User is whom the servers run as when the caller is root; mysql if empty.
	User string
}

// Account is one user of the cluster, allowed from any host and using mysql_native_password.
type Account struct {
	User     string
	Password string
}

// Lab is a running cluster. Its methods may be called from any goroutine.
type Lab struct {
	opts     Options
	dir      string
	tools    tools
	runAs    *identity
	spawner  *spawner
	owner    *os.File
	accounts map[string]Account
	stopWait func() bool

	progressMu sync.Mutex
	closeOnce  sync.Once

	mu    sync.Mutex
	nodes []*Node
}

// Start makes a cluster from nothing and returns when all its nodes are synced, about 20 seconds later on two cores.
// The lab is closed when ctx ends.
func Start(ctx context.Context, opts Options) (*Lab, error) {
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	if opts.BufferPoolMB == 0 {
		opts.BufferPoolMB = 128
	}
	found, err := findTools(searchPath())
	if err != nil {
		return nil, err
	}
	runAs, err := lookupIdentity(opts.User)
	if err != nil {
		return nil, err
	}
	dir, owner, err := newDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	l := &Lab{
		opts: opts, dir: dir, tools: found, runAs: runAs, owner: owner, spawner: newSpawner(),
		accounts: map[string]Account{
			"root":    {User: "root", Password: rand.Text()},
			"monitor": {User: "monitor", Password: rand.Text()},
			"app":     {User: "app", Password: rand.Text()},
		},
	}
	l.stopWait = context.AfterFunc(ctx, l.Close)
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, fmt.Errorf("start the cluster in %s: %w", dir, err)
	}
	return l, nil
}

// Nodes are all nodes ever started, running or not, in the order they were added.
func (l *Lab) Nodes() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.nodes)
}

// Addrs are the client addresses of [Lab.Nodes].
func (l *Lab) Addrs() []string {
	nodes := l.Nodes()
	addrs := make([]string, 0, len(nodes))
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Dir is the lab's directory; it goes with [Lab.Close].
func (l *Lab) Dir() string { return l.dir }

// Root is the account that may do everything.
func (l *Lab) Root() Account { return l.accounts["root"] }

// Monitor is the account for galley: it has what galley needs to read and nothing more.
func (l *Lab) Monitor() Account { return l.accounts["monitor"] }

// App is the account of an application; all of [Schema] is its own.
func (l *Lab) App() Account { return l.accounts["app"] }

// RootDSN is how go-sql-driver reaches the node over TCP as root.
func (l *Lab) RootDSN(n *Node) string { return dsn(l.Root(), n.Addr(), "") }

// AppDSN is how go-sql-driver reaches the node over TCP as the application.
func (l *Lab) AppDSN(n *Node) string { return dsn(l.App(), n.Addr(), Schema) }

// AddNode makes one more node that joins by a full state transfer, and returns when it is synced.
func (l *Lab) AddNode(ctx context.Context) (*Node, error) {
	n, err := l.newNode()
	if err != nil {
		return nil, err
	}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Close kills the nodes and removes the directory. It may be called more than once.
func (l *Lab) Close() {
	l.closeOnce.Do(func() {
		if l.stopWait != nil {
			l.stopWait()
		}
		for _, n := range l.Nodes() {
			n.shut()
		}
		l.spawner.close()
		// A state transfer's rsync may still be writing for a moment after its server was killed.
		for range 20 {
			if err := os.RemoveAll(l.dir); err == nil {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		_ = l.owner.Close()
	})
}

func (l *Lab) start(ctx context.Context) error {
	began := time.Now()
	l.progress("making the data directory…")
	if err := l.makeTemplate(ctx); err != nil {
		return err
	}
	for range l.opts.Nodes {
		if _, err := l.newNode(); err != nil {
			return err
		}
	}
	nodes := l.Nodes()
	l.progress("%s: starting as the first node of a new cluster…", nodes[0].name)
	if err := nodes[0].launch(ctx, true); err != nil {
		return err
	}
	if err := l.createAccounts(ctx, nodes[0]); err != nil {
		return err
	}
	for _, n := range nodes[1:] {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	l.progress("%d nodes synced after %.1f s", len(nodes), time.Since(began).Seconds())
	return nil
}

// makeTemplate makes the data directory that every node begins with a copy of.
func (l *Lab) makeTemplate(ctx context.Context) error {
	dir := l.templateDir()
	for _, made := range []string{dir, l.tmpDir()} {
		if err := l.mkdir(made); err != nil {
			return err
		}
	}
	out, err := l.run(ctx, l.tools.installDB,
		"--no-defaults", "--datadir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
		"--innodb-log-file-size=32M", "--innodb-flush-method=nosync", "--skip-log-bin", "--cross-bootstrap")
	if err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

func (l *Lab) templateDir() string { return filepath.Join(l.dir, "template") }
func (l *Lab) tmpDir() string      { return filepath.Join(l.dir, "tmp") }

func (l *Lab) newNode() (*Node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ports, err := claimPorts()
	if err != nil {
		return nil, err
	}
	index := len(l.nodes) + 1
	n := &Node{lab: l, index: index, name: fmt.Sprintf("node%d", index), ports: ports}
	n.dir = filepath.Join(l.dir, n.name)
	for _, dir := range []string{n.dir, n.tmpDir()} {
		if err := l.mkdir(dir); err != nil {
			ports.release()
			return nil, err
		}
	}
	if err := copyTree(l.templateDir(), n.dataDir(), l.runAs); err != nil {
		ports.release()
		return nil, fmt.Errorf("%s: copy the data directory: %w", n.name, err)
	}
	l.nodes = append(l.nodes, n)
	return n, nil
}

// createAccounts makes the accounts on the first node; the others get them with their state transfer.
func (l *Lab) createAccounts(ctx context.Context, n *Node) error {
	statements := accountStatements(l.Root(), l.Monitor(), l.App())
	if s := l.opts.LeaseSchema; s != "" {
		statements = slices.Insert(statements, len(statements)-1, "CREATE DATABASE "+s, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON %s.* TO 'monitor'@'%%'", s))
	}
	db, err := n.open(Account{User: "root"})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: create the accounts: %w", n.name, err)
		}
	}
	return nil
}

// accountStatements end with the one that gives root@localhost its password.
func accountStatements(root, monitor, app Account) []string {
	create := func(a Account, host string) string {
		return fmt.Sprintf("CREATE OR REPLACE USER '%s'@'%s' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", a.User, host, a.Password)
	}
	return []string{
		// mariadb-install-db makes root without a password for 127.0.0.1, ::1 and the host's name too.
		"DELETE FROM mysql.global_priv WHERE User IN ('root', '') AND Host <> 'localhost'",
		"FLUSH PRIVILEGES",
		create(root, "%"),
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION",
		create(monitor, "%"),
		"GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.db TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.tables_priv TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.columns_priv TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.procs_priv TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.proxies_priv TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.roles_mapping TO 'monitor'@'%'",
		"GRANT SHOW VIEW ON *.* TO 'monitor'@'%'",
		"GRANT SELECT ON mysql.proc TO 'monitor'@'%'",
		"CREATE DATABASE " + Schema + " CHARACTER SET utf8mb4",
		create(app, "%"),
		"GRANT ALL PRIVILEGES ON " + Schema + ".* TO 'app'@'%'",
		fmt.Sprintf("ALTER USER 'root'@'localhost' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", root.Password),
	}
}

func (l *Lab) progress(format string, args ...any) {
	if l.opts.Progress == nil {
		return
	}
	l.progressMu.Lock()
	defer l.progressMu.Unlock()
	l.opts.Progress(fmt.Sprintf(format, args...))
}

// groupAddrs are the group addresses of the nodes that run, but for one.
func (l *Lab) groupAddrs(except *Node) []string {
	var addrs []string
	for _, n := range l.Nodes() {
		if n != except && n.running() {
			addrs = append(addrs, n.ports.group())
		}
	}
	return addrs
}

func dsn(a Account, addr, schema string) string {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = a.User, a.Password, "tcp", addr, schema
	return cfg.FormatDSN()
}

// ErrNotRunning is what a stopped node answers to whatever needs its process.
var ErrNotRunning = errors.New("the node is not running")
