package admin

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketIsPrivateFromBirth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	u, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Lstat(path)
	if err != nil || file.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v; want a socket of mode 0600", file.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the directory it was born in is left: %v", left)
	}
	if _, err := listenUnix(path); err == nil || !strings.Contains(err.Error(), "another process is serving it") {
		t.Errorf("a live socket was replaced: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func TestSocketReplacesOnlyStaleSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file was replaced: %v", err)
	}
	if body, _ := os.ReadFile(path); string(body) != "mine" {
		t.Error("the file was changed")
	}
	os.Remove(path)

	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false) // as a killed process leaves it
	old.Close()
	first, err := listenUnix(path)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}

	// Another process takes the name: the first one's Close must leave it.
	os.Remove(path)
	second, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other's socket was removed: %v", err)
	}
}

func TestSocketServes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	ran := make(chan map[string]string, 1)
	s := newTestServer(t, func(o *Options) {
		o.Listen, o.Socket = "", path
		o.Actions = []Action{{Name: "touch", Run: func(_ context.Context, p map[string]string) (string, error) { ran <- p; return "touched", nil }}}
	})
	stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	resp, err := client.Post("http://galley/api/actions/touch", "application/json", strings.NewReader(`{"node":"node1"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || (<-ran)["node"] != "node1" {
		t.Errorf("%d", resp.StatusCode)
	}
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}
