//go:build e2e

package e2e

import (
	"context"
	_ "embed"
	"fmt"
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

//go:embed mtr.list
var mtrList string

// mtrResult is how one test ended, and what there is to see of a failure.
type mtrResult struct {
	status string
	detail string
}

// TestMariaDBTestSuite runs a part of MariaDB's own test suite on the writer and through galley; the results have to be equal.
// The suite compares every answer with a recorded one, so two passes are two equal outputs.
func TestMariaDBTestSuite(t *testing.T) {
	needGalley(t)
	writer := nodeNamed(t, settle(t).writer)
	// Recorded results are those of one server; the ids that a node gives are its own.
	// With several appliers the rows of a table without a primary key are not in the same order on all nodes.
	setEverywhere(t, "wsrep_slave_threads", "1", "2")
	setEverywhere(t, "wsrep_auto_increment_control", "OFF", "ON")
	setEverywhere(t, "auto_increment_increment", "1", "1")
	setEverywhere(t, "auto_increment_offset", "1", "1")
	// The suite logs in as root without a password, also from inside of its tests.
	for _, statement := range []string{
		"CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING ''",
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION",
	} {
		if err := writer.Exec(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, statement := range []string{"DROP USER 'root'@'127.0.0.1'", "DROP DATABASE IF EXISTS test"} {
			if err := writer.Exec(suite.ctx, statement); err != nil {
				t.Error(err)
			}
		}
	}()
	results := map[string]map[string]mtrResult{}
	for _, addr := range []string{writer.Addr(), suite.galley.addr} {
		for _, statement := range []string{"DROP DATABASE IF EXISTS test", "CREATE DATABASE test CHARACTER SET latin1"} {
			if err := writer.Exec(suite.ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		results[addr] = runMTR(t, addr, mtrTests())
		t.Logf("%d tests on %s in %s", len(results[addr]), addr, time.Since(began).Round(time.Second))
	}
	passed := 0
	for _, name := range mtrTests() {
		direct, through := results[writer.Addr()][name], results[suite.galley.addr][name]
		if direct.status == "pass" {
			passed++
		}
		if direct != through {
			t.Errorf("%s: %s directly, %s through galley\n%s\n%s", name, direct.status, through.status, direct.detail, through.detail)
		}
	}
	if want := len(mtrTests()) - 5; passed < want {
		t.Errorf("only %d of %d tests pass directly", passed, len(mtrTests()))
	}
	fmt.Fprintf(os.Stdout, "mariadb-test-run --extern: %d tests, %d pass directly\n", len(mtrTests()), passed)
}

func mtrTests() []string {
	var names []string
	for line := range strings.Lines(mtrList) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names
}

// runMTR runs tests of the main suite against a server and gives the result of each.
func runMTR(t *testing.T, addr string, tests []string) map[string]mtrResult {
	t.Helper()
	home := mtrHome(t)
	vardir := filepath.Join(t.TempDir(), "var")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		filepath.Join(home, "mariadb-test-run.pl"), "--vardir=" + vardir, "--force", "--max-test-fail=0", "--testcase-timeout=1", "--suite-timeout=5",
		"--extern", "host=" + host, "--extern", "port=" + port, "--extern", "user=root", "--extern", "protocol=tcp",
	}
	for _, name := range tests {
		args = append(args, "main."+name)
	}
	ctx, cancel := context.WithTimeout(suite.ctx, 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "perl", args...)
	cmd.Dir = home
	before := rejects(t, home)
	out, err := cmd.CombinedOutput()
	results := parseMTR(string(out))
	if len(results) == 0 {
		t.Fatalf("mariadb-test-run on %s: %v\n%s", addr, err, out)
	}
	for name, r := range results {
		if r.status != "fail" {
			continue
		}
		// With the rights to do so it leaves the answers of a failed test beside the test.
		for _, file := range []string{filepath.Join(home, "main", name+".reject"), filepath.Join(vardir, "log", name+".reject")} {
			if text, err := os.ReadFile(file); err == nil {
				r.detail = string(text)
				results[name] = r
			}
		}
	}
	for _, file := range rejects(t, home) {
		if !slices.Contains(before, file) {
			_ = os.Remove(file)
		}
	}
	return results
}

func rejects(t *testing.T, home string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(home, "main", "*.reject"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// mtrHome is where the package mariadb-test has its tests.
func mtrHome(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/share/mysql/mysql-test", "/usr/share/mariadb/mariadb-test", "/usr/share/mysql-test"} {
		if _, err := os.Stat(filepath.Join(dir, "mariadb-test-run.pl")); err == nil {
			return dir
		}
	}
	t.Fatal("mariadb-test is missing; e2e/install.sh e2e installs it")
	return ""
}

// parseMTR reads the lines like "main.bool    [ pass ]     17"; what stands below a failure is its detail.
func parseMTR(out string) map[string]mtrResult {
	results := map[string]mtrResult{}
	heading := regexp.MustCompile(`^main\.(\S+).*\[ (pass|fail|skipped|disabled) \]`)
	name := ""
	for line := range strings.Lines(out) {
		if m := heading.FindStringSubmatch(line); m != nil {
			name = m[1]
			results[name] = mtrResult{status: m[2]}
			continue
		}
		r := results[name]
		// The message of mysqltest; the rest has times and paths in it.
		if r.status == "fail" && strings.HasPrefix(line, "mysqltest: ") {
			r.detail += line
			results[name] = r
		}
	}
	return results
}
