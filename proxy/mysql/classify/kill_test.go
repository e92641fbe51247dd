package classify

import "testing"

func TestParseKill(t *testing.T) {
	plain := func(target KillTarget, query, soft bool, id uint64) KillStatement {
		return KillStatement{Target: target, Query: query, Soft: soft, Plain: true, ID: id}
	}
	user := func(query bool, name, host string) KillStatement {
		return KillStatement{Target: KillUser, Query: query, User: name, Host: host}
	}
	tests := []struct {
		sql  string
		want KillStatement
		arg  string
	}{
		{"kill 5", plain(KillConnection, false, false, 5), "5"},
		{"KILL HARD CONNECTION 4294967295;", plain(KillConnection, false, false, 4294967295), "4294967295"},
		{"kill soft query /* x */ 7 -- y", plain(KillQuery, true, true, 7), "7"},
		{"kill query id 7", plain(KillQueryID, true, false, 7), "7"},
		{"kill 99999999999999999999", KillStatement{Target: KillConnection}, "99999999999999999999"},
		{"kill connection_id() + 1", KillStatement{Target: KillConnection}, "connection_id() + 1"},
		{"kill query @a", KillStatement{Target: KillQuery, Query: true}, "@a"},
		{"kill -1", KillStatement{Target: KillConnection}, "-1"},
		{"kill ?", KillStatement{Target: KillConnection, Parameter: true}, "?"},
		{"kill ? + 1", KillStatement{Target: KillConnection}, "? + 1"},
		{"kill 'a'", KillStatement{Target: KillConnection}, "'a'"},
		{"kill user()", KillStatement{Target: KillConnection}, "user()"},
		{"kill user app", user(false, "app", ""), ""},
		{"kill query user 'o''neil'@`10.%`", user(true, "o'neil", "10.%"), ""},
		{"kill soft connection user app@localhost", KillStatement{Target: KillUser, Soft: true, User: "app", Host: "localhost"}, ""},
		{"kill user current_user()", KillStatement{Target: KillUser, CurrentUser: true}, ""},
		{"kill user current_user", KillStatement{Target: KillUser, CurrentUser: true}, ""},
	}
	for _, tt := range tests {
		got, ok := ParseKill([]byte(tt.sql), 0)
		arg := tt.sql[got.Start:got.End]
		got.Start, got.End = 0, 0
		if !ok || got != tt.want || arg != tt.arg {
			t.Errorf("%s: %+v of %q, %v, want %+v of %q", tt.sql, got, arg, ok, tt.want, tt.arg)
		}
	}
	for _, sql := range []string{"kill", "kill query", "kill user", "kill user 'a\\'b'", "kill user a b", "kill user a@", "kill user ''", "kill 'open", "kill user current_user(", "select 1", "", "kill 1; kill 2"} {
		if k, ok := ParseKill([]byte(sql), 0); ok {
			t.Errorf("%s: %+v", sql, k)
		}
	}
}

func TestProcessList(t *testing.T) {
	for sql, want := range map[string][2]bool{
		"show processlist": {false, true}, "SHOW /* x */ FULL PROCESSLIST;": {true, true}, "show full tables": {true, false}, "show processlist like 'x'": {false, false},
		"show processlist; select 1": {false, false}, "show full": {true, false}, "select 1": {false, false}, "show processlist /*! x */": {false, false},
	} {
		full, ok := ProcessList([]byte(sql), 0)
		if ok != want[1] || ok && full != want[0] {
			t.Errorf("%s: %v, %v", sql, full, ok)
		}
	}
}

// FuzzParseKill holds for any bytes: no panic, and an expression within the text.
func FuzzParseKill(f *testing.F) {
	for _, s := range []string{"kill 5", "kill query id 7", "kill user 'a'@'b'", "kill user()", "kill soft user a@b;", "kill (select ?)", "kill user @"} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, sql []byte, mode uint8) {
		if k, ok := ParseKill(sql, Mode(mode)); ok && (k.Start < 0 || k.End < k.Start || k.End > len(sql) || k.Target != KillUser && k.Start == k.End) {
			t.Errorf("%q: %+v", sql, k)
		}
		ProcessList(sql, Mode(mode))
	})
}
