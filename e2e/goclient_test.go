//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// transcript is what a Go client says; values that are long only by their sum.
type transcript struct{ strings.Builder }

func (tr *transcript) say(what string, values ...any) {
	fmt.Fprintf(tr, "%s:", what)
	for _, v := range values {
		text := fmt.Sprintf("%v", v)
		if b, ok := v.([]byte); ok {
			text = string(b)
		}
		if len(text) > 200 {
			text = fmt.Sprintf("<%d bytes %x>", len(text), sha256.Sum256([]byte(text)))
		}
		fmt.Fprintf(tr, " %q", text)
	}
	fmt.Fprintln(tr)
}

// rows says a whole answer, of all result sets.
func (tr *transcript) rows(rows *sql.Rows, err error) {
	if err != nil {
		tr.say("error", err)
		return
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		types, err := rows.ColumnTypes()
		if err != nil {
			tr.say("types error", err)
			return
		}
		for _, c := range types {
			nullable, _ := c.Nullable()
			tr.say("column", c.Name(), c.DatabaseTypeName(), nullable)
		}
		for rows.Next() {
			values := make([]any, len(types))
			into := make([]any, len(types))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				tr.say("scan error", err)
				return
			}
			tr.say("row", values...)
		}
	}
	if err := rows.Err(); err != nil {
		tr.say("rows error", err)
	}
}

func (tr *transcript) result(res sql.Result, err error) {
	if err != nil {
		tr.say("error", err)
		return
	}
	affected, _ := res.RowsAffected()
	id, _ := res.LastInsertId()
	tr.say("ok", affected, id)
}

// TestGo runs what applications in Go do, with text and with prepared statements.
func TestGo(t *testing.T) {
	needGalley(t)
	for _, interpolate := range []bool{true, false} {
		t.Run(fmt.Sprintf("interpolate=%v", interpolate), func(t *testing.T) {
			compare(t, goClient(t, interpolate || everything(), func(cfg *mysql.Config) { cfg.InterpolateParams = interpolate }))
		})
	}
}

// goClient does what applications in Go do, with payloads of several sizes around 16 MiB if asked.
func goClient(t *testing.T, sizes bool, change func(cfg *mysql.Config)) func(addr string) string {
	t.Helper()
	return func(addr string) string {
		cfg := galleyConfig()
		cfg.Addr, cfg.MultiStatements, cfg.MaxAllowedPacket = addr, true, 64<<20
		cfg.ParseTime = true
		change(cfg)
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		ctx, cancel := context.WithTimeout(suite.ctx, clientLimit)
		defer cancel()
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		tr := &transcript{}
		goStatements(ctx, tr, conn)
		goTransactions(ctx, tr, conn)
		goLarge(ctx, tr, conn, sizes)
		tr.result(conn.ExecContext(ctx, "DROP TABLE g1"))
		return tr.String()
	}
}

func goStatements(ctx context.Context, tr *transcript, conn *sql.Conn) {
	tr.result(conn.ExecContext(ctx, "CREATE OR REPLACE TABLE g1 (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50) UNIQUE, d DATETIME(6), n DOUBLE, b LONGBLOB, j JSON)"))
	at := time.Date(2024, 2, 29, 12, 30, 0, 123456000, time.UTC)
	tr.result(conn.ExecContext(ctx, "INSERT INTO g1 (s, d, n, b, j) VALUES (?, ?, ?, ?, ?)", "a'\\é", at, 1.25, []byte{0, 255, '\''}, `{"k": 1}`))
	tr.result(conn.ExecContext(ctx, "INSERT INTO g1 (s, n) VALUES (?, ?), (?, ?)", "b", nil, "c", -3))
	tr.result(conn.ExecContext(ctx, "INSERT INTO g1 (s) VALUES (?)", "b"))
	tr.rows(conn.QueryContext(ctx, "SELECT s, d, n, b, j FROM g1 WHERE s >= ? ORDER BY s", ""))
	tr.rows(conn.QueryContext(ctx, "SELECT COUNT(*) FROM missing WHERE a = ?", 1))
	tr.rows(conn.QueryContext(ctx, "SELEC ?", 1))
	tr.rows(conn.QueryContext(ctx, "SELECT 1; SELECT s FROM g1 WHERE s = 'b'; SELECT 3"))
	tr.rows(conn.QueryContext(ctx, "SELECT 1; SELECT broken; SELECT 3"))
	tr.result(conn.ExecContext(ctx, "UPDATE g1 SET n = 1; UPDATE g1 SET n = 2 WHERE s = 'b'"))
	stmt, err := conn.PrepareContext(ctx, "SELECT s, n FROM g1 WHERE s = ? FOR UPDATE")
	if err != nil {
		tr.say("prepare error", err)
	} else {
		defer stmt.Close()
		for _, s := range []string{"b", "none", "c"} {
			tr.rows(stmt.QueryContext(ctx, s))
		}
	}
	mysql.RegisterReaderHandler("rows", func() io.Reader { return strings.NewReader(strings.Repeat("x\n", 1)) })
	tr.result(conn.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE g1 (s)"))
	tr.rows(conn.QueryContext(ctx, "SELECT s FROM g1 ORDER BY s"))
	tr.result(conn.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::missing' INTO TABLE g1 (s)"))
	tr.rows(conn.QueryContext(ctx, "SELECT 'after', @@autocommit"))
}

func goTransactions(ctx context.Context, tr *transcript, conn *sql.Conn) {
	for _, commit := range []bool{false, true} {
		tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			tr.say("begin error", err)
			return
		}
		tr.result(tx.ExecContext(ctx, "INSERT INTO g1 (s) VALUES (?)", "in it"))
		tr.rows(tx.QueryContext(ctx, "SELECT COUNT(*), @@tx_isolation FROM g1 WHERE s = ?", "in it"))
		if commit {
			tr.say("commit", tx.Commit())
		} else {
			tr.say("rollback", tx.Rollback())
		}
		tr.rows(conn.QueryContext(ctx, "SELECT COUNT(*) FROM g1 WHERE s = 'in it'"))
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		tr.say("begin error", err)
		return
	}
	tr.rows(tx.QueryContext(ctx, "SELECT COUNT(*) FROM g1"))
	tr.result(tx.ExecContext(ctx, "INSERT INTO g1 (s) VALUES ('refused')"))
	tr.say("commit", tx.Commit())
}

// goLarge sends and gets packets around the 16 MiB at which the protocol splits them, where a payload of exactly 0xffffff
// bytes is followed by an empty one.
func goLarge(ctx context.Context, tr *transcript, conn *sql.Conn, sizes bool) {
	payloads := []int{1<<24 - 1}
	if sizes {
		payloads = []int{1<<24 - 2, 1<<24 - 1, 1 << 24, 17 << 20}
	}
	const query = "SELECT LENGTH('')"
	for _, payload := range payloads {
		n := payload - 1 - len(query) // One byte is COM_QUERY.
		tr.rows(conn.QueryContext(ctx, "SELECT LENGTH('"+strings.Repeat("q", n)+"')"))
		n = payload - 4 // The length of a string before it, below 16 MiB.
		tr.rows(conn.QueryContext(ctx, "SELECT REPEAT('r', ?)", n))
	}
	value := bytes.Repeat([]byte("0123456789abcde\x00"), 17<<16)
	tr.result(conn.ExecContext(ctx, "REPLACE INTO g1 (s, b) VALUES ('large', ?)", value))
	var got []byte
	err := conn.QueryRowContext(ctx, "SELECT b FROM g1 WHERE s = ?", "large").Scan(&got)
	tr.say("large", err, got, bytes.Equal(got, value))
	rows, err := conn.QueryContext(ctx, "WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000) SELECT a.i, b.i, REPEAT('x', 100) FROM r a, r b WHERE b.i <= 30")
	if err != nil {
		tr.say("many rows error", err)
		return
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	tr.say("many rows", n, rows.Err())
}

// TestCancelledQuery gives up on a statement, as web servers do: galley goes on, and so does everybody else.
func TestCancelledQuery(t *testing.T) {
	needGalley(t)
	settle(t)
	db := openDB(t, galleyConfig())
	for range 3 {
		ctx, cancel := context.WithTimeout(suite.ctx, 300*time.Millisecond)
		_, err := db.ExecContext(ctx, "SELECT SLEEP(5)")
		cancel()
		if kindOf(err) != "hang" {
			t.Errorf("a statement of 5 s with a limit of 0.3 s ended with %v", err)
		}
	}
	if _, err := lookAtRoles(suite.ctx, db, 3); err != nil {
		t.Error(err)
	}
}
