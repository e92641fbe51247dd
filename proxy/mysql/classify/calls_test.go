package classify

import (
	"bytes"
	"testing"
)

// seven is a value for every call, different by its name.
func seven(c SessionCall) (string, bool) { return c.Literal(uint64(7 + c.Name)), true }

func TestRewrite(t *testing.T) {
	const id, found, rows, last = "CAST(7 AS UNSIGNED)", "CAST(8|0 AS SIGNED)", "CAST(9|0 AS SIGNED)", "CAST(10|0 AS UNSIGNED)"
	const thread, warnings, insertID = "CAST(11|0 AS UNSIGNED)", "NULLIF(12|0,NULL)", "CAST(14|0 AS UNSIGNED)"
	tests := []struct{ sql, want string }{
		{"select connection_id()", "select " + id + " AS `connection_id()`"},
		{"SELECT CONNECTION_ID ( ) x", "SELECT " + id + " x"},
		{"select connection_id() as x, found_rows(), 1", "select " + id + " as x, " + found + " AS `found_rows()`, 1"},
		{"select distinct sql_no_cache row_count()from dual", "select distinct sql_no_cache " + rows + "  AS `row_count()`from dual"},
		{"select@@identity", "select " + insertID + " AS `@@identity`"},
		{"select 1-@@session . last_insert_id", "select 1- " + insertID + " AS `1-@@session . last_insert_id`"},
		{"select @@`warning_count`;", "select " + warnings + " AS `@@``warning_count```;"},
		{"select @@global.identity, @@identity.x, @@x.identity, identity", ""},
		{"select last_insert_id(), last_insert_id(5)", ""},
		{"select (select last_insert_id()) + 1", "select (select " + last + " AS `last_insert_id()`) + 1 AS `(select last_insert_id()) + 1`"},
		{"select concat(connection_id(), 'x') from t where id = connection_id()", "select concat(" + id + ", 'x') AS `concat(connection_id(), 'x')` from t where id = " + id},
		{"select connection_id() is null", "select " + id + " is null"}, // It could be an alias as well.
		{"select connection_id() = a.b, connection_id() + '5', connection_id() 'x'", "select " + id + " = a.b AS `connection_id() = a.b`, " + id + " + '5' AS `connection_id() + '5'`, " + id + " 'x'"},
		{"select connection_id() + \\N x", "select " + id + " + \\N x"},
		{"select connection_id() + ? x", "select " + id + " + ? x"},
		{"select {d '2020-01-01'} + connection_id() + {d '2020-01-01'} x", "select {d '2020-01-01'} + " + id + " + {d '2020-01-01'} x"},
		{"select 'connection_id()', \"connection_id()\", `connection_id()`, /* connection_id() */ 1 -- connection_id()", ""},
		{"select /*! connection_id() */, 1", "select /*! " + id + " */, 1"},
		{"select connection_id(/*!)*/, 1", ""},
		{"select /*!40001 sql_no_cache */ connection_id()", "select /*!40001 sql_no_cache */ " + id + " AS `connection_id()`"},
		{"select a.connection_id(), `connection_id`(), connection_id(1), connection_id", ""},
		{"select 1 union all select connection_id() limit 1", "select 1 union all select " + id + " AS `connection_id()` limit 1"},
		{"(select connection_id()) union (select found_rows()) order by connection_id()", "(select " + id + " AS `connection_id()`) union (select " + found + " AS `found_rows()`) order by " + id},
		{"with q as (select connection_id()) select * from q", "with q as (select " + id + " AS `connection_id()`) select * from q"},
		{"select connection_id() into @x", "select " + id + " AS `connection_id()` into @x"},
		{"insert into connection_id () values ()", ""},
		{"insert connection_id () select row_count()", "insert connection_id () select " + rows + " AS `row_count()`"},
		{"call connection_id()", ""},
		{"call p(connection_id())", "call p(" + id + ")"},
		{"do connection_id(), sleep(connection_id())", "do " + id + ", sleep(" + id + ")"},
		{"insert into t values (last_insert_id()) returning id, connection_id()", "insert into t values (" + last + ") returning id, " + id + " AS `connection_id()`"},
		{"set @a = connection_id(), @@pseudo_thread_id = @@pseudo_thread_id, @@session.pseudo_thread_id := 4", "set @a = " + id + ", @@pseudo_thread_id = " + thread + ", @@session.pseudo_thread_id := 4"},
		{"set @a = last_insert_id(), @@identity = 3", ""},
		{"set statement max_statement_time=@@identity for select @@identity", "set statement max_statement_time=" + insertID + " for select " + insertID + " AS `@@identity`"},
		{"create table t (a int default connection_id()) as select connection_id() as a, found_rows()", "create table t (a int default connection_id()) as select " + id + " as a, " + found + " AS `found_rows()`"},
		{"create view v as select connection_id()", ""},
		{"create procedure p() begin select 1; select connection_id(); end", ""},
		{"begin not atomic select connection_id(); select connection_id(); end", ""},
		{"begin; select connection_id()", "begin; select " + id + " AS `connection_id()`"},
		{"select found_rows(); select found_rows(), connection_id()", "select " + found + " AS `found_rows()`; select found_rows(), " + id + " AS `connection_id()`"},
		{"alter table t add a int default (connection_id())", ""},
		{"select connection_id() 'open", ""},
		{"show processlist", ""},
		{"kill connection_id()", "kill " + id},
		{"", ""},
	}
	for _, tt := range tests {
		if tt.want == "" {
			tt.want = tt.sql
		}
		if got := string(Rewrite(nil, []byte(tt.sql), Calls([]byte(tt.sql), 0), seven)); got != tt.want {
			t.Errorf("%s\n is %s\nnot %s", tt.sql, got, tt.want)
		}
	}
}

func TestRewriteReadsAsTheModeSays(t *testing.T) {
	tests := []struct {
		mode Mode
		sql  string
		n    int
	}{
		{AnsiQuotes, `select "connection_id()", connection_id()`, 1},
		{NoBackslashEscapes, `select 'a\', connection_id()`, 1},
		{0, `select 'a\', connection_id()`, 0},
		{UnsafeCharset, "select connection_id()", 1},
		{UnsafeCharset, "select connection_id(), '\xbf\x5c'", 0},
	}
	for _, tt := range tests {
		if got := Calls([]byte(tt.sql), tt.mode); len(got) != tt.n {
			t.Errorf("%s has %d calls, want %d", tt.sql, len(got), tt.n)
		}
	}
}

// TestConnectionIDFlag holds that a statement without the flag has no call for the connection's id.
func TestConnectionIDFlag(t *testing.T) {
	for _, sql := range []string{"select connection_id()", "select @@pseudo_thread_id", "insert into t values (connection_id())", "do connection_id()", "select 1; select connection_id()"} {
		if c := Statement([]byte(sql), 0); !c.Flags.Has(ConnectionID) {
			t.Errorf("%s has not the flag connection_id but %s", sql, c.Flags)
		}
	}
}

// FuzzCalls holds for any bytes: places are inside the text, in order; without values nothing changes; and what was replaced is not found again.
func FuzzCalls(f *testing.F) {
	for _, s := range []string{
		"select connection_id(), @@identity x, (select found_rows() from t) + 1", "set @@identity = row_count(), a = last_insert_id()", "select /*! connection_id(", "select@@session.identity;select connection_id()",
		"create table t as select connection_id() 'a'", "insert into connection_id () values (connection_id()) returning connection_id()", "select a.connection_id(), `@@identity`, '\\'', connection_id() -- x\n",
	} {
		f.Add([]byte(s), uint8(0))
	}
	for _, c := range readCases(f) {
		f.Add([]byte(c.sql), uint8(c.mode))
	}
	f.Fuzz(func(t *testing.T, sql []byte, mode uint8) {
		m := Mode(mode)
		calls := Calls(sql, m)
		at := 0
		for _, c := range calls {
			if c.Start < at || c.End <= c.Start || c.End > len(sql) {
				t.Fatalf("%q: a call at %d to %d behind %d", sql, c.Start, c.End, at)
			}
			at = c.End
			for _, col := range c.columns {
				if col.start < 0 || col.start > c.Start || col.end < c.End || col.end > len(sql) {
					t.Fatalf("%q: a column at %d to %d around %d to %d", sql, col.start, col.end, c.Start, c.End)
				}
			}
		}
		same := Rewrite(nil, sql, calls, func(SessionCall) (string, bool) { return "x", false })
		if !bytes.Equal(same, sql) {
			t.Errorf("%q became %q without values", sql, same)
		}
		all := Rewrite(nil, sql, calls, seven)
		if again := Calls(all, m); len(calls) > 0 && len(again) > 0 {
			t.Errorf("%q became %q, which has calls still", sql, all)
		}
	})
}
