package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// unixSocket is the listener whose file mode is its access control.
type unixSocket struct {
	net.Listener
	path string
	file os.FileInfo // what was put at path, so that nobody else's is removed
}

// listenUnix makes a socket with mode 0600 at path. It is born in a directory that only this user can enter and then
// renamed, so that there is no moment in which others could connect, and no umask of the whole process is touched.
// A socket that nobody serves is replaced; a served one, and any other file, is not.
func listenUnix(path string) (*unixSocket, error) {
	if err := checkReplaceable(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".galley")
	if err != nil {
		return nil, fmt.Errorf("admin: socket %s: %w", path, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	born := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: born, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("admin: socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // its name is about to change
	file, err := settle(born, path)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("admin: socket %s: %w", path, err)
	}
	return &unixSocket{Listener: l, path: path, file: file}, nil
}

func settle(born, path string) (os.FileInfo, error) {
	if err := os.Chmod(born, 0o600); err != nil {
		return nil, err
	}
	file, err := os.Lstat(born)
	if err != nil {
		return nil, err
	}
	return file, os.Rename(born, path)
}

// checkReplaceable tells whether a socket may be put at path.
func checkReplaceable(path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("admin: socket %s: %w", path, err)
	case file.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("admin: socket %s: a file that is no socket is there; it is left alone", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("admin: socket %s: another process is serving it", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("admin: socket %s is there, and whether it is served cannot be told: %w", path, err)
	}
	return nil
}

// Close ends the listener and removes the socket, unless another process has put its own in its place.
func (u *unixSocket) Close() error {
	if now, err := os.Lstat(u.path); err == nil && os.SameFile(now, u.file) {
		_ = os.Remove(u.path)
	}
	return u.Listener.Close()
}
