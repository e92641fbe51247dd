package clusterlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// spawner starts the children from one locked thread: PR_SET_PDEATHSIG speaks of the thread that forked, and a thread of the
// Go runtime may end at any time unless a goroutine holds it (prctl(2)).
type spawner struct {
	requests chan func()
	quit     chan struct{}
	once     sync.Once
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan func()), quit: make(chan struct{})}
	go s.run()
	return s
}

func (s *spawner) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case request := <-s.requests:
			request()
		case <-s.quit:
			return
		}
	}
}

// close ends the thread; the children have to be gone by then.
func (s *spawner) close() { s.once.Do(func() { close(s.quit) }) }

// process is a child that was started; it is reaped by its own goroutine.
type process struct {
	pid  int
	done chan struct{}
	err  error // How it ended; to be read after done.
}

// start starts the command with its output appended to a log, and writes a file with its pid.
func (s *spawner) start(cmd *exec.Cmd, logFile, pidFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // meant to be read by anybody
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error, 1)
	select {
	case s.requests <- func() { started <- cmd.Start() }:
	case <-s.quit:
		return nil, fmt.Errorf("start %s: the lab is closed: %w", cmd.Path, ErrNotRunning)
	}
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go p.reap(cmd)
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(p.pid)), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the pid file: %w", err), p.signal(syscall.SIGKILL))
	}
	return p, nil
}

func (p *process) reap(cmd *exec.Cmd) {
	p.err = cmd.Wait()
	close(p.done)
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return ErrNotRunning
	}
	return syscall.Kill(p.pid, sig)
}

// identity is whom the servers run as; nil means as the caller.
type identity struct {
	uid, gid int
}

func lookupIdentity(name string) (*identity, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else is a proper answer
	}
	if name == "" {
		name = "mysql"
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the servers cannot run as root and the user %s is not there (package mariadb-server makes it): %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("user id of %s: %w", name, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("group id of %s: %w", name, err)
	}
	return &identity{uid: uid, gid: gid}, nil
}

// command is a child that runs as the lab's user, in a process group of its own (Ctrl-C at a terminal is the caller's alone),
// and is killed when the caller dies.
func (l *Lab) command(tmpDir, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // a server is ended by signal, with care; the path is one of findTools
	cmd.Dir = l.dir
	cmd.Env = []string{"PATH=" + searchPath(), "HOME=" + tmpDir, "TMPDIR=" + tmpDir, "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if l.runAs != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(l.runAs.uid), Gid: uint32(l.runAs.gid)}
	}
	return cmd
}

// run runs a program to its end and gives what it printed.
func (l *Lab) run(ctx context.Context, path string, args ...string) (string, error) {
	file, err := os.CreateTemp(l.dir, "run-*.log")
	if err != nil {
		return "", err
	}
	_ = file.Close()
	p, err := l.spawner.start(l.command(l.tmpDir(), path, args...), file.Name(), file.Name()+".pid")
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		// Its children are in its process group.
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.done
		return "", ctx.Err()
	}
	out, err := os.ReadFile(file.Name())
	return string(out), errors.Join(p.err, err)
}
