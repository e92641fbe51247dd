// Package lab is what torture breaks when it may break things: a Galera cluster of its own on this machine, and two galleys in front of it, as child processes.
//
// It is no way to run either; see package clusterlab. The one thing to know first: the galleys are the real binary, given by its path.
package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"galley/cluster/clusterlab"
)

// Lab is a cluster and its galleys.
type Lab struct {
	Cluster *clusterlab.Lab
	Galleys []*Galley
	dir     string
	bin     string
	token   string // Of the admin door.
}

// Galley is one galley in front of the cluster; its addresses stay over restarts.
type Galley struct {
	Addr, Admin string

	lab    *Lab
	id     int
	ports  *clusterlab.Addrs
	relays []*relay // To the nodes, in their order.
	mu     sync.Mutex
	cmd    *exec.Cmd
	done   chan struct{}
}

// Start makes a cluster of three and so many galleys from the binary bin. More is added to the galleys' configuration.
func Start(ctx context.Context, bin string, galleys int, more string, say func(line string)) (*Lab, error) {
	l := &Lab{bin: bin, token: rand.Text()}
	var err error
	if l.dir, err = os.MkdirTemp("", "galley-torture-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	if l.Cluster, err = clusterlab.Start(ctx, clusterlab.Options{Nodes: 3, Progress: say}); err != nil {
		_ = os.RemoveAll(l.dir)
		return nil, fmt.Errorf("start the cluster: %w", err)
	}
	if err := l.allowLease(ctx); err != nil {
		l.Close()
		return nil, err
	}
	for i := range galleys {
		if err := l.add(ctx, i+1, more); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// Close ends all of it.
func (l *Lab) Close() {
	for _, g := range l.Galleys {
		_ = g.end(syscall.SIGKILL)
		g.ports.Release()
		for _, r := range g.relays {
			r.close()
		}
	}
	l.Cluster.Close()
	_ = os.RemoveAll(l.dir)
}

// allowLease gives the monitor what the galleys need to agree on a writer.
func (l *Lab) allowLease(ctx context.Context) error {
	for _, statement := range []string{"CREATE DATABASE IF NOT EXISTS galley", "GRANT ALL PRIVILEGES ON galley.* TO '" + l.Cluster.Monitor().User + "'@'%'"} {
		if err := l.Cluster.Nodes()[0].Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (l *Lab) add(ctx context.Context, id int, more string) error {
	g := &Galley{lab: l, id: id}
	var err error
	if g.ports, err = clusterlab.ClaimAddrs(); err != nil {
		return fmt.Errorf("find addresses for galley: %w", err)
	}
	g.Addr, g.Admin = g.ports.Addr(0), g.ports.Addr(1)
	l.Galleys = append(l.Galleys, g)
	var nodes []string
	for _, n := range l.Cluster.Nodes() {
		r, err := newRelay(n.Addr())
		if err != nil {
			return err
		}
		g.relays, nodes = append(g.relays, r), append(nodes, r.addr())
	}
	monitor := l.Cluster.Monitor()
	// Discovery would find the ways around the relays.
	cfg := fmt.Sprintf("mysql:\n  listen: %s\n  instance_id: %d\ncluster:\n  nodes: [%s]\n  discover: false\n  monitor: {user: %s, password: %s}\nadmin:\n  listen: %s\n  token: %s\n%s",
		g.Addr, id, strings.Join(nodes, ", "), monitor.User, monitor.Password, g.Admin, l.token, more)
	if err := os.WriteFile(g.file("yaml"), []byte(cfg), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return g.start(ctx)
}

func (g *Galley) file(kind string) string {
	return filepath.Join(g.lab.dir, fmt.Sprintf("galley%d.%s", g.id, kind))
}

// start runs the binary and waits until it serves. The child dies with this process.
func (g *Galley) start(ctx context.Context) error {
	log, err := os.OpenFile(g.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open galley's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(g.lab.bin, "serve", "-c", g.file("yaml")) //nolint:noctx // ended by a signal
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, done := make(chan error, 1), make(chan struct{})
	go runLocked(cmd, started, done)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", g.lab.bin, err)
	}
	g.mu.Lock()
	g.cmd, g.done = cmd, done
	g.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); ; {
		select {
		case <-done:
			return fmt.Errorf("galley has ended; its log:\n%s", g.log())
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the caller's own
		case <-time.After(50 * time.Millisecond):
		}
		if err := g.get(ctx, "/readyz", nil); err == nil {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("galley is not ready: %w; its log:\n%s", err, g.log())
		}
	}
}

// runLocked runs a child to its end on a thread of its own: the child dies with the thread that made it.
func runLocked(cmd *exec.Cmd, started chan<- error, done chan<- struct{}) {
	runtime.LockOSThread()
	defer close(done)
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
	}
}

func (g *Galley) end(sig syscall.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd == nil {
		return nil
	}
	err := g.cmd.Process.Signal(sig)
	<-g.done
	g.cmd = nil
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return err //nolint:wrapcheck // says what
}

// log is the end of the galley's log.
func (g *Galley) log() string {
	text, err := os.ReadFile(g.file("log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// Run runs a command of the galley binary with this galley's configuration, like drain.
func (g *Galley) Run(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, g.lab.bin, append(args, "-c", g.file("yaml"))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("galley %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (g *Galley) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Admin+path, nil)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	req.Header.Set("Authorization", "Bearer "+g.lab.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(into) //nolint:wrapcheck // says what
}

// roles are the writer, as the first galley that answers sees it, and the other running nodes.
func (l *Lab) roles(ctx context.Context) (writer *clusterlab.Node, readers []*clusterlab.Node, err error) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		for _, g := range l.Galleys {
			var status struct {
				Cluster struct{ Writer string } `json:"cluster"`
			}
			if err = g.get(ctx, "/api/status", &status); err != nil || status.Cluster.Writer == "" {
				continue
			}
			writer, readers = nil, nil
			for i, n := range l.Cluster.Nodes() {
				switch {
				case g.relays[i].addr() == status.Cluster.Writer:
					writer = n
				case n.PID() != 0:
					readers = append(readers, n)
				}
			}
			if writer != nil && len(readers) > 0 {
				return writer, readers, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err() //nolint:wrapcheck // the caller's own
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, nil, errors.Join(errors.New("no galley knows a writer"), err)
}
