//go:build e2e

package classify_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"galley/proxy/mysql/classify"
)

// callForms are statements with calls; all but those without an alias for a doubt keep the names of their columns.
var callForms = []string{
	"select connection_id()", "select CONNECTION_ID()", "select connection_id ( )", "select  connection_id( )  ", "select connection_id();", "select (connection_id())",
	"select ((connection_id()) )+1 from dual", "select distinct connection_id()", "select all connection_id(), 1", "select 1, connection_id(), 2", "select connection_id() x",
	"select connection_id() as x", "select connection_id() as 'x y'", "select connection_id() `x`", "select connection_id()from dual", "select connection_id() limit 1",
	"select connection_id() union select 1", "select 1 union select connection_id()", "(select connection_id())", "(select connection_id()) union all (select 2)",
	"select * from (select connection_id()) q", "select q.`connection_id()` from (select connection_id()) q", "with q as (select connection_id()) select * from q",
	"select concat(connection_id(),'x')", "select concat('a''b', connection_id(), \"c\")", "select concat(`a`, connection_id()) from (select 1 a) q", "select connection_id() + 1", "select connection_id()\n +\n1",
	"select 1+connection_id()", "select connection_id()=connection_id()", "select connection_id() = q.a from (select 1 a) q", "select connection_id() % '7'",
	"select if(connection_id() > 0, connection_id(), 0)", "select case when connection_id() then 1 else 2 end x", "select (select connection_id()) + 1", "select exists (select connection_id())",
	"select 1 from dual where connection_id() > 0", "select 1 where connection_id() in (connection_id(), 2)", "select connection_id() group by connection_id()", "select connection_id() order by connection_id()",
	"select count(*) having connection_id() > 0", "select a from (select 1 a) q order by connection_id(), a", "select a, count(*) from (select 1 a) q group by connection_id(), a",
	"select max(connection_id()) over (partition by connection_id())", "select cast(connection_id() as char(20))", "select connection_id() div 1", "select hex(connection_id())", "select 'connection_id()', connection_id()",
	"select found_rows()", "select FOUND_ROWS() as n", "select found_rows() + 1", "select found_rows(), row_count()", "select row_count()", "select row_count() n", "select -row_count()", "select 5-row_count()",
	"select last_insert_id()", "select LAST_INSERT_ID() as id", "select last_insert_id() + 0", "select coalesce(last_insert_id(), 0)", "select @@identity", "select@@identity", "select @@last_insert_id", "select @@session.identity",
	"select @@local . last_insert_id", "select @@`identity`", "select @@warning_count", "select @@warning_count, @@error_count", "select @@pseudo_thread_id", "select @@pseudo_thread_id = connection_id()",
	"values (connection_id(), 1)", "explain select connection_id()", "show variables where 1 = connection_id()", "select /*!40001 sql_no_cache */ connection_id()", "select connection_id() /*! + 1 */ x",
	"insert into test.calls values (last_insert_id()) returning a, connection_id()",
}

// unsureForms are those of callForms whose first column gets another name: VALUES has no aliases, and a word behind an expression may be one.
var unsureForms = []string{"values (connection_id(), 1)"}

// TestRewrittenOnServer runs each form as it is and with values in place of its calls: columns, types and values must be the same.
func TestRewrittenOnServer(t *testing.T) {
	db := server(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run := func(s string) {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"CREATE DATABASE IF NOT EXISTS test", "CREATE OR REPLACE TABLE test.calls (a BIGINT)"} {
		run(s)
	}
	const id = 1<<31 + 5 // As galley's are: a smaller number is a narrower type.
	run("SET pseudo_thread_id = 2147483653")
	values := map[classify.CallName]uint64{
		classify.CallConnectionID: id, classify.CallPseudoThreadID: id, classify.CallFoundRows: 2, classify.CallRowCount: 1<<64 - 1,
		classify.CallLastInsertID: 42, classify.CallInsertIDVariable: 42, classify.CallWarningCount: 0, classify.CallErrorCount: 0,
	}
	for _, form := range callForms {
		run("SET last_insert_id = 42")
		rewritten := string(classify.Rewrite(nil, []byte(form), classify.Calls([]byte(form), 0), func(c classify.SessionCall) (string, bool) { return c.Literal(values[c.Name]), true }))
		if rewritten == form {
			t.Errorf("%s has no calls", form)
		}
		var answers [2]string
		for i, s := range []string{form, rewritten} {
			run("SELECT SQL_CALC_FOUND_ROWS 1 UNION SELECT 2 LIMIT 1")
			if answers[i], err = answer(t.Context(), conn, s, slices.Contains(unsureForms, form)); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("%s\ngives %s\nas %s\ngives %s", form, answers[0], rewritten, answers[1])
		}
	}
}

// answer gives a statement's columns, their types but for the length, and its rows.
func answer(ctx context.Context, conn *sql.Conn, s string, unnamed bool) (string, error) {
	rows, err := conn.QueryContext(ctx, s)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return "", err
	}
	text := ""
	values, places := make([]sql.NullString, len(types)), make([]any, len(types))
	for i, c := range types {
		name := c.Name()
		if unnamed {
			name = ""
		}
		text += fmt.Sprintf("%q %s, ", name, c.DatabaseTypeName())
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return "", err
		}
		text += fmt.Sprint(values)
	}
	return text, rows.Err()
}
