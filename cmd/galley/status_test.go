package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"galley/config"
)

// TestStatusOfARunningGalley asks a galley that has no node: over TCP with the token, and over the unix socket without.
func TestStatusOfARunningGalley(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "admin.sock")
	if len(socket) > 80 {
		socket = filepath.Join(os.TempDir(), "galley-status-test.sock")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c := load(t, sections+"["+closed.Addr().String()+"]\nadmin: {listen: 127.0.0.1:0, token: 0123456789abcdef0123, socket: "+socket+"}\n")
	g := startAdmin(t, c)

	ask := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	t.Setenv(tokenVariable, "")
	if _, err := ask("status", "--address", g.adminAddr()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the token: got %v", err)
	}
	t.Setenv(tokenVariable, "0123456789abcdef0123")
	for _, door := range [][]string{{"--address", g.adminAddr()}, {"--socket", socket}} {
		text, err := ask(append([]string{"status"}, door...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"galley " + version(), "not ready", closed.Addr().String(), "Clients:", "0 of 100 at " + g.mysqlAddr()} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: not printed: %s\n%s", door, want, text)
			}
		}
		text, err = ask(append([]string{"status", "--json"}, door...)...)
		if err != nil || !json.Valid([]byte(text)) {
			t.Errorf("%s: --json gives %v and %q", door, err, text)
		}
		if _, err := ask(append([]string{"health"}, door...)...); err == nil || !strings.Contains(err.Error(), "not ready") {
			t.Errorf("%s: health gives %v", door, err)
		}
	}
}

// TestStatusOfSomethingElse: what answers at the address is no galley.
func TestStatusOfSomethingElse(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>\x1b[2J") }))
	defer other.Close()
	cmd := newRoot()
	cmd.SetOut(io.Discard)
	cmd.SetArgs([]string{"status", "--address", other.Listener.Addr().String()})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "no status") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %v", err)
	}
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		":9306": "localhost:9306", "0.0.0.0:9306": "localhost:9306", "[::]:9306": "localhost:9306", "10.1.2.3:9306": "10.1.2.3:9306", "[::1]:9306": "[::1]:9306",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

// TestExampleIsValid: what 'galley config --example' prints is a configuration.
func TestExampleIsValid(t *testing.T) {
	var out bytes.Buffer
	cmd := newRoot()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"config", "--example"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(config.Source{File: "galley.yaml", Data: out.Bytes()}); err != nil {
		t.Error(err)
	}
}

// TestStatusOfAFullPool: who waits for connections, and who has them.
func TestStatusOfAFullPool(t *testing.T) {
	const body = `{"headline": {"text": "48 sessions wait.", "detail": "All is in use."},
		"nodes": [
			{"id": "a:1", "addr": "a:1", "pool": {"in_use": 113, "limit": 113, "waiting": 48, "longest_wait_seconds": 4.2,
				"users": [{"user": "shop", "in_use": 100, "waiting": 48, "limit": 0}, {"user": "wp", "in_use": 13, "idle": 1, "limit": 20}]}},
			{"id": "b:1", "addr": "b:1", "pool": {"in_use": 1, "idle": 2, "limit": 113}}],
		"mysql": {"sessions": 200, "waiting_for_connection": 48, "session_rows": [
			{"id": 7, "user": "shop", "state": "in transaction", "state_seconds": 3, "holds": ["a:1"], "pins": []},
			{"id": 8, "user": "shop", "state": "idle", "state_seconds": 900, "holds": ["a:1"], "pins": ["user_lock"]},
			{"id": 9, "user": "shop", "state": "idle", "state_seconds": 950, "holds": ["b:1"], "pins": ["handler"]}]}}`
	var s statusAnswer
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	show := func() string {
		var out bytes.Buffer
		s.print(newPrinter(&out))
		return strings.Join(strings.Fields(out.String()), " ")
	}
	text := show()
	for _, want := range []string{
		"48 sessions wait. All is in use.", "113/0/113 48, 4.2 s", "1/2/113 0", "48 for a connection to one",
		"a:1 shop 100 0 113 in all 48", "a:1 wp 13 1 20 0", "8 shop a:1 idle 900 s user_lock 7 shop a:1 in transaction 3 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not printed: %q in %s", want, text)
		}
	}
	if strings.Contains(text, "handler") {
		t.Errorf("a session is named for which nobody waits: %s", text)
	}
	s.MySQL.Queued = 0
	if text := show(); strings.Contains(text, "user_lock") || strings.Contains(text, "in all") {
		t.Errorf("nobody waits: %s", text)
	}
}

// startAdmin is a galley of which only the admin door runs.
func startAdmin(t *testing.T, c *config.Config) *galley {
	t.Helper()
	g, err := newGalley(c, "", hclog.NewNullLogger(), func() (*config.Config, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := g.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = g.admin.Run(t.Context())
		close(ended)
	}()
	t.Cleanup(func() {
		<-ended
		_ = g.doors[0].Close()
	})
	return g
}
