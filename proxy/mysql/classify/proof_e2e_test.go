//go:build e2e

package classify_test

import (
	"context"
	"database/sql"
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/proxy/mysql/classify"
)

var (
	corpusGlob  = flag.String("corpus", "/usr/share/mysql/mysql-test/main/*.test", "files of statements")
	corpusTime  = flag.Duration("corpus-time", 100*time.Second, "stop after this time")
	corpusDSN   = flag.String("corpus-dsn", "", "a server to use instead of a lab of one node")
	corpusShow  = flag.String("corpus-show", "", "log the SELECTs that are no Read for this reason")
	corpusEvery = flag.Int("corpus-every", 1, "take every nth file")
)

// server gives a database handle with the rights of root.
func server(t *testing.T) *sql.DB {
	t.Helper()
	dsn := *corpusDSN
	if dsn == "" {
		lab, err := clusterlab.Start(t.Context(), clusterlab.Options{Nodes: 1})
		if err != nil {
			t.Fatalf("no server to try on: %v", err)
		}
		t.Cleanup(lab.Close)
		dsn = lab.RootDSN(lab.Nodes()[0])
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxIdleConns(-1) // each session is a new one
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestReadsDoNotWrite runs the statements of MariaDB's own test suite, and
// fails if one that was called a Read changed rows, the transaction log, the
// session's last insert id or a user variable. Views that call functions which
// write are known and counted: no text shows them.
func TestReadsDoNotWrite(t *testing.T) {
	db := server(t)
	files, err := filepath.Glob(*corpusGlob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus at %s (package mariadb-test): %v", *corpusGlob, err)
	}
	deadline := time.Now().Add(*corpusTime)
	p := &proof{t: t, db: db}
	p.control()
	for i, f := range files {
		if i%*corpusEvery != 0 || strings.Contains(f, "big") {
			continue
		}
		if time.Now().After(deadline) {
			t.Logf("time is up after %d of %d files", i, len(files))
			break
		}
		if p.file(f); t.Failed() {
			break
		}
	}
	t.Logf("files %d, statements %d, called reads %d, of them run without error %d, through views %d, wrote %d; lost connections %d, marks not had %d",
		p.files, p.statements, p.reads, p.ran, p.views, p.wrote, p.lost, p.blind)
	t.Logf("SELECTs: %d, called Read %d, the rest by reason: %v", p.selects, p.selectReads, p.reasons)
	if p.blind > p.ran/20 {
		t.Errorf("the marks were not had %d times of %d", p.blind, p.ran)
	}
	if p.ran < 100 && *corpusEvery == 1 {
		t.Errorf("only %d reads ran: the corpus was not understood", p.ran)
	}
}

// control holds that the marks show what they are there for.
func (p *proof) control() {
	if !p.open() {
		return
	}
	for _, s := range []string{
		"CREATE TABLE c (a INT PRIMARY KEY AUTO_INCREMENT, b INT)", "CREATE SEQUENCE s INCREMENT BY 0", "INSERT INTO c (b) VALUES (1), (2)",
		"CREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN INSERT INTO c (b) VALUES (3); RETURN 1; END",
	} {
		if err := p.exec(s); err != nil {
			p.t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{
		"INSERT INTO c (b) VALUES (4)", "UPDATE c SET b = b + 1", "DELETE FROM c LIMIT 1", "SELECT NEXTVAL(s)", "SELECT f()",
		"SELECT @a := 1", "SELECT 2 INTO @a", "SELECT LAST_INSERT_ID(77)", "CREATE TABLE d (a INT)",
	} {
		before := p.marks()
		if err := p.exec(s); err != nil {
			p.t.Errorf("%s: %v", s, err)
		}
		if before == p.marks() {
			p.t.Errorf("the marks do not show %s", s)
		}
	}
	if before := p.marks(); before == "" || before != p.marks() {
		p.t.Errorf("marks change by themselves: %s", before)
	}
}

type proof struct {
	t    *testing.T
	db   *sql.DB
	conn *sql.Conn
	mode classify.Mode

	files, statements, reads, ran, views, wrote, lost, blind, selects, selectReads int

	reasons map[string]int // why SELECTs are not called Read
}

// file runs one file's statements on a session of its own.
func (p *proof) file(path string) {
	statements, err := corpusStatements(path)
	if err != nil {
		p.t.Errorf("%s: %v", path, err)
		return
	}
	p.files++
	if !p.open() {
		return
	}
	defer func() { p.conn.Close() }()
	began, stale := time.Now(), true
	var before string
	for _, s := range statements {
		if time.Since(began) > 20*time.Second {
			return
		}
		p.statements++
		c := classify.Statement([]byte(s), p.mode)
		p.count(s, c)
		if c.Kind != classify.Read {
			if runnable(s, c) {
				p.run(s)
				p.follow(c)
				stale = true
			}
			continue
		}
		p.reads++
		if slow(s) {
			continue
		}
		if stale {
			before = p.marks()
		}
		if !p.run(s) {
			stale = true
			if p.conn.PingContext(p.t.Context()) != nil {
				p.lost++
				if !p.open() {
					return
				}
			}
			continue
		}
		p.ran++
		after := p.marks()
		stale = false
		if before != after && before != "" && after != "" {
			p.judge(path, s, before, after)
		}
		before = after
	}
}

func (p *proof) judge(path, s, before, after string) {
	if p.usesView(s) {
		p.views++
		return
	}
	p.wrote++
	p.t.Errorf("%s: a read wrote: %s\n before %s\n after  %s", filepath.Base(path), s, before, after)
}

func (p *proof) count(s string, c classify.Class) {
	if len(s) < 6 || !strings.EqualFold(s[:6], "select") {
		return
	}
	p.selects++
	if c.Kind == classify.Read {
		p.selectReads++
		return
	}
	if p.reasons == nil {
		p.reasons = map[string]int{}
	}
	p.reasons[c.Reason]++
	if *corpusShow != "" && strings.Contains(c.Reason, *corpusShow) {
		p.t.Logf("%s: %s", c.Reason, s)
	}
}

// open begins a session in an empty schema, without what earlier files left.
func (p *proof) open() bool {
	if p.conn != nil {
		p.conn.Close()
	}
	p.mode = 0
	conn, err := p.db.Conn(p.t.Context())
	for i := 0; err != nil && i < 60; i++ {
		time.Sleep(time.Second)
		conn, err = p.db.Conn(p.t.Context())
	}
	if err != nil {
		p.t.Errorf("no session after %d files and %d reads: %v", p.files, p.ran, err)
		return false
	}
	p.conn = conn
	names := p.column(`SELECT schema_name FROM information_schema.schemata
		WHERE schema_name NOT IN ('mysql','information_schema','performance_schema','sys')`)
	for _, n := range names {
		p.run("DROP DATABASE `" + strings.ReplaceAll(n, "`", "``") + "`")
	}
	for _, s := range []string{
		"SET GLOBAL log_bin_trust_function_creators=1", "CREATE DATABASE IF NOT EXISTS test", "CREATE DATABASE IF NOT EXISTS mysqltest", "USE test", "SET NAMES utf8mb4",
		"SET lock_wait_timeout=1, innodb_lock_wait_timeout=1, max_statement_time=2, sql_mode=''",
	} {
		if err := p.exec(s); err != nil {
			p.t.Errorf("%s: %v", s, err)
			return false
		}
	}
	return true
}

func (p *proof) run(s string) bool { return p.exec(s) == nil }

// exec sends a statement and reads all of its answer.
func (p *proof) exec(s string) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	rows, err := p.conn.QueryContext(ctx, s)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		for rows.Next() {
			continue
		}
		if !rows.NextResultSet() {
			break
		}
	}
	return rows.Err()
}

// follow keeps the mode as the session has it.
func (p *proof) follow(c classify.Class) {
	if c.Kind != classify.Set {
		return
	}
	var mode, charset string
	row := p.conn.QueryRowContext(p.t.Context(), "SELECT @@sql_mode, @@character_set_client")
	if row.Scan(&mode, &charset) != nil {
		return
	}
	p.mode = classify.ModeOf(mode, charset)
}

// marks is what a write would change: rows written, the binary log or the
// cluster's last transaction, the last insert id, user variables. The handler
// calls for updates are left out: window functions make them.
func (p *proof) marks() string {
	var m string
	err := p.conn.QueryRowContext(p.t.Context(), `SELECT CONCAT_WS(' ',
		(SELECT GROUP_CONCAT(variable_name, '=', variable_value ORDER BY variable_name) FROM information_schema.session_status
		 WHERE variable_name IN ('HANDLER_WRITE', 'WSREP_LAST_COMMITTED',
			'INNODB_ROWS_INSERTED', 'INNODB_ROWS_UPDATED', 'INNODB_ROWS_DELETED')),
		@@gtid_binlog_pos, @@last_insert_id, @@session.insert_id,
		(SELECT MD5(GROUP_CONCAT(variable_name, '=', HEX(variable_value) ORDER BY variable_name)) FROM information_schema.user_variables))`).Scan(&m)
	if err != nil {
		p.blind++
		return ""
	}
	return m
}

// usesView tells whether a statement names a view, or a table that a function
// of the schema hides behind.
func (p *proof) usesView(s string) bool {
	for _, v := range p.column("SELECT table_name FROM information_schema.views") {
		if strings.Contains(strings.ToLower(s), strings.ToLower(v)) {
			return true
		}
	}
	return false
}

// column gives the first column of an answer.
func (p *proof) column(query string) []string {
	rows, err := p.conn.QueryContext(p.t.Context(), query)
	if err != nil {
		p.t.Errorf("%s: %v", query, err)
		return nil
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			p.t.Error(err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		p.t.Errorf("%s: %v", query, err)
	}
	return out
}

// slow statements say nothing more by taking long.
func slow(s string) bool {
	l := strings.ToLower(s)
	return strings.Contains(l, "sleep") || strings.Contains(l, "benchmark")
}

// runnable tells what of the other statements may be run to set the stage.
func runnable(s string, c classify.Class) bool {
	l := strings.ToLower(s)
	if slow(s) || strings.Contains(l, "mysql.") || strings.Contains(l, "debug") || strings.Contains(l, "outfile") ||
		strings.Contains(l, "max_statement_time") || strings.Contains(l, "delayed") || strings.Contains(l, "lock_wait_timeout") || strings.Contains(l, "get_lock") {
		return false
	}
	// Wherever they stand: also in a prepared text.
	for _, w := range []string{"set password", "replace user", "default role", "identified ", "password for", "flush privileges"} {
		if strings.Contains(l, w) {
			return false
		}
	}
	for _, w := range []string{"grant", "revoke", "create user", "drop user", "alter user", "rename user", "create role", "drop role", "use mysql", "drop database mysql"} {
		if strings.HasPrefix(l, w) {
			return false
		}
	}
	return slices.Contains([]classify.Kind{
		classify.DDL, classify.DML, classify.Set, classify.TempTable, classify.Begin, classify.Commit, classify.Rollback,
		classify.Prepare, classify.Execute, classify.Deallocate, classify.Call, classify.ReadWriter, classify.Use,
		classify.LockTables, classify.UnlockTables, classify.Savepoint,
	}, c.Kind)
}
