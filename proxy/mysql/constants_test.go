package mysql

import (
	"fmt"
	"slices"
	"testing"

	"galley/proxy/mysql/classify"
)

func TestReadConstants(t *testing.T) {
	for _, c := range []struct{ sql, charset, want string }{
		{"SET @a=42", "", "[{a 42}]"},
		{"SET @a := -4.50, @`B c` = NULL, @c = true;", "", "[{a -4.50} {B c NULL} {c TRUE}]"},
		{"SET @a=18446744073709551615", "", "[{a 18446744073709551615}]"},
		{"SET @a='x y'", "utf8mb4", "[{a _utf8mb4'x y' COLLATE coll}]"},
		{"SET @a=''", "latin1", "[{a _latin1'' COLLATE coll}]"},
		{"SET @a='x'", "", "[]"},
		{"SET @a='x'", "utf16", "[]"},
		{"SET @a='it''s'", "utf8mb4", "[]"},
		{`SET @a='a\n'`, "utf8mb4", "[]"},
		{"SET @a='ä'", "utf8mb4", "[]"},
		{"SET @a='a' 'b'", "utf8mb4", "[]"},
		{"SET @a=_latin1'a'", "utf8mb4", "[]"},
		{"SET @a=1e5", "", "[]"},
		{"SET @a=0x41", "", "[]"},
		{"SET @a=1+1", "", "[]"},
		{"SET @a=1, @b=f()", "", "[]"},
		{"SET @a=@b", "", "[]"},
		{"SET @a=1, sql_mode=''", "", "[]"},
		{"SET @ä=1", "", "[]"},
		{"SET @a=b", "", "[]"},
	} {
		tokens, _ := classify.Tokens([]byte(c.sql), 0)
		if got := fmt.Sprint(readConstants(tokens, c.charset, "coll")); got != c.want {
			t.Errorf("%s: %s, want %s", c.sql, got, c.want)
		}
	}
}

// TestConstantsOfALostConn: variables that were set to literals are set again, unless something else may have set them meanwhile.
func TestConstantsOfALostConn(t *testing.T) {
	for how, loss := range losses() {
		for _, sql := range []string{"INSERT INTO t VALUES (@a)", "SELECT @a", "SET @b=@a", "CALL p()", "SELECT f(1)"} {
			t.Run(how+", "+sql, func(t *testing.T) {
				d := newSocketDoor(t, 3)
				c := d.client()
				c.result("SET @A=1, @b=NULL")
				c.result("SET @a=42")
				loss(t, d, c)
				c.result(sql)
				var all []string
				for _, n := range d.n {
					all = append(all, n.Texts()...)
				}
				if how != "another writer" && !slices.Contains(all, "SET @`b`=NULL, @`a`=42") {
					t.Errorf("the nodes were sent %q", all)
				}
			})
		}
	}
	for _, after := range []string{"SET @b=f()", "SELECT @a:=2", "SELECT a INTO @b FROM t", "INSERT INTO t VALUES (1)", "CALL p()"} {
		t.Run("after "+after, func(t *testing.T) {
			d := newSocketDoor(t, 3)
			c := d.client()
			c.result("SET @a=42")
			c.result(after)
			lose(t, d.n[0])
			c.fails("SELECT @a", codeLost)
			c.ended()
		})
	}
}
