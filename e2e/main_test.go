//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/e2e/child"
)

// everything says whether what takes long and is seldom needed runs too: make e2e-all.
func everything() bool { return os.Getenv("E2E_ALL") != "" }

// suite is what all tests share.
var suite struct {
	ctx    context.Context
	lab    *clusterlab.Lab
	galley *galleyProcess
	bin    string
	report report
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	suite.ctx = ctx //nolint:fatcontext // the suite's life, set once
	dir, err := os.MkdirTemp("", "galley-e2e-")
	if err != nil {
		return failed("make a directory", err)
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	bin, err := child.Binary(ctx, dir)
	if err != nil {
		return failed("build galley", err)
	}
	// With E2E_LEASE the galleys of the tests agree on the writer; without it each decides alone.
	schema := map[bool]string{true: "galley"}[os.Getenv("E2E_LEASE") != ""]
	suite.lab, err = clusterlab.Start(ctx, clusterlab.Options{Nodes: 3, LeaseSchema: schema, Progress: func(line string) {
		fmt.Fprintf(os.Stderr, "%5.1f s %s\n", time.Since(began).Seconds(), line)
	}})
	if err != nil {
		return failed("start the cluster", err)
	}
	defer suite.lab.Close()
	if err := createTables(ctx); err != nil {
		return failed("create the tables", err)
	}
	suite.bin = bin
	suite.galley, err = startGalley(ctx, dir, "", "")
	if err != nil {
		return failed("start galley", err)
	}
	defer suite.galley.stop()
	code = m.Run()
	if err := suite.galley.exited(); err != nil {
		code = failed("galley ended during the tests", err)
	}
	suite.report.print(os.Stdout)
	if file := os.Getenv("E2E_REPORT"); file != "" {
		var text bytes.Buffer
		suite.report.print(&text)
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			return failed("write the report", err)
		}
	}
	return code
}

func failed(what string, err error) int {
	fmt.Fprintf(os.Stderr, "e2e: %s: %v\n", what, err)
	if suite.galley != nil {
		fmt.Fprintf(os.Stderr, "galley's log ends with\n%s\n", suite.galley.logTail(40))
	}
	return 1
}

// errGone ends every waiting.
var errGone = errors.New("galley is gone")

// maxSocket is how long the path of a unix socket may be for galley.
const maxSocket = 88

// galleyProcess is the galley under test.
type galleyProcess struct {
	ports   *clusterlab.Addrs
	addr    string
	admin   string
	socket  string // Of its admin door, where the path is short enough.
	logFile string
	cmd     *exec.Cmd
	ended   chan struct{}
	err     error // How it ended; to be read after ended.
	once    sync.Once
}

// startGalley starts galley with the configuration of the README, and more in its sections mysql and cluster, and waits until it says that it is ready. Its files are in dir.
func startGalley(ctx context.Context, dir, mysql, cluster string) (*galleyProcess, error) {
	ports, err := clusterlab.ClaimAddrs()
	if err != nil {
		return nil, err
	}
	addr, admin := ports.Addr(0), ports.Addr(1)
	g := &galleyProcess{ports: ports, addr: addr, admin: admin, logFile: filepath.Join(dir, "galley.log"), ended: make(chan struct{})}
	if keep := os.Getenv("E2E_KEEP_LOG"); keep != "" && mysql == "" && cluster == "" {
		g.logFile = keep
	}
	monitor := suite.lab.Monitor()
	// One account more than there: its password cannot be imported (TestAuthentication).
	cfg := fmt.Sprintf("mysql:\n  listen: %s\n  users: [{user: a_conf, password: pw}]\n%scluster:\n  nodes: [%s]\n  monitor: {user: %s, password: %s}\n%sadmin:\n  listen: %s\n",
		addr, mysql, strings.Join(suite.lab.Addrs(), ", "), monitor.User, monitor.Password, cluster, admin)
	if g.socket = filepath.Join(dir, "a.sock"); len(g.socket) <= maxSocket {
		cfg += "  socket: " + g.socket + "\n"
	}
	file := filepath.Join(dir, "galley.yaml")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(g.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g.cmd = exec.Command(suite.bin, "serve", "-c", file)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig speaks of the thread that forked: this one stays as long as galley does, also when a test panics.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := g.cmd.Start()
		started <- err
		if err == nil {
			g.err = g.cmd.Wait()
			close(g.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	err = eventually(ctx, time.Minute, func() error {
		return errors.Join(g.exited(), g.ready(ctx))
	})
	if err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

// exited is nil while galley runs.
func (g *galleyProcess) exited() error {
	select {
	case <-g.ended:
		return fmt.Errorf("%w: %w", errGone, errors.Join(g.err, errors.New("its log ends with\n"+g.logTail(20))))
	default:
		return nil
	}
}

// ready asks /readyz.
func (g *galleyProcess) ready(ctx context.Context) error {
	_, err := g.get(ctx, "/readyz")
	return err
}

// get is a page of the admin listener.
func (g *galleyProcess) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %.300s", path, resp.Status, body)
	}
	return string(body), nil
}

// stop ends galley properly, or by SIGKILL when it does not end within its grace and a little.
func (g *galleyProcess) stop() {
	g.once.Do(func() {
		defer g.ports.Release()
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
			if g.exited() != nil {
				return
			}
			_ = g.cmd.Process.Signal(sig)
			select {
			case <-g.ended:
			case <-time.After(5 * time.Second):
			}
		}
	})
}

func (g *galleyProcess) logTail(lines int) string {
	text, err := os.ReadFile(g.logFile)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually polls until there is no error any more, or galley is gone.
func eventually(ctx context.Context, within time.Duration, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := check()
		if err == nil || errors.Is(err, errGone) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// needGalley fails the test when galley is gone, and shows the end of its log when the test fails.
func needGalley(t *testing.T) {
	t.Helper()
	if err := suite.galley.exited(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := suite.galley.exited(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("galley's log ends with\n%s", suite.galley.logTail(25))
		}
	})
}
