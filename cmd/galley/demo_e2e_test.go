//go:build e2e

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is galley as 'make build' makes it, or one built here.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("E2E_GALLEY"); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "galley")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// labDir is a directory that the servers' user may pass through.
func labDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "galley-demo-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nothingLeft says what a demo left behind.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind in %s: %v, %v", dir, left, err)
	}
	if out, err := exec.CommandContext(t.Context(), "pgrep", "-f", dir+"/").Output(); err == nil {
		t.Errorf("processes left behind: %s", out)
	}
}

// TestDemoFailover runs the script as a person would, with the usual addresses taken.
func TestDemoFailover(t *testing.T) {
	for _, usual := range []string{demoListen, demoAdmin} {
		if l, err := net.Listen("tcp", usual); err == nil {
			defer l.Close()
		}
	}
	dir := labDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary(t), "demo", "--script", "failover", "--dir", dir).CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"mariadb -h 127.0.0.1 -P ", "http://127.0.0.1:", "is killed (SIGKILL)", "comes back", "is restarted cleanly", "What 9 clients noticed",
		"Nothing that was acknowledged is lost, and nothing was run twice.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not printed: %q", want)
		}
	}
	t.Log(text)
	nothingLeft(t, dir)
}

// TestDemoInterrupted: Ctrl-C while the cluster starts, and while the clients work.
func TestDemoInterrupted(t *testing.T) {
	bin := binary(t)
	for _, until := range []string{"node2: joining", "Ctrl-C ends it"} {
		t.Run(until, func(t *testing.T) {
			dir := labDir(t)
			cmd := exec.CommandContext(t.Context(), bin, "demo", "--dir", dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer guard.Stop()
			var text strings.Builder
			buf := make([]byte, 4096)
			for sent := false; ; {
				n, err := out.Read(buf)
				text.Write(buf[:n])
				if !sent && strings.Contains(text.String(), until) {
					sent = true
					if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
						t.Fatal(err)
					}
				}
				if err != nil {
					break
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, text.String())
			}
			if !strings.Contains(text.String(), until) {
				t.Errorf("never came to it:\n%s", text.String())
			}
			nothingLeft(t, dir)
		})
	}
}
