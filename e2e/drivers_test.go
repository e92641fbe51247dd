//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// driverSuite is the test program of a library, built by drivers.sh.
type driverSuite struct {
	name string
	dir  string // Where its package is, in its source.
	skip string // Tests that are about something else than the server: a network that drops packets, a server at 127.0.0.1:3306.
	// command gives the arguments and the environment with which it tests a server.
	command func(host, port string) (args, env []string)
	// differences are the tests that are known to end otherwise through galley, with the reason.
	differences map[string]string
}

func driverSuites() []driverSuite {
	root := suite.lab.Root()
	return []driverSuite{{
		name: "go-sql-driver",
		dir:  ".",
		skip: "^TestConnectorReturnsTimeout$",
		command: func(host, port string) (args, env []string) {
			return nil, []string{
				"MYSQL_TEST_USER=" + root.User, "MYSQL_TEST_PASS=" + root.Password, "MYSQL_TEST_PROT=tcp", "MYSQL_TEST_ADDR=" + net.JoinHostPort(host, port), "MYSQL_TEST_DBNAME=gotest",
			}
		},
		differences: map[string]string{},
	}, {
		name: "go-mysql",
		dir:  "client",
		skip: "^Example",
		command: func(host, port string) (args, env []string) {
			return []string{"-host=" + host, "-port=" + port, "-user=" + root.User, "-pass=" + root.Password, "-db=gotest"}, nil
		},
		differences: map[string]string{},
	}}
}

// TestDriverSuites runs the libraries' own tests on the writer and through galley. It needs the programs that drivers.sh builds (make drivers).
func TestDriverSuites(t *testing.T) {
	bin := os.Getenv("E2E_DRIVERS")
	if bin == "" {
		t.Skip("make drivers runs this")
	}
	needGalley(t)
	writer := nodeNamed(t, settle(t).writer)
	for _, s := range driverSuites() {
		t.Run(s.name, func(t *testing.T) {
			results := map[string]map[string]string{}
			var outputs []string
			for _, addr := range []string{writer.Addr(), suite.galley.addr} {
				for _, statement := range []string{"DROP DATABASE IF EXISTS gotest", "CREATE DATABASE gotest CHARACTER SET utf8mb4"} {
					if err := writer.Exec(suite.ctx, statement); err != nil {
						t.Fatal(err)
					}
				}
				out := runDriverSuite(t, bin, s, addr)
				results[addr], outputs = driverResults(out), append(outputs, out)
			}
			direct, through := results[writer.Addr()], results[suite.galley.addr]
			if len(direct) < 20 {
				t.Fatalf("only %d tests ran directly:\n%.5000s", len(direct), outputs[0])
			}
			passed, different := 0, 0
			for _, name := range slices.Sorted(maps.Keys(direct)) {
				if direct[name] == "PASS" {
					passed++
				}
				if direct[name] == through[name] {
					continue
				}
				different++
				if reason := s.differences[name]; reason != "" {
					t.Logf("%s: %s directly, %s through galley: %s", name, direct[name], through[name], reason)
					continue
				}
				t.Errorf("%s: %s directly, %q through galley\n%s", name, direct[name], through[name], outputOf(outputs[1], name))
			}
			fmt.Fprintf(os.Stdout, "%s: %d tests, %d pass directly, %d end otherwise through galley\n", s.name, len(direct), passed, different)
		})
	}
}

func runDriverSuite(t *testing.T, bin string, s driverSuite, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	args, env := s.command(host, port)
	ctx, cancel := context.WithTimeout(suite.ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, s.name+".test"), append([]string{"-test.v", "-test.timeout=4m", "-test.skip=" + s.skip}, args...)...)
	cmd.Dir = filepath.Join(bin, s.name+"-source", s.dir)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s on %s: %v", s.name, addr, err)
	return string(out)
}

// driverResults reads what a test program says with -test.v: how each test and each of its parts ended.
func driverResults(out string) map[string]string {
	results := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`).FindAllStringSubmatch(out, -1) {
		results[m[2]] = m[1]
	}
	return results
}

// outputOf is what a test said, from where it began.
func outputOf(out, name string) string {
	_, after, _ := strings.Cut(out, "=== RUN   "+name+"\n")
	said, _, _ := strings.Cut(after, "=== RUN ")
	return said[:min(len(said), 2000)]
}
