//go:build e2e

package clusterlab

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestFPM walks a php-fpm through a life.
func TestFPM(t *testing.T) {
	f, err := StartFPM(t.Context(), FPMOptions{Workers: 2, StatusListen: true, Pool: []string{"request_terminate_timeout = 5s"}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	workers := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); len(f.Workers()) != n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("workers: %v, want %d", f.Workers(), n)
			}
		}
	}
	// The pool that answers on the second port has a worker of its own.
	workers(2)
	path, err := f.Script("a.php", "<?php")
	must(err)
	if !strings.HasPrefix(path, f.Dir()) {
		t.Error(path)
	}
	for _, address := range []string{f.Addr(), f.StatusAddr()} {
		nc, err := net.Dial("tcp", address)
		must(err)
		must(nc.Close())
	}
	must(f.Pause())
	must(f.Resume())
	must(f.Kill())
	if _, err := net.Dial("tcp", f.Addr()); err == nil {
		t.Error("it listens after Kill")
	}
	must(f.Start(t.Context()))
	must(f.Quit())
	must(f.Start(t.Context()))
	must(f.Reload())
	f.Close()
	if _, err := os.Stat(f.Dir()); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}
