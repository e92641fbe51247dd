package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive is after how long without a word the other side is asked whether it is still there, and how often it is asked again; keepAliveProbes is how many times. They are Go's own.
const (
	keepAlive       = 15 * time.Second
	keepAliveProbes = 9
)

// ListenTCP listens on host:port. What Go would set on each connection is set on the listening socket, from which Linux takes it over (tcp(7); measured: three system calls of
// a connection's first ten).
func ListenTCP(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{KeepAlive: -1, Control: setKeepAlive}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return l, nil
}

// setKeepAlive has the connections of a listening socket kept alive.
func setKeepAlive(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes},
		} {
			failed = errors.Join(failed, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
		}
	})
	return errors.Join(err, failed)
}

// Socket says where a unix socket is and who may connect to it.
type Socket struct {
	Path  string
	Mode  fs.FileMode
	Group string // By name or number; empty for the process's own.
}

// unixListener is a listener that takes its socket away when it ends.
type unixListener struct {
	net.Listener
	path string
	file os.FileInfo // What was put at path, so that nobody else's is removed.
}

// ListenUnix makes a unix socket. It is born in a directory that only this user can enter, gets its group and mode there and is then renamed, so that there is
// no moment in which others could connect, and no umask of the whole process is touched. A socket that nobody serves is replaced; a served one, and any
// other file, is not.
func ListenUnix(ctx context.Context, s Socket) (net.Listener, error) {
	l, err := listenUnix(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("listening on socket %s: %w", s.Path, err)
	}
	return l, nil
}

func listenUnix(ctx context.Context, s Socket) (net.Listener, error) {
	gid, err := groupID(s.Group)
	if err != nil {
		return nil, err
	}
	if err := checkReplaceable(ctx, s.Path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(s.Path), ".galley")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // Empty by then, or of no use.
	born := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: born, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // Its name is about to change.
	file, err := settle(born, s, gid)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &unixListener{Listener: l, path: s.Path, file: file}, nil
}

// settle gives a socket its group, mode and path.
func settle(born string, s Socket, gid int) (os.FileInfo, error) {
	if gid >= 0 {
		if err := os.Chown(born, -1, gid); err != nil {
			return nil, fmt.Errorf("giving it to group %s (this user must be in it): %w", s.Group, err)
		}
	}
	if err := os.Chmod(born, s.Mode); err != nil {
		return nil, err
	}
	file, err := os.Lstat(born)
	if err != nil {
		return nil, err
	}
	return file, os.Rename(born, s.Path)
}

// groupID finds a group; it is -1 where none is asked for.
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if gid, err := strconv.Atoi(group); err == nil && gid >= 0 {
		return gid, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// answerLimit is how long a socket that is there may take to answer; the kernel answers for a server that lives.
const answerLimit = time.Second

// checkReplaceable tells whether a socket may be put at path.
func checkReplaceable(ctx context.Context, path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode().Type() != fs.ModeSocket:
		return errors.New("a file that is no socket is there; it is left alone")
	}
	nc, err := (&net.Dialer{Timeout: answerLimit}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = nc.Close()
		return errors.New("another process is serving it")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("it is there, and whether it is served cannot be told: %w", err)
	}
	return nil
}

// Close ends the listener and removes the socket, unless another process has put its own in its place.
func (u *unixListener) Close() error {
	if now, err := os.Lstat(u.path); err == nil && os.SameFile(now, u.file) {
		_ = os.Remove(u.path)
	}
	return u.Listener.Close()
}

// Addr is where the socket is, not where it was born.
func (u *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: u.path, Net: "unix"} }
