package classify

import "testing"

func TestScoped(t *testing.T) {
	for sql, want := range map[string]string{
		"SET @@time_zone='+01:00'":                        "SET @@session.time_zone='+01:00'",
		"set @@SQL_AUTO_IS_NULL = 0, @a=@@sql_mode":       "set @@session.SQL_AUTO_IS_NULL = 0, @a=@@sql_mode",
		"SET @@session.sql_mode='', @@`time_zone`=@@x;":   "",
		"SET @@session.sql_mode='', @@`time_zone`=@@x":    "SET @@session.sql_mode='', @@session.`time_zone`=@@x",
		"SET @@ sql_mode = ''":                            "SET @@ session.sql_mode = ''",
		"SET @@global.a=1, @@b=2":                         "",
		"SET @@tx_isolation='SERIALIZABLE'":               "",
		"SET @@time_zone='+01:00', @@tx_read_only=1":      "",
		"SET time_zone='+01:00', SESSION sql_mode='@@x='": "",
		"SET @@time_zone='+01:00'; SELECT 1":              "",
		"SELECT @@time_zone":                              "",
	} {
		got, changed := Scoped([]byte(sql), 0)
		if want == "" {
			want = sql
		}
		if string(got) != want || (changed != nil) != (want != sql) {
			t.Errorf("%s: %s", sql, got)
		}
	}
}
