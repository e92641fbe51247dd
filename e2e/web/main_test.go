//go:build e2e

// Package web tests the web tier as sites use it: a cluster of three nodes, two php-fpm and one galley in front of both, with a WordPress and two small sites.
package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/e2e/child"
)

// town is what all tests share.
var town struct {
	ctx       context.Context
	lab       *clusterlab.Lab
	pools     []*clusterlab.FPM
	dir       string // Roots of sites are in it, by their names.
	web       string // host:port of galley's web tier.
	mysql     string
	admin     string
	log       string
	accessLog string
}

// The hosts of the small sites; WordPress has every other.
const (
	hostOne = "one.test"
	hostTwo = "two.test"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	town.ctx = ctx //nolint:fatcontext // the suite's life, set once
	down, err := build(ctx)
	defer down()
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		return 1
	}
	return m.Run()
}

// build puts all there, and gives a function that takes it away.
func build(ctx context.Context) (down func(), err error) {
	var undo []func()
	down = func() {
		for i := range undo {
			undo[len(undo)-1-i]()
		}
	}
	if town.dir, err = os.MkdirTemp("", "galley-web-"); err != nil {
		return down, err
	}
	undo = append(undo, func() { _ = os.RemoveAll(town.dir) })
	if err := os.Chmod(town.dir, 0o755); err != nil { // php-fpm runs as another user.
		return down, err
	}
	for _, name := range []string{"wordpress", hostOne, hostTwo, "sessions"} {
		if err := os.Mkdir(filepath.Join(town.dir, name), 0o755); err != nil {
			return down, err
		}
	}
	if err := os.Chmod(filepath.Join(town.dir, "sessions"), 0o1777); err != nil {
		return down, err
	}
	bin, err := child.Binary(ctx, town.dir)
	if err != nil {
		return down, err
	}
	for range 2 {
		pool, err := clusterlab.StartFPM(ctx, clusterlab.FPMOptions{
			Workers: 4, StatusListen: true, Global: []string{"process_control_timeout = 10s"},
			// Both keep sessions at one place, as pools on several machines do on shared storage.
			Pool: []string{"php_admin_value[session.save_path] = " + filepath.Join(town.dir, "sessions")},
		})
		if err != nil {
			return down, err
		}
		undo = append(undo, pool.Close)
		town.pools = append(town.pools, pool)
	}
	if town.lab, err = clusterlab.Start(ctx, clusterlab.Options{Nodes: 3}); err != nil {
		return down, err
	}
	undo = append(undo, town.lab.Close)
	end, err := serve(ctx, bin)
	if err != nil {
		return down, err
	}
	undo = append(undo, end)
	return down, nil
}

// configuration is galley's, with both tiers.
func configuration() string {
	text := fmt.Sprintf("mysql: {listen: %q, grace: 1s}\ncluster:\n  monitor: {user: %s, password: %s}\n  nodes:\n", town.mysql, town.lab.Monitor().User, town.lab.Monitor().Password)
	for _, addr := range town.lab.Addrs() {
		text += fmt.Sprintf("    - %q\n", addr)
	}
	text += fmt.Sprintf("admin: {listen: %q}\nweb:\n  listen: %q\n  grace: 2s\n  access_log: %s\n  access_log_format: json\n", town.admin, town.web, town.accessLog)
	text += fmt.Sprintf("  pools:\n    - name: php\n      status_path: %s\n      ping_path: %s\n      backends:\n", clusterlab.FPMStatusPath, clusterlab.FPMPingPath)
	for _, pool := range town.pools {
		text += fmt.Sprintf("        - {address: %q, status_listen: %q}\n", pool.Addr(), pool.StatusAddr())
	}
	text += "  sites:\n"
	for _, host := range []string{hostOne, hostTwo} {
		text += fmt.Sprintf("    - {hosts: [%s], root: %q, pool: php}\n", host, filepath.Join(town.dir, host))
	}
	return text + fmt.Sprintf("    - {hosts: [\"*\"], root: %q, pool: php, preset: wordpress}\n", filepath.Join(town.dir, "wordpress"))
}

// serve starts galley.
func serve(ctx context.Context, bin string) (end func(), err error) {
	addrs, err := clusterlab.ClaimAddrs()
	if err != nil {
		return nil, err
	}
	town.mysql, town.web, town.admin = addrs.Addr(0), addrs.Addr(1), addrs.Addr(2)
	file := filepath.Join(town.dir, "galley.yaml")
	town.log, town.accessLog = filepath.Join(town.dir, "log"), filepath.Join(town.dir, "access.log")
	if err := os.WriteFile(file, []byte(configuration()), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(town.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, bin, "serve", "-c", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		addrs.Release()
		if kept := os.Getenv("E2E_WEB_LOGS"); kept != "" {
			_ = os.MkdirAll(kept, 0o755)
			_ = exec.Command("cp", town.log, town.accessLog, kept).Run()
		}
	}
	until := time.Now().Add(time.Minute)
	for {
		if err = child.Answers(ctx, town.admin, "/readyz"); err == nil {
			return end, nil
		}
		if time.Now().After(until) {
			text, _ := os.ReadFile(town.log)
			end()
			return nil, fmt.Errorf("galley is not ready: %w\n%s", err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// word is one that nobody has used.
func word() string { return "w" + rand.Text()[:10] }
