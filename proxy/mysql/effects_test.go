package mysql

import (
	"testing"

	"galley/proxy/mysql/classify"
)

// TestEffects: what a statement may leave on its conn, and what it asks for.
func TestEffects(t *testing.T) {
	const anything = tieVariables | tieInsertID
	for sql, want := range map[string]effects{
		"SELECT id FROM t":                         {found: fateTold},
		"SELECT @a":                                {found: fateTold, needs: tieVariables, sees: tieVariables},
		"SELECT @a := 1":                           {found: fateTold, assigns: true, leaves: tieVariables | tieUnknown, needs: tieVariables, sees: tieVariables},
		"SELECT f(1)":                              {opaque: true, leaves: tieMaybe, needs: anything, sees: anything},
		"SELECT LAST_INSERT_ID()":                  {found: fateTold, needs: tieInsertID, sees: tieInsertID},
		"SELECT SQL_CALC_FOUND_ROWS id FROM t":     {},
		"SELECT 1 UNION SELECT 2":                  {},
		"VALUES (1), (2)":                          {found: fateKept},
		"SELECT FOUND_ROWS()":                      {found: fateTold, needs: tieLast, sees: tieLast, asks: partFound},
		"SELECT ROW_COUNT(), @@warning_count":      {found: fateTold, needs: tieLast, sees: tieLast, asks: partRows | partWarnings},
		"SHOW WARNINGS":                            {found: fateKept, asks: partWarnings, lists: true},
		"SHOW COUNT(*) ERRORS":                     {found: fateTold, asks: partWarnings, lists: true},
		"SHOW TABLES":                              {found: fateTold},
		"SHOW CREATE TABLE t":                      {found: fateKept},
		"INSERT INTO t VALUES (1)":                 {found: fateKept, leaves: tieMaybe, sees: anything},
		"INSERT INTO t SELECT 1":                   {leaves: tieMaybe, sees: anything},
		"INSERT INTO t VALUES (LAST_INSERT_ID(5))": {found: fateKept, leaves: tieMaybe | tieInsertID, needs: tieInsertID, sees: anything},
		"UPDATE t SET a=@b":                        {found: fateKept, leaves: tieMaybe, needs: tieVariables, sees: anything},
		"SET @a=1":                                 {found: fateKept, binds: true, assigns: true, leaves: tieVariables | tieUnknown, sees: tieVariables},
		"SET time_zone='+00:00'":                   {found: fateKept, binds: true},
		"SET @a=(SELECT 1)":                        {binds: true, assigns: true, leaves: tieVariables | tieUnknown, sees: tieVariables},
		"BEGIN":                                    {found: fateKept, binds: true},
		"COMMIT":                                   {found: fateKept, binds: true},
		"COMMIT AND CHAIN":                         {found: fateKept, binds: true},
		"USE db":                                   {found: fateKept},
		"CREATE TEMPORARY TABLE t (a INT)":         {found: fateKept, binds: true},
		"DO 1":                                     {found: fateKept},
		"DO (SELECT 1)":                            {opaque: true, leaves: tieMaybe, needs: anything, sees: anything},
		"CALL p()":                                 {rows: fateUnknown, opaque: true, leaves: tieMaybe | tieMaybeID, needs: anything, sees: anything},
		"SELECT 1; SELECT 2":                       {rows: fateUnknown, opaque: true, leaves: tieMaybe | tieMaybeID, needs: anything, sees: anything},
		"SELECT NEXT VALUE FOR s":                  {opaque: true, binds: true, sequence: true, leaves: tieMaybe | tieMaybeID, needs: anything, sees: anything},
	} {
		c := classify.Statement([]byte(sql), 0)
		got := effectsOf(&c, []byte(sql))
		if want.rows == fateUnknown && !want.opaque || want.opaque && (sql == "SELECT f(1)" || sql == "DO (SELECT 1)") {
			want.rows = fateTold
		}
		if got != want {
			t.Errorf("%s (%s):\n got %+v\nwant %+v", sql, c.Kind, got, want)
		}
	}
}

// TestUsesTables: by that the server forgets warnings.
func TestUsesTables(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 5": false, "SELECT 5 FROM DUAL": false, "SELECT 5 FROM t": true, "SELECT (SELECT MAX(id) FROM t)": true, "SELECT EXTRACT(YEAR FROM '2000-01-01')": false,
		"SELECT TRIM(BOTH 'x' FROM (SELECT a FROM t))": true, "SELECT 'a FROM t'": false, "SET @a=1": false, "SET @a=(SELECT 1 FROM t)": true, "INSERT INTO t VALUES (1)": true,
		"SHOW TABLES": true, "SHOW GRANTS": false, "SHOW CREATE TABLE t": true, "SHOW FULL PROCESSLIST": false, "SHOW DATABASES": true, "BEGIN": false, "USE t": false, "LOCK TABLES t READ": true,
		"CREATE DATABASE IF NOT EXISTS d": false, "CREATE OR REPLACE TABLE t (a INT)": true, "DROP PROCEDURE IF EXISTS p": false, "TRUNCATE t": true, "CREATE PROCEDURE p() SELECT 1 FROM t": false,
		"DO 1": false, "DO (SELECT 1 FROM t)": true, "CHECK TABLE t": true, "SELECT NEXT VALUE FOR s": true, "SELECT 1; SELECT 2 FROM t": false, "/* FROM t */ SELECT 1 -- FROM t": false,
	} {
		c := classify.Statement([]byte(sql), 0)
		if got := usesTables(c.Kind, c.Flags, []byte(sql), 0); got != want {
			t.Errorf("%s (%s): %t", sql, c.Kind, got)
		}
	}
}

func TestOffsetOf(t *testing.T) {
	for sql, want := range map[string]int64{
		"SELECT 1": 0, "SELECT a FROM t LIMIT 5": 0, "SELECT a FROM t LIMIT 0, 10": 0, "SELECT a FROM t limit 20,10 ; ": 20, "SELECT a FROM t LIMIT 10 OFFSET 7": 7, "SELECT a FROM t LIMIT 3 , ?": 3,
		"SELECT a FROM t LIMIT ?": 0, "SELECT limits, 2 FROM t": 0, "SELECT (SELECT a FROM t LIMIT 1) FROM u": 0, "SELECT a FROM t LIMIT 5 FOR UPDATE": 0,
		"SELECT a FROM t LIMIT ?, 10": -1, "SELECT a FROM t LIMIT 5 OFFSET ?": -1, "SELECT (SELECT a FROM t LIMIT 1, 1) FROM u": -1, "SELECT a FROM t ORDER BY a OFFSET 2 ROWS": -1,
		"SELECT (SELECT a FROM t LIMIT 1 OFFSET 3) FROM u LIMIT 4": -1, "SELECT a FROM t LIMIT 2, 3 FOR UPDATE": -1, "SELECT a FROM t LIMIT": 0, "LIMIT ,": -1,
	} {
		n, known := offsetOf([]byte(sql))
		if !known {
			n = -1
		}
		if n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
}

func TestNamesThatAskNothing(t *testing.T) {
	for sql, want := range map[string]parts{
		"CREATE TABLE found_rows(a INT)": 0, "CREATE FUNCTION f() RETURNS INT RETURN FOUND_ROWS()": 0, "CREATE VIEW v AS SELECT ROW_COUNT() AS n": 0,
		"CREATE TABLE t AS SELECT FOUND_ROWS() AS n": partFound, "CREATE OR REPLACE TABLE t SELECT ROW_COUNT() AS n": partRows, "INSERT INTO t VALUES (FOUND_ROWS())": partFound,
	} {
		c := classify.Statement([]byte(sql), 0)
		if e := effectsOf(&c, []byte(sql)); e.asks != want || e.needs&tieLast != 0 != (want != 0) {
			t.Errorf("%s: %b %b", sql, e.asks, e.needs)
		}
	}
}
