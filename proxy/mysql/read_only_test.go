package mysql

import (
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestForWriter(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT a FROM t": false, "SELECT @a, LAST_INSERT_ID()": false, "SET @a=1": false, "SET time_zone='+01:00'": false, "SHOW TABLES": false, "SAVEPOINT s": false, "COMMIT": false,
		"INSERT INTO t VALUES (1)": false, "CREATE TEMPORARY TABLE x (a INT)": false, "SELECT FOUND_ROWS()": false, "SELECT a FROM t FOR UPDATE": false, "DEALLOCATE PREPARE p": false,
		"SELECT GET_LOCK('a',1)": true, "DO RELEASE_LOCK('a')": true, "SELECT IS_FREE_LOCK('a')": true, "PREPARE p FROM 'SELECT 1'": true, "EXECUTE p": true, "EXECUTE IMMEDIATE 'SELECT 1'": true,
		"CALL p()": true, "SELECT f(1)": true, "SELECT 1; COMMIT": true, "HANDLER t OPEN": true, "SET timestamp=1": true, "SET @a=1, sql_log_bin=0": true, "SET GLOBAL max_connections=1": true,
		"SELECT LASTVAL(s)": true, "SET ROLE r": true, "XA START 'x'": true,
	} {
		c := classify.Statement([]byte(sql), 0)
		if got := forWriter(&c, []byte(sql), pinChanges(&c, []byte(sql), 0, "db", 0)); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}

// TestReadOnlyTransactionsGoToTheWriter: before a statement that pins the session, with all that the transaction has read.
func TestReadOnlyTransactionsGoToTheWriter(t *testing.T) {
	for _, pins := range []string{"SELECT GET_LOCK('x',1)", "PREPARE p FROM 'SELECT 1'", "CALL p()", "SELECT f(1)", "SET timestamp=1"} {
		d, c := replayDoor(t)
		for _, sql := range []string{"START TRANSACTION READ ONLY", "SELECT a FROM t", "SET @b=1", "SAVEPOINT s"} {
			c.result(sql)
		}
		d.expectRan("SELECT a FROM t", 0, 0, 1)
		c.result(pins)
		d.expectRan(pins, 1, 0, 0)
		d.expectRan("SELECT a FROM t", 1, 0, 1)
		d.expectRan("SAVEPOINT s", 1, 0, 1)
		d.expectRan("COMMIT", 0, 0, 1)
		c.result("SELECT b, @b FROM u")
		c.result("COMMIT")
		c.result("INSERT INTO t VALUES (1)")
		for _, sql := range []string{"SELECT b, @b FROM u", "INSERT INTO t VALUES (1)"} {
			d.expectRan(sql, 1, 0, 0)
		}
		if !slices.ContainsFunc(d.n[0].Texts(), func(sql string) bool { return strings.Contains(sql, "@`b`=1") }) {
			t.Errorf("%s: the writer got %q", pins, d.n[0].Texts())
		}
	}
}

// TestReadOnlyTransactionsThatHaveReadNothing go to the writer whatever they have done besides, and although no transaction is run again.
func TestReadOnlyTransactionsThatHaveReadNothing(t *testing.T) {
	for name, off := range map[string]bool{"on": false, "off": true} {
		t.Run("replay "+name, func(t *testing.T) {
			d, c := replayDoor(t, func(c *config.MySQL) {
				if off {
					c.TransactionReplay = false
				}
			})
			for _, sql := range []string{"START TRANSACTION READ ONLY", "SET @b=1", "SELECT @b, LAST_INSERT_ID()", "SET time_zone='+01:00'"} {
				c.result(sql)
			}
			const lock = "DO GET_LOCK('x',1)"
			c.result(lock)
			c.result("COMMIT")
			d.expectRan("START TRANSACTION READ ONLY", 1, 0, 1)
			d.expectRan(lock, 1, 0, 0)
			d.expectRan("COMMIT", 1, 0, 1)
			d.expectRan("SELECT @b, LAST_INSERT_ID()", 0, 0, 1)
		})
	}
}

// TestReadOnlyTransactionsThatCannotGo end as by a deadlock: others have changed what they have read, or it is not known what they have read.
func TestReadOnlyTransactionsThatCannotGo(t *testing.T) {
	const lock = "DO GET_LOCK('x',1)"
	d, c := replayDoor(t)
	d.n[0].On("SELECT a", mysqltest.Table("another"))
	c.result("START TRANSACTION READ ONLY")
	c.result("SELECT a FROM t")
	c.fails(lock, codeDeadlock)
	d, c = replayDoor(t, func(c *config.MySQL) { c.TransactionReplay = false })
	c.result("START TRANSACTION READ ONLY")
	c.result("SELECT a FROM t")
	c.fails(lock, codeDeadlock)
	d.expectRan(lock, 0, 0, 0)
	d.expectRan("COMMIT", 0, 0, 1)
	if got := c.result(lock).Sets[0].OK.Status; got&wire.StatusInTrans != 0 {
		t.Errorf("status %#x", got)
	}
	d.expectRan(lock, 1, 0, 0)
}
