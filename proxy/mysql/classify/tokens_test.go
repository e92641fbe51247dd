package classify

import (
	"fmt"
	"testing"
)

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		sql  string
		mode Mode
		want string
	}{
		{"SELECT GET_LOCK('a', 10)", 0, "[{SELECT 1 true} {GET_LOCK 1 true} {( 0 true} {a 3 true} {, 0 true} {10 4 true} {) 0 true}]"},
		{"drop table `a`.b /* c */ , \"d\"", 0, "[{drop 1 true} {table 1 true} {a 2 true} {. 0 true} {b 1 true} {, 0 true} {d 3 true}]"},
		{`"d"`, AnsiQuotes, "[{d 2 true}]"},
		{"`a``b`", 0, "[{a``b 2 false}]"},
		{`'a\'b'`, 0, `[{a\'b 3 false}]`},
		{"é", 0, "[{é 1 false}]"},
		{"SET @a := 1, @`b c`=@@x;;", 0, "[{SET 1 true} {a 5 true} {:= 0 true} {1 4 true} {, 0 true} {b c 5 true} {= 0 true} {@@ 0 true} {x 1 true}]"},
		{"", 0, "[]"},
		{"SELECT 1; SELECT 2", 0, ""},
		{"SELECT 'a", 0, ""},
		{"SELECT /*!50000 1 */", 0, ""},
		{"SELECT 1", Oracle, ""},
		{"SELECT 1", NotASCII, ""},
		{"SELECT 'é'", UnsafeCharset, ""},
	} {
		tokens, ok := Tokens([]byte(c.sql), c.mode)
		got := fmt.Sprint(tokens)
		if !ok {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.sql, got, c.want)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, sql := range []string{"SELECT GET_LOCK('a', 10)", "SET @a = -1.5e3, @`b`='x''y'", "a.1e5into", "/*! x */;", "@", "@'", "_latin1'a' 'b'", "1.into"} {
		f.Add(sql, byte(0))
	}
	f.Fuzz(func(t *testing.T, sql string, m byte) {
		tokens, ok := Tokens([]byte(sql), Mode(m))
		if !ok {
			return
		}
		for _, token := range tokens {
			if len(token.Text) > len(sql) {
				t.Errorf("%q is longer than its statement", token.Text)
			}
		}
		if class := Statement([]byte(sql), Mode(m)); class.Flags.Has(MultiStatement) {
			t.Errorf("%q is of several statements", sql)
		}
	})
}
