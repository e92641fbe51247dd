package clusterlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The pages of php-fpm itself.
const (
	FPMStatusPath = "/fpm-status"
	FPMPingPath   = "/fpm-ping"
)

// FPMOptions say what php-fpm to start; the zero value has 4 workers on a free port.
type FPMOptions struct {
	// Dir is where its directory is made; the system's directory for temporary files if empty.
	Dir string
	// Workers is pm.max_children, all started at once; 4 if zero.
	Workers int
	// Unix has it listen on a unix socket instead of a port of 127.0.0.1.
	Unix bool
	// StatusListen opens a second port that answers FPMStatusPath when all workers are busy.
	StatusListen bool
	// Global and Pool are further lines of the two sections of its configuration, like "process_control_timeout = 10s".
	Global, Pool []string
	// User is whom it runs as when the caller is root; www-data if empty.
	User string
}

// FPM is a master of php-fpm with its workers. Its methods may be called from one goroutine at a time.
type FPM struct {
	opts    FPMOptions
	program string
	dir     string
	owner   *os.File
	runAs   *identity
	ports   *portBlock
	spawner *spawner
	process *process
	stop    func() bool
}

// fpmWait is how long a master may take to listen, or to end.
const fpmWait = 15 * time.Second

// StartFPM starts a master of php-fpm and returns when it listens. It is closed when ctx ends.
func StartFPM(ctx context.Context, opts FPMOptions) (*FPM, error) {
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.User == "" {
		opts.User = "www-data"
	}
	program, err := findFPM(searchPath())
	if err != nil {
		return nil, err
	}
	runAs, err := lookupIdentity(opts.User)
	if err != nil {
		return nil, err
	}
	dir, owner, err := newDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	f := &FPM{opts: opts, program: program, dir: dir, owner: owner, runAs: runAs, spawner: newSpawner()}
	if f.ports, err = claimPorts(); err == nil {
		err = f.prepare()
	}
	if err == nil {
		err = f.Start(ctx)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("start php-fpm in %s: %w", dir, err)
	}
	f.stop = context.AfterFunc(ctx, f.kill)
	return f, nil
}

// findFPM looks for php-fpm, which Debian calls by its version.
func findFPM(path string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		found, _ := filepath.Glob(filepath.Join(dir, "php-fpm*")) // the only error is a bad pattern
		slices.Sort(found)
		for _, candidate := range slices.Backward(found) {
			if st, err := os.Stat(candidate); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return candidate, nil
			}
		}
	}
	return "", errors.New("php-fpm not found; on Debian: apt-get install --no-install-recommends php-fpm")
}

// prepare writes the configuration and makes the directory where the servers may write.
func (f *FPM) prepare() error {
	listen := f.ports.client()
	if f.opts.Unix {
		listen = filepath.Join(f.dir, "www", "fpm.sock")
	}
	lines := append([]string{"[global]", "daemonize = no", "error_log = " + filepath.Join(f.dir, "www", "fpm.log")}, f.opts.Global...)
	lines = append(lines, "[www]", "listen = "+listen, "listen.mode = 0666", "pm = static", "pm.max_children = "+strconv.Itoa(f.opts.Workers),
		"pm.status_path = "+FPMStatusPath, "ping.path = "+FPMPingPath, "php_admin_flag[log_errors] = on")
	if f.opts.StatusListen {
		lines = append(lines, "pm.status_listen = "+f.ports.group())
	}
	lines = append(lines, f.opts.Pool...)
	www := filepath.Join(f.dir, "www")
	if err := os.Mkdir(www, 0o755); err != nil { //nolint:gosec // scripts are meant to be read
		return err
	}
	if f.runAs != nil {
		if err := os.Chown(www, f.runAs.uid, f.runAs.gid); err != nil {
			return err
		}
	}
	return os.WriteFile(f.conf(), []byte(strings.Join(lines, "\n")+"\n"), 0o644) //nolint:gosec // there is no secret in it
}

func (f *FPM) conf() string { return filepath.Join(f.dir, "fpm.conf") }

// Dir is a directory where scripts can be put, and where they can write.
func (f *FPM) Dir() string { return filepath.Join(f.dir, "www") }

// Script writes a script and gives its path.
func (f *FPM) Script(name, text string) (string, error) {
	path := filepath.Join(f.Dir(), name)
	return path, os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // meant to be read by the servers
}

// Addr is where it listens: host:port, or unix: and a path.
func (f *FPM) Addr() string {
	if f.opts.Unix {
		return "unix:" + filepath.Join(f.Dir(), "fpm.sock")
	}
	return f.ports.client()
}

// StatusAddr is where the status is to be had when all workers are busy; empty without StatusListen.
func (f *FPM) StatusAddr() string {
	if f.opts.StatusListen {
		return f.ports.group()
	}
	return ""
}

// Pid is the master's.
func (f *FPM) Pid() int { return f.process.pid }

// Workers are the pids of the workers.
func (f *FPM) Workers() []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", f.process.pid, f.process.pid))
	if err != nil {
		return nil
	}
	var pids []int
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Start starts the master, again after Kill or Quit, and waits until it listens.
func (f *FPM) Start(ctx context.Context) error {
	if f.process != nil && f.process.alive() {
		return errors.New("php-fpm is running")
	}
	args := []string{"-F", "-y", f.conf()}
	if f.runAs == nil && os.Geteuid() == 0 {
		args = append(args, "-R")
	}
	cmd := exec.Command(f.program, args...) //nolint:gosec,noctx // a server is ended by signal; the path is one of findFPM
	cmd.Dir = f.Dir()
	cmd.Env = []string{"PATH=" + searchPath(), "LC_ALL=C"}
	// A master that dies by SIGKILL leaves its workers behind; by SIGTERM it takes them along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if f.runAs != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(f.runAs.uid), Gid: uint32(f.runAs.gid)}
	}
	var err error
	if f.process, err = f.spawner.start(cmd, filepath.Join(f.dir, "fpm.out"), filepath.Join(f.dir, "fpm.pid")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fpmWait)
	defer cancel()
	network, address := "tcp", f.Addr()
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-f.process.done:
			out, _ := os.ReadFile(filepath.Join(f.dir, "fpm.out"))
			return fmt.Errorf("php-fpm has ended (%w): %s", errors.Join(f.process.err, err), out)
		case <-ctx.Done():
			return fmt.Errorf("php-fpm does not listen on %s: %w", address, ctx.Err())
		case <-tick.C:
		}
	}
}

// Kill ends the master and all workers by SIGKILL.
func (f *FPM) Kill() error {
	if f.process == nil || !f.process.alive() {
		return ErrNotRunning
	}
	f.kill()
	return nil
}

func (f *FPM) kill() {
	if f.process == nil {
		return
	}
	workers := f.Workers()
	// Workers that were left by a master that has ended are in its process group still.
	_ = syscall.Kill(-f.process.pid, syscall.SIGKILL)
	<-f.process.done
	// They hold the socket until they are gone, a moment later than the master.
	for end := time.Now().Add(fpmWait); slices.ContainsFunc(workers, running) && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

// running says whether a process is there and has not ended.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, found := strings.Cut(string(stat), ") ") // Behind the name, which may have anything in it.
	return found && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// Pause stops the master and all workers by SIGSTOP; Resume lets them go on.
func (f *FPM) Pause() error { return f.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (f *FPM) Resume() error { return f.Signal(syscall.SIGCONT) }

// Signal sends a signal to the master and all workers.
func (f *FPM) Signal(sig syscall.Signal) error {
	if f.process == nil || !f.process.alive() {
		return ErrNotRunning
	}
	return syscall.Kill(-f.process.pid, sig)
}

// Quit has the master end when its workers have (SIGQUIT), and waits for that.
func (f *FPM) Quit() error {
	if err := f.process.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	timer := time.NewTimer(fpmWait)
	defer timer.Stop()
	select {
	case <-f.process.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("php-fpm %d does not end", f.process.pid)
	}
}

// Reload has the master start itself and its workers anew (SIGUSR2).
func (f *FPM) Reload() error { return f.process.signal(syscall.SIGUSR2) }

// Close ends php-fpm and removes its directory. It may be called again.
func (f *FPM) Close() {
	if f.stop != nil {
		f.stop()
	}
	f.kill()
	f.spawner.close()
	if f.ports != nil {
		f.ports.release()
	}
	_ = os.RemoveAll(f.dir)
	_ = f.owner.Close()
}
