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

	"galley/cluster/clusterlab"
)

//go:embed mtr.list
var mtrList string

// mtrResult is how one test ended, and what there is to see of a failure.
type mtrResult struct {
	status string
	detail string
}

// mtrModes are the ways in which the suite can be run, with the options of mariadb-test-run for each.
func mtrModes() []string { return []string{"plain", "ps", "cursor"} }

// mtrShare is the part of the list that is run unless E2E_MTR=all asks for everything: one test in so many, in each mode others.
const mtrShare = 36

// mtrTest is a line of mtr.list.
type mtrTest struct {
	name  string
	modes []string
}

// TestMariaDBTestSuite runs a part of MariaDB's own test suite on the writer and through galley; the results have to be equal.
// The suite compares every answer with a recorded one, so two passes are two equal outputs. With E2E_MTR=all it runs the whole of mtr.list, and
// with names of tests, separated by commas, these.
func TestMariaDBTestSuite(t *testing.T) {
	needGalley(t)
	writer := nodeNamed(t, settle(t).writer)
	mtrCluster(t, writer)
	for i, mode := range mtrModes() {
		t.Run(mode, func(t *testing.T) {
			tests := mtrTests(t, mode)
			switch only := os.Getenv("E2E_MTR"); only {
			case "all":
			case "":
				tests = slices.DeleteFunc(slices.Clone(tests), func(name string) bool { return slices.Index(tests, name)%mtrShare != i })
			default:
				tests = strings.Split(only, ",")
			}
			results := map[string]map[string]mtrResult{}
			for _, addr := range []string{writer.Addr(), suite.galley.addr} {
				began := time.Now()
				results[addr] = runMTR(t, writer, addr, mode, tests)
				t.Logf("%d tests on %s in %s", len(results[addr]), addr, time.Since(began).Round(time.Second))
			}
			passed := 0
			for _, name := range tests {
				direct, through := results[writer.Addr()][name], results[suite.galley.addr][name]
				if direct.status != "pass" {
					t.Logf("%s: %s directly", name, direct.status)
					continue
				}
				passed++
				if through.status == "pass" {
					continue
				}
				// Some tests depend on time: it counts if it happens again.
				again := runMTR(t, writer, suite.galley.addr, mode, []string{name})[name]
				if again.status != "pass" {
					t.Errorf("%s: passes directly, %s through galley\n%.3000s", name, again.status, again.detail)
				} else {
					t.Logf("%s: %s through galley, and passes the second time\n%.3000s", name, through.status, through.detail)
				}
			}
			if want := len(tests) - 1 - len(tests)/20; passed < want {
				t.Errorf("only %d of %d tests pass directly", passed, len(tests))
			}
			fmt.Fprintf(os.Stdout, "mariadb-test-run --extern, %s: %d tests, %d pass directly\n", mode, len(tests), passed)
		})
	}
}

// mtrCluster makes the cluster what the suite expects: recorded results are those of one server with the suite's own settings.
func mtrCluster(t *testing.T, writer *clusterlab.Node) {
	t.Helper()
	for _, set := range [][3]string{
		// With several appliers the rows of a table without a primary key are not in the same order on all nodes.
		{"wsrep_slave_threads", "1", "2"},
		// The ids that a node gives are its own.
		{"wsrep_auto_increment_control", "OFF", "ON"},
		{"auto_increment_increment", "1", "1"},
		{"auto_increment_offset", "1", "1"},
		// The suite's include/default_mysqld.cnf.
		{"log_bin_trust_function_creators", "1", "0"},
		{"character_set_server", "latin1", "utf8mb4"},
		{"collation_server", "latin1_swedish_ci", "utf8mb4_general_ci"},
		{"sort_buffer_size", "262144", "DEFAULT"},
		{"max_heap_table_size", "1048576", "DEFAULT"},
		{"use_stat_tables", "preferably", "DEFAULT"},
		{"histogram_type", "json_hb", "DEFAULT"},
	} {
		setEverywhere(t, set[0], set[1], set[2])
	}
	// The suite logs in as root without a password, also from inside of its tests.
	for _, statement := range []string{
		"CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING ''",
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION",
	} {
		if err := writer.Exec(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{"DROP USER 'root'@'127.0.0.1'", "DROP DATABASE IF EXISTS test"} {
			if err := writer.Exec(suite.ctx, statement); err != nil {
				t.Error(err)
			}
		}
	})
}

// mtrTests are the tests of mtr.list for a mode.
func mtrTests(t *testing.T, mode string) []string {
	t.Helper()
	all, err := parseMTRList(mtrList)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, test := range all {
		if slices.Contains(test.modes, mode) {
			names = append(names, test.name)
		}
	}
	return names
}

// parseMTRList reads lines of a name and modes; without modes it is all of them. What is behind a # is an explanation.
func parseMTRList(text string) ([]mtrTest, error) {
	var tests []mtrTest
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		test := mtrTest{name: words[0], modes: words[1:]}
		for _, mode := range test.modes {
			if !slices.Contains(mtrModes(), mode) {
				return nil, fmt.Errorf("mtr.list: %s has an unknown mode %q", test.name, mode)
			}
		}
		if len(test.modes) == 0 {
			test.modes = mtrModes()
		}
		tests = append(tests, test)
	}
	return tests, nil
}

// runMTR runs tests of the main suite against a server and gives the result of each.
func runMTR(t *testing.T, writer *clusterlab.Node, addr, mode string, tests []string) map[string]mtrResult {
	t.Helper()
	for _, statement := range []string{"DROP DATABASE IF EXISTS test", "CREATE DATABASE test CHARACTER SET latin1"} {
		if err := writer.Exec(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	home := mtrHome(t)
	vardir := filepath.Join(t.TempDir(), "var")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		filepath.Join(home, "mariadb-test-run.pl"), "--vardir=" + vardir, "--force", "--max-test-fail=0", "--retry=1", "--testcase-timeout=1", "--suite-timeout=15",
		"--extern", "host=" + host, "--extern", "port=" + port, "--extern", "user=root", "--extern", "protocol=tcp",
	}
	if mode != "plain" {
		args = append(args, "--"+mode+"-protocol")
	}
	for _, name := range tests {
		args = append(args, "main."+name)
	}
	ctx, cancel := context.WithTimeout(suite.ctx, 15*time.Minute)
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
