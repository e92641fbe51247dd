//go:build e2e

package classify_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// TestWordsOnServer asks a server about each word of words.txt: a built-in must
// not be looked for among stored functions, with or without a space before its
// parenthesis, as its property says.
func TestWordsOnServer(t *testing.T) {
	db := server(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{"CREATE DATABASE IF NOT EXISTS test", "USE test", "SET sql_mode=''"} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if near, _ := stolen(t, conn, "no_such_function"); !near {
		t.Fatal("a stored function is not found by its own name")
	}
	for word, props := range readWords(t) {
		has := func(p string) bool { return slices.Contains(props, p) }
		if has("func") || has("paren") || has("tight") {
			near, far := stolen(t, conn, word)
			if near || far && !has("tight") {
				t.Errorf("%s: a stored function is called: %v, with a space %v", word, near, far)
			}
			if has("func") && !exists(t.Context(), conn, word) {
				t.Logf("%s: this server has no such function", word)
			}
		}
		if has("sysvar") {
			if _, err := conn.ExecContext(t.Context(), "DO @@"+word); err != nil {
				t.Logf("@@%s: %v", word, err) // of an older or newer version
			}
		}
		if has("istable") {
			if _, err := conn.ExecContext(t.Context(), "DO (SELECT COUNT(*) FROM information_schema."+word+" LIMIT 0)"); err != nil {
				t.Errorf("information_schema.%s: %v", word, err)
			}
		}
	}
}

// TestIgnoreSpaceOnServer holds that with IGNORE_SPACE a space makes no difference.
func TestIgnoreSpaceOnServer(t *testing.T) {
	db := server(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{"CREATE DATABASE IF NOT EXISTS test", "USE test", "SET sql_mode='IGNORE_SPACE'"} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for word, props := range readWords(t) {
		if slices.Contains(props, "tight") {
			if near, far := stolen(t, conn, word); near || far {
				t.Errorf("%s: a stored function is called: %v, with a space %v", word, near, far)
			}
		}
	}
}

// stolen makes stored functions of that name, with no to three parameters, and
// tells whether word(…) and word (…) call one of them.
func stolen(t *testing.T, conn *sql.Conn, word string) (near, far bool) {
	t.Helper()
	drop := "DROP FUNCTION IF EXISTS `" + word + "`"
	for n := range 4 {
		params := strings.TrimSuffix(strings.Join([]string{"", "a INT,", "b INT,", "c INT,"}[:n+1], ""), ",")
		args := strings.TrimSuffix(strings.Repeat("1,", n), ",")
		for _, s := range []string{drop, "CREATE FUNCTION `" + word + "`(" + params + ") RETURNS INT NO SQL DETERMINISTIC RETURN 424242"} {
			if _, err := conn.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		is := func(expr string) bool {
			var v sql.NullString
			err := conn.QueryRowContext(t.Context(), "SELECT "+expr).Scan(&v)
			return err == nil && v.String == "424242"
		}
		near = near || is(word+"("+args+")")
		far = far || is(word+" ("+args+")")
	}
	if _, err := conn.ExecContext(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// exists tells whether the server knows a function by that name at all.
func exists(ctx context.Context, conn *sql.Conn, word string) bool {
	rows, err := conn.QueryContext(ctx, "EXPLAIN SELECT "+word+"(1)")
	if err == nil {
		defer rows.Close()
		for rows.Next() {
			continue
		}
		err = rows.Err() // EXPLAIN sends the columns before the error
	}
	var e *mysql.MySQLError
	// ER_SP_DOES_NOT_EXIST, ER_FUNC_INEXISTENT_NAME_COLLISION
	return !errors.As(err, &e) || e.Number != 1305 && e.Number != 1630
}

func readWords(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words := map[string][]string{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if props, names, ok := strings.Cut(sc.Text(), ":"); ok && props[0] != '#' {
			for n := range strings.FieldsSeq(names) {
				words[n] = append(words[n], strings.Fields(props)...)
			}
		}
	}
	return words
}
