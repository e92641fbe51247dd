package proxy

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// listen makes a socket, and closes it when the test ends.
func listen(t *testing.T, s Socket) net.Listener {
	t.Helper()
	l, err := ListenUnix(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestUnixSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mysql.sock")
	group := strconv.Itoa(os.Getegid())
	if os.Geteuid() == 0 {
		group = "daemon"
	}
	l := listen(t, Socket{Path: path, Mode: 0o640, Group: group})
	file, err := os.Stat(path)
	if err != nil || file.Mode() != fs.ModeSocket|0o640 {
		t.Fatalf("%v, %v", file, err)
	}
	gid, err := groupID(group)
	if owner := file.Sys().(*syscall.Stat_t); err != nil || int(owner.Gid) != gid {
		t.Errorf("the group is %d, want %d (%v)", owner.Gid, gid, err)
	}
	if l.Addr().String() != path {
		t.Errorf("the address is %s", l.Addr())
	}
	go func() {
		if nc, err := net.Dial("unix", path); err == nil {
			_ = nc.Close()
		}
	}()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Meet(nc, nil); err != nil || !p.Local || !p.Socket || p.Host() != "localhost" {
		t.Errorf("the client is %+v, %v", p, err)
	}
	_ = nc.Close()
	if _, err := ListenUnix(t.Context(), Socket{Path: path, Mode: 0o600}); err == nil || !strings.Contains(err.Error(), "another process is serving it") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the second one has taken the socket away: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnixSocketOfTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	listen(t, Socket{Path: path, Mode: 0o600})
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.Close()
}

func TestUnixSocketRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		socket Socket
		want   string
	}{
		"a file":       {Socket{Path: file, Mode: 0o660}, "a file that is no socket is there"},
		"no directory": {Socket{Path: filepath.Join(dir, "none", "s"), Mode: 0o660}, "no such file or directory"},
		"no group":     {Socket{Path: filepath.Join(dir, "s"), Mode: 0o660, Group: "no-such-group"}, "unknown group no-such-group"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ListenUnix(t.Context(), test.socket)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.socket.Path) {
				t.Errorf("%v", err)
			}
		})
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestReplacedSocketStays holds that a listener that ends late does not take away the socket of its successor.
func TestReplacedSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, Socket{Path: path, Mode: 0o600})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	listen(t, Socket{Path: path, Mode: 0o600})
	_ = first.Close()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestListenTCPTaken(t *testing.T) {
	l, err := ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := ListenTCP(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "listening on "+l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

// TestConnectionsAreKeptAlive: what is set on the listening socket holds for the connections.
func TestConnectionsAreKeptAlive(t *testing.T) {
	l, err := ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, want int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes},
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		} {
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.name); err != nil || got != o.want {
				t.Errorf("option %d of level %d is %d, want %d (%v)", o.name, o.level, got, o.want, err)
			}
		}
	}); err != nil {
		t.Error(err)
	}
}
