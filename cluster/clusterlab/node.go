package clusterlab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Node is one mariadbd of a [Lab], running or not. Its methods may be called from any goroutine.
type Node struct {
	lab   *Lab
	index int
	name  string
	dir   string
	ports *portBlock

	mu       sync.Mutex
	proc     *process
	shutDown bool
}

// Addr is the client address, host:port.
func (n *Node) Addr() string { return n.ports.client() }

// Name is what wsrep_node_name says: node1, node2 and so on; server_id is the number in it.
func (n *Node) Name() string { return n.name }

// LogFile is the server's error log.
func (n *Node) LogFile() string { return filepath.Join(n.dir, "error.log") }

// Socket is the path of the unix socket, which stays usable by root whatever the network does.
func (n *Node) Socket() string { return filepath.Join(n.dir, "s.sock") }

// PID is the process id of the server, 0 if it is not running.
func (n *Node) PID() int {
	if p := n.process(); p != nil {
		return p.pid
	}
	return 0
}

// Start joins the running nodes (again) and returns when the node is synced.
func (n *Node) Start(ctx context.Context) error {
	began := time.Now()
	n.lab.progress("%s: joining (state transfer from one of %d)…", n.name, len(n.lab.groupAddrs(n)))
	if err := n.launch(ctx, false); err != nil {
		return err
	}
	n.lab.progress("%s: synced after %.1f s on %s", n.name, time.Since(began).Seconds(), n.Addr())
	return nil
}

// Kill ends the server by SIGKILL and waits until it is gone.
func (n *Node) Kill() error { return n.end(context.Background(), syscall.SIGKILL) }

// Terminate ends the server by SIGTERM (it leaves the cluster properly) and waits until it is gone.
func (n *Node) Terminate(ctx context.Context) error { return n.end(ctx, syscall.SIGTERM) }

// Pause stops the server by SIGSTOP: it hangs with all its sockets open.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

// Exec runs a statement on this node as root, on a connection of its own.
func (n *Node) Exec(ctx context.Context, statement string) error {
	db, err := n.open(n.lab.Root())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %s: %w", n.name, statement, err)
	}
	return nil
}

// Status is one global status value, like wsrep_local_state_comment; it also works on a node outside the primary component.
func (n *Node) Status(ctx context.Context, name string) (string, error) {
	return n.status(ctx, n.lab.Root(), name)
}

// WaitSynced returns when the node is synced and ready, or has ended, or ctx has.
func (n *Node) WaitSynced(ctx context.Context) error {
	return n.waitSynced(ctx, n.lab.Root())
}

func (n *Node) waitSynced(ctx context.Context, as Account) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		p := n.process()
		if p == nil {
			return fmt.Errorf("%s: wait until synced: %w", n.name, ErrNotRunning)
		}
		state, err := n.status(ctx, as, "wsrep_local_state_comment")
		if err == nil && state == "Synced" {
			ready, err := n.status(ctx, as, "wsrep_ready")
			if err == nil && ready == "ON" {
				return nil
			}
		}
		if err == nil {
			err = errors.New("its state is " + state)
		}
		last = err
		select {
		case <-p.done:
			return fmt.Errorf("%s: the server ended while it was joining; its log ends with\n%s", n.name, tail(n.LogFile(), 15))
		case <-ctx.Done():
			return fmt.Errorf("%s: wait until synced: %w (last: %w)", n.name, ctx.Err(), last)
		case <-tick.C:
		}
	}
}

func (n *Node) status(ctx context.Context, as Account, name string) (string, error) {
	db, err := n.open(as)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	var key, value string
	if err := db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&key, &value); err != nil {
		return "", fmt.Errorf("%s: status %s: %w", n.name, name, err)
	}
	return value, nil
}

// open gives a handle over the unix socket that keeps no idle connection.
func (n *Node) open(as Account) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = as.User, as.Password, "unix", n.Socket()
	cfg.Logger = &mysql.NopLogger{}
	cfg.Params = map[string]string{"wsrep_sync_wait": "0"}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

// launch starts the server, as the first of a new cluster or to join the others, and waits until it is synced.
func (n *Node) launch(ctx context.Context, first bool) error {
	var join []string
	if !first {
		if join = n.lab.groupAddrs(n); len(join) == 0 {
			return fmt.Errorf("%s: no other node runs that it could join: %w", n.name, ErrNotRunning)
		}
	}
	if err := n.spawn(join); err != nil {
		return err
	}
	as := n.lab.Root()
	if first && !exists(n.grastate()) {
		as.Password = "" // The accounts are made once this node is up.
	}
	return n.waitSynced(ctx, as)
}

func (n *Node) spawn(join []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.shutDown:
		return fmt.Errorf("%s: the lab is closed: %w", n.name, ErrNotRunning)
	case n.proc != nil && n.proc.alive():
		return fmt.Errorf("%s: it is running already", n.name)
	}
	endTransfer(n.dataDir())
	text := renderCnf(n.settings(join))
	if err := os.WriteFile(n.cnf(), []byte(text), 0o644); err != nil { //nolint:gosec // the server runs as another user and has to read it
		return fmt.Errorf("%s: %w", n.name, err)
	}
	args := append([]string{"--defaults-file=" + n.cnf()}, n.lab.opts.ExtraArgs...)
	p, err := n.lab.spawner.start(n.lab.command(n.tmpDir(), n.lab.tools.server, args...), n.LogFile(), n.pidFile())
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	n.proc = p
	return nil
}

func (n *Node) end(ctx context.Context, sig syscall.Signal) error {
	p := n.process()
	if p == nil {
		return fmt.Errorf("%s: send %s: %w", n.name, sig, ErrNotRunning)
	}
	if err := p.signal(sig); err != nil {
		return fmt.Errorf("%s: send %s: %w", n.name, sig, err)
	}
	select {
	case <-p.done:
		endTransfer(n.dataDir())
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for its end after %s: %w", n.name, sig, ctx.Err())
	}
}

func (n *Node) signal(sig syscall.Signal) error {
	p := n.process()
	if p == nil {
		return fmt.Errorf("%s: send %s: %w", n.name, sig, ErrNotRunning)
	}
	if err := p.signal(sig); err != nil {
		return fmt.Errorf("%s: send %s: %w", n.name, sig, err)
	}
	return nil
}

// shut kills the server for good and gives its ports back.
func (n *Node) shut() {
	n.mu.Lock()
	n.shutDown = true
	p := n.proc
	n.mu.Unlock()
	if p != nil && p.alive() {
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	}
	endTransfer(n.dataDir())
	n.ports.release()
}

// process is the running process or nil.
func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && n.proc.alive() {
		return n.proc
	}
	return nil
}

func (n *Node) running() bool { return n.process() != nil }

func (n *Node) dataDir() string  { return filepath.Join(n.dir, "data") }
func (n *Node) tmpDir() string   { return filepath.Join(n.dir, "tmp") }
func (n *Node) cnf() string      { return filepath.Join(n.dir, "my.cnf") }
func (n *Node) pidFile() string  { return filepath.Join(n.lab.dir, n.name+".pid") }
func (n *Node) grastate() string { return filepath.Join(n.dataDir(), "grastate.dat") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail is the end of a text file, for messages.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path) //nolint:gosec // a log below the lab's own directory
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
