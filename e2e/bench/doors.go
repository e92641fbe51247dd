package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"galley/e2e/child"
)

// The names of the doors.
const (
	doorDirect   = "direct"
	doorHAProxy  = "haproxy"
	doorHAProxy2 = "haproxy, 2 threads"
	doorGalley   = "galley"
	doorOther    = "other galley"
	doorUnshared = "galley, not sharing"
	doorEventual = "galley, eventual"
	doorStrict   = "galley, strict"
	doorEach     = "haproxy, each waits"
	doorFew      = "galley, 60 clients"
	doorOneNode  = "galley, one node"
)

// door is one way to the cluster.
type door struct {
	name   string
	reads  string // Address for what only reads.
	writes string // Address for what also writes.
	admin  string // Where galley tells of itself.
	proxy  *proxy // Nil for the direct one.
}

func (d *door) addr(writes bool) string {
	if writes {
		return d.writes
	}
	return d.reads
}

// pid is the proxy's process, 0 without one.
func (d *door) pid() int {
	if d.proxy == nil {
		return 0
	}
	return d.proxy.cmd.Process.Pid
}

// proxy is a running proxy process.
type proxy struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // How it ended; to be read after ended.
	log   string
}

// startProxy starts a proxy that lasts until it is stopped.
func (s *site) startProxy(name, path string, args ...string) (*proxy, error) {
	p := &proxy{name: name, ended: make(chan struct{}), log: filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", strings.Fields(name)[0], s.next()))}
	if name == doorGalley && s.plan.galleyLog != "" {
		p.log = s.plan.galleyLog
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(path, args...) //nolint:gosec,noctx // a program of the plan, ended by stop
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.plan.pin.start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.wait()
	return p, nil
}

func (p *proxy) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// stop ends the proxy at once: nothing that it carries is worth waiting for.
func (p *proxy) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // With its children.
	<-p.ended
}

// await waits until check passes.
func (p *proxy) await(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, err), text)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.name, err)
		}
	}
}

// startHAProxy starts one with its default number of threads (0) or another.
func (s *site) startHAProxy(ctx context.Context, name string, nbthread int) (*door, error) {
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global\n    maxconn %d\n", s.plan.idleBehindHAProxy()+1000)
	if nbthread > 0 {
		fmt.Fprintf(&b, "    nbthread %d\n", nbthread)
	}
	b.WriteString("defaults\n    mode tcp\n    balance leastconn\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n")
	for i, listen := range []string{"reads", "writes"} {
		fmt.Fprintf(&b, "listen %s\n    bind %s\n", listen, addrs[i])
		for j, node := range s.lab.Addrs() {
			backup := ""
			if listen == "writes" && j > 0 {
				backup = " backup"
			}
			fmt.Fprintf(&b, "    server node%d %s%s\n", j+1, node, backup)
		}
	}
	file := filepath.Join(s.dir, fmt.Sprintf("haproxy-%d.cfg", s.next()))
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	p, err := s.startProxy(name, s.haproxy, "-db", "-f", file)
	if err != nil {
		return nil, err
	}
	d := &door{name: name, reads: addrs[0], writes: addrs[1], proxy: p}
	if err := p.await(ctx, func(ctx context.Context) error { return s.ping(ctx, d.writes) }); err != nil {
		p.stop()
		return nil, err
	}
	return d, nil
}

// startGalley starts one with the README's configuration and what is given of its section mysql; for the nodes that are given, or else all.
func (s *site) startGalley(ctx context.Context, name, binary, mysql string, nodes ...string) (*door, error) {
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	discover := len(nodes) == 0
	if discover {
		nodes = s.lab.Addrs()
	}
	monitor := s.lab.Monitor()
	text := fmt.Sprintf("mysql:\n  listen: %s\n%scluster:\n  nodes: [%s]\n  discover: %t\n  monitor: {user: %s, password: %s}\nadmin:\n  listen: %s\n",
		addrs[0], mysql, strings.Join(nodes, ", "), discover, monitor.User, monitor.Password, addrs[1])
	file := filepath.Join(s.dir, fmt.Sprintf("galley-%d.yaml", s.next()))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := s.startProxy(name, binary, "serve", "-c", file)
	if err != nil {
		return nil, err
	}
	d := &door{name: name, reads: addrs[0], writes: addrs[0], admin: addrs[1], proxy: p}
	err = p.await(ctx, func(ctx context.Context) error {
		if err := child.Answers(ctx, addrs[1], "/readyz"); err != nil {
			return err
		}
		return s.ping(ctx, addrs[0])
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return d, nil
}

// freeAddrs are addresses that were free a moment ago.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
