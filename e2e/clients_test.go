//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"galley/cluster/clusterlab"
)

// otherAccount is a second user, for COM_CHANGE_USER.
func otherAccount(t *testing.T, n *clusterlab.Node) clusterlab.Account {
	t.Helper()
	other := clusterlab.Account{User: "other", Password: "another secret"}
	for _, statement := range []string{
		fmt.Sprintf("CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", other.User, other.Password),
		fmt.Sprintf("GRANT ALL PRIVILEGES ON %s.* TO '%s'@'%%'", clusterlab.Schema, other.User),
	} {
		if err := n.Exec(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// compare runs a client on the writer itself and through galley, and holds the transcripts against each other.
func compare(t *testing.T, client func(addr string) string) {
	t.Helper()
	compareAt(t, suite.galley, client)
}

// compareAt is compare with a galley g, which may have another writer than others: each stays with the one that it chose when it began.
func compareAt(t *testing.T, g *galleyProcess, client func(addr string) string) {
	t.Helper()
	const attempts = 3 // A busy machine may move the writer, and another writer gives other ids.
	for attempt := 1; ; attempt++ {
		settle(t)
		before := g.writerChanges(t)
		writer := g.writer(t)
		began := time.Now()
		direct := client(writer.Addr())
		between := time.Now()
		through := client(g.addr)
		t.Logf("directly in %s, through galley in %s", seconds(between.Sub(began)), seconds(time.Since(between)))
		if len(strings.Split(direct, "\n")) < 10 {
			t.Fatalf("the direct transcript is too short to show anything:\n%s", direct)
		}
		settle(t)
		moved := g.writerChanges(t) != before // It may have come back.
		if moved && attempt < attempts {
			t.Log("the writer moved in the middle: once more")
			continue
		}
		if direct != through {
			t.Errorf("the transcripts differ (- direct, + through galley):\n%s", firstDifferences(direct, through, 10))
		}
		if moved {
			t.Errorf("the writer moved in the middle")
		}
		return
	}
}

// firstDifferences shows lines that differ, each pair with the line before it.
func firstDifferences(a, b string, limit int) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out strings.Builder
	for i := 0; i < max(len(left), len(right)) && limit > 0; i++ {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		if l == r {
			continue
		}
		limit--
		if i > 0 && i <= len(left) {
			fmt.Fprintf(&out, "%d:  %.300s\n", i, left[i-1])
		}
		fmt.Fprintf(&out, "%d: -%.600s\n%d: +%.600s\n", i+1, l, i+1, r)
	}
	return out.String()
}

// clientLimit is when a client's transcript counts as hung: a busy machine without a fast disk takes a minute where another takes three seconds.
const clientLimit = 5 * time.Minute

// program runs a client program and gives what it printed; a failure is part of the transcript.
func program(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing; e2e/install.sh e2e installs it: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(suite.ctx, clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Dir = t.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(&out, "ended with: %v\n", err)
	}
	return out.String()
}

// TestPHP runs the transcripts of mysqli and PDO (both over mysqlnd).
func TestPHP(t *testing.T) {
	needGalley(t)
	for _, script := range []string{"mysqli.php", "pdo.php"} {
		t.Run(script, func(t *testing.T) { compare(t, phpClient(t, script)) })
	}
}

// phpClient runs a script of php/.
func phpClient(t *testing.T, script string) func(addr string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("php", script))
	if err != nil {
		t.Fatal(err)
	}
	other := otherAccount(t, suite.lab.Nodes()[0])
	app := suite.lab.App()
	return func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		out := program(t, "", "php", "-d", "mysqli.allow_local_infile=1", path, host, port, app.User, app.Password, clusterlab.Schema, other.User, other.Password)
		if !strings.HasSuffix(out, "end\n") {
			t.Errorf("%s on %s did not come to its end:\n%s", script, addr, out[max(0, len(out)-1000):])
		}
		// The only thing that has to differ: the names of temporary files and the port.
		return strings.ReplaceAll(out, addr, "ADDR")
	}
}

// cliScript is what is typed into the mariadb client.
const cliScript = `
SELECT 1, 'two', NULL;
CREATE OR REPLACE TABLE cli (id INT PRIMARY KEY, s TEXT);
INSERT INTO cli VALUES (1, 'a'), (2, 'b'), (3, REPEAT('c', 300));
SELECT id, LEFT(s, 3) FROM cli ORDER BY id;
UPDATE cli SET s = 'z' WHERE id < 3;
SELECT broken;
SELECT * FROM cli WHERE id = 1\G
delimiter //
CREATE OR REPLACE PROCEDURE cliproc(IN n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO SELECT i; SET i = i + 1; END WHILE; END//
CALL cliproc(3)//
CREATE OR REPLACE PROCEDURE cliproc(IN n INT) BEGIN DECLARE i INT; DECLARE c CURSOR FOR SELECT n; OPEN c; FETCH c INTO i; SELECT i, 'cursor open'; CLOSE c; SIGNAL SQLSTATE '45000'; END//
CALL cliproc(7)//
delimiter ;
LOAD DATA LOCAL INFILE 'FILE' INTO TABLE cli FIELDS TERMINATED BY ',';
SELECT COUNT(*), MAX(id) FROM cli;
BEGIN; DELETE FROM cli; SELECT COUNT(*) FROM cli; ROLLBACK;
SELECT COUNT(*) FROM cli;
SHOW WARNINGS;
INSERT IGNORE INTO cli VALUES (1, 'again');
SHOW WARNINGS;
USE information_schema;
SELECT DATABASE();
USE app;
SELECT 'a;b' AS "x;y"; SELECT /* ; */ 2; -- comment ; here
SET @a = 3; SELECT @a;
SELECT SLEEP(0.01), CONVERT('é' USING latin1) = 'é';
CREATE TEMPORARY TABLE clitmp AS SELECT 7 AS x; SELECT * FROM clitmp;
SHOW CREATE TABLE cli;
SELECT REPEAT('w', 100000) = '' AS wide;
HANDLER cli OPEN; HANDLER cli READ FIRST; HANDLER cli CLOSE;
LOCK TABLES cli WRITE; INSERT INTO cli VALUES (99, 'locked'); SELECT COUNT(*) FROM cli; UNLOCK TABLES;
DROP PROCEDURE cliproc; DROP TABLE cli;
`

// TestCLI types a script into the mariadb client.
func TestCLI(t *testing.T) {
	needGalley(t)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("10,ten\n11,eleven\n12,twelve\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{"--table"}, {"--batch", "--quick"}, {"--html", "--compress"}} {
		t.Run(strings.Join(flags, ""), func(t *testing.T) { compare(t, cliClient(t, file, flags...)) })
	}
}

// cliClient types cliScript into the mariadb client; file is what it loads.
func cliClient(t *testing.T, file string, flags ...string) func(addr string) string {
	t.Helper()
	app := suite.lab.App()
	return func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{
			"--no-defaults", "--host=" + host, "--port=" + port, "--user=" + app.User, "--password=" + app.Password,
			"--verbose", "--force", "--local-infile", "--default-character-set=utf8mb4", "--show-warnings", "--column-type-info",
		}, flags...)
		return program(t, strings.ReplaceAll(cliScript, "FILE", file), "mariadb", append(args, clusterlab.Schema)...)
	}
}

// TestDumpAndRestore runs mariadb-dump, which reads everything in one transaction with unusual statements.
func TestDumpAndRestore(t *testing.T) {
	needGalley(t)
	app := suite.lab.App()
	compare(t, func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		login := []string{"--no-defaults", "--host=" + host, "--port=" + port, "--user=" + app.User, "--password=" + app.Password}
		dump := program(t, "", "mariadb-dump", append(login, "--single-transaction", "--skip-dump-date", "--no-tablespaces", "--skip-extended-insert",
			clusterlab.Schema, "fixed", "epoch")...)
		restored := strings.ReplaceAll(dump, "`fixed`", "`restored`")
		restore := program(t, restored, "mariadb", append(login, clusterlab.Schema)...)
		again := program(t, "DROP TABLE restored", "mariadb", append(login, clusterlab.Schema)...)
		return strings.ReplaceAll(strings.ReplaceAll(dump+restore+again, "Host: "+host, "Host: HOST"), port, "PORT")
	})
}
