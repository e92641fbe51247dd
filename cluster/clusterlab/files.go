package clusterlab

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A lab's directory belongs to the caller; the servers own what lies below nodeN only. Its file owner is locked by the
// process that made the lab for as long as that lives: a directory whose lock is free was left behind.
const (
	dirPrefix = "galley-lab-"
	ownerFile = "owner"
)

// newDir is makeDir below the system's directory for temporary files if parent is empty, where what others left behind is removed first.
func newDir(parent string) (dir string, owner *os.File, err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	removeLeftovers(parent)
	return makeDir(parent)
}

// makeDir makes a lab's directory and locks it. The owner file gets its name when it is locked already, so that nobody who
// looks for leftovers finds it free.
func makeDir(parent string) (dir string, owner *os.File, err error) {
	dir, err = os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	// Unix socket paths end at 107 bytes (unix(7)).
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if longest := filepath.Join(dir, "node10", "s.sock"); len(longest) > 107 {
		return "", nil, fmt.Errorf("the directory's path is too long for unix sockets: %s", dir)
	}
	if err = os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the servers have to pass through it to their own
		return "", nil, err
	}
	path := filepath.Join(dir, ownerFile)
	owner, err = os.OpenFile(path+".new", os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a path in the directory just made
	if err != nil {
		return "", nil, err
	}
	if err = syscall.Flock(int(owner.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", nil, err
	}
	return dir, owner, os.Rename(path+".new", path)
}

// removeLeftovers ends and removes the labs of this user below parent whose maker is gone. What it cannot remove stays.
func removeLeftovers(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*")) // The only error is a bad pattern.
	for _, dir := range dirs {
		removeLeftover(dir)
	}
}

func removeLeftover(dir string) {
	st, err := os.Lstat(dir)
	if err != nil || !st.IsDir() {
		return
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || int(sys.Uid) != os.Geteuid() {
		return
	}
	owner, err := os.OpenFile(filepath.Join(dir, ownerFile), os.O_RDWR|syscall.O_NOFOLLOW, 0) //nolint:gosec // only locked
	if err != nil {
		return
	}
	defer func() { _ = owner.Close() }()
	if err := syscall.Flock(int(owner.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return
	}
	pidFiles, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, file := range pidFiles {
		killNamed(file, dir)
	}
	nodes, _ := filepath.Glob(filepath.Join(dir, "node*", "data"))
	for _, data := range nodes {
		endTransfer(data)
	}
	_ = os.RemoveAll(dir)
}

// endTransfer kills the rsync that a state transfer to this data directory may have left when its server was killed.
func endTransfer(dataDir string) {
	killNamed(filepath.Join(dataDir, "rsync_sst.pid"), dataDir)
}

// killNamed kills the process of a pid file if its command line names the directory; a pid alone may be anybody's by now.
func killNamed(pidFile, dir string) {
	text, err := os.ReadFile(pidFile) //nolint:gosec // a number is all that is taken from it
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(cmdline, []byte(dir+"/")) {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// mkdir makes a directory that the servers own.
func (l *Lab) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // logs are meant to be read
		return err
	}
	return l.runAs.own(dir)
}

func (id *identity) own(path string) error {
	if id == nil {
		return nil
	}
	return os.Lchown(path, id.uid, id.gid)
}

// copyTree copies a data directory: directories and regular files, which is all there is in one.
func copyTree(from, to string, owner *identity) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			if err := os.Mkdir(target, 0o700); err != nil {
				return err
			}
		case entry.Type().IsRegular():
			if err := copyFile(path, target); err != nil {
				return err
			}
		default:
			return nil
		}
		return owner.own(target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // a path below the lab's own directory
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a path below the lab's own directory
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
