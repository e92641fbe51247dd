package classify

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

type testCase struct {
	line  int
	mode  Mode
	kind  string
	flags string
	sql   string
}

// readCases reads testdata/cases.txt; the file says what its lines mean.
func readCases(tb testing.TB) []testCase {
	tb.Helper()
	f, err := os.Open("testdata/cases.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	modes := map[string]Mode{
		"ansi_quotes": AnsiQuotes, "no_backslash_escapes": NoBackslashEscapes, "unsafe_charset": UnsafeCharset,
		"not_ascii": NotASCII, "oracle": Oracle, "ignore_space": IgnoreSpace, "since106": Since106,
	}
	var cases []testCase
	var mode Mode
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if m, ok := strings.CutPrefix(line, "[mode "); ok {
			if mode, ok = modes[strings.TrimSuffix(m, "]")]; !ok {
				tb.Fatalf("line %d: no mode %s", n, m)
			}
			continue
		}
		head, sql, ok := strings.Cut(line, ":")
		if !ok {
			tb.Fatalf("line %d: no colon", n)
		}
		kind, flags, _ := strings.Cut(head, " ")
		cases = append(cases, testCase{n, mode, kind, flags, unescape(strings.TrimPrefix(sql, " "))})
	}
	return cases
}

// unescape understands \n, \t, \r, \0, \xHH and \\; any other backslash stays.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case '0':
			b.WriteByte(0)
		case '\\':
			b.WriteByte('\\')
		case 'x':
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func TestCases(t *testing.T) {
	cases := readCases(t)
	if len(cases) < 300 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		got := Statement([]byte(c.sql), c.mode)
		flags := got.Flags
		if !strings.Contains(c.flags, "non_deterministic") {
			flags &^= NonDeterministic
		}
		if !strings.Contains(c.flags, "system_variable") {
			flags &^= SystemVariable
		}
		if got.Kind.String() != c.kind || !sameNames(flags.String(), c.flags) {
			t.Errorf("line %d: %q is %s %s (%s), want %s %s", c.line, c.sql, got.Kind, flags, got.Reason, c.kind, c.flags)
		}
		if got.Reason == "" {
			t.Errorf("line %d: %q has no reason", c.line, c.sql)
		}
	}
}

func sameNames(a, b string) bool {
	x, y := strings.Split(a, "|"), strings.Split(b, "|")
	if len(x) != len(y) {
		return false
	}
	for _, n := range x {
		if !strings.Contains("|"+b+"|", "|"+n+"|") && n != "" {
			return false
		}
	}
	return true
}

func TestHints(t *testing.T) {
	for sql, want := range map[string]string{
		"/* galley:writer */ SELECT 1":                          "writer ",
		"SELECT /* galley:reader */ 1":                          "reader ",
		"SELECT 1 /*GALLEY:READER*/":                            "reader ",
		"SELECT /* galley:node=10.0.0.1:3306 */ 1":              "node 10.0.0.1:3306",
		"/* galley:writer */ SELECT /* galley:reader */ 1":      "writer ",
		"/* galley:read */ SELECT 1":                            "none ",
		"/* galley:node= */ SELECT 1":                           "none ",
		"/*! galley:writer */ SELECT 1":                         "none ",
		"SELECT '/* galley:writer */'":                          "none ",
		"-- galley:writer\nSELECT 1":                            "none ",
		"/* galley:writer or so */ SELECT 1":                    "none ",
		"/**/ /* galley:reader */ INSERT INTO t VALUES (1)":     "reader ",
		"SELECT 1 /* galley:node=[::1]:3306\t*/ FROM t LIMIT 1": "node [::1]:3306",
	} {
		c := Statement([]byte(sql), 0)
		if got := c.Hint.String() + " " + sql[c.HintStart:c.HintEnd]; got != want {
			t.Errorf("%q: hint %q, want %q", sql, got, want)
		}
	}
	if c := Statement([]byte("/* galley:reader */ DELETE FROM t"), 0); c.Kind != DML {
		t.Errorf("a hint changed a write into %s", c.Kind)
	}
}

func TestKill(t *testing.T) {
	for sql, want := range map[string]struct {
		target KillTarget
		soft   bool
		id     uint64
	}{
		"KILL 5":                               {KillConnection, false, 5},
		"kill connection 18446744073709551615": {KillConnection, false, 1<<64 - 1},
		"KILL SOFT QUERY 7;":                   {KillQuery, true, 7},
		"KILL HARD QUERY ID 8":                 {KillQueryID, false, 8},
		"KILL USER foo":                        {KillUser, false, 0},
		"KILL QUERY USER 'a'@'b'":              {KillUser, false, 0},
		"KILL 5 + 1":                           {KillUnknown, false, 0},
		"KILL @a":                              {KillUnknown, false, 0},
		"KILL 18446744073709551616":            {KillUnknown, false, 0},
		"KILL CONNECTION_ID()":                 {KillUnknown, false, 0},
		"KILL ?":                               {KillUnknown, false, 0},
	} {
		c := Statement([]byte(sql), 0)
		if c.Kind != Kill || c.KillTarget != want.target || c.KillSoft != want.soft || c.KillID != want.id {
			t.Errorf("%q: %s target %d soft %v id %d, want %+v", sql, c.Kind, c.KillTarget, c.KillSoft, c.KillID, want)
		}
	}
}

func TestUse(t *testing.T) {
	for sql, want := range map[string]string{
		"USE db":          "db",
		"use `d b` ;":     "d b",
		"USE 1a":          "1a",
		"USE caf\xc3\xa9": "caf\xc3\xa9",
		"USE a.b":         "",
	} {
		c := Statement([]byte(sql), 0)
		if got := sql[c.UseStart:c.UseEnd]; got != want || c.UseQuoted != strings.Contains(sql, "`") {
			t.Errorf("%q: schema %q (quoted %v), want %q", sql, got, c.UseQuoted, want)
		}
	}
}

// TestNames holds that each kind and flag has a name of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for k := range kinds {
		if n := k.String(); n == "" || seen[n] {
			t.Errorf("kind %d is called %q", k, n)
		}
		seen[k.String()] = true
	}
	if flagsEnd != 1<<flagCount {
		t.Errorf("%d names for other flags", flagCount)
	}
	seen = map[string]bool{}
	for f := Flags(1); f < flagsEnd; f <<= 1 {
		if n := f.Name(); n == "" || seen[n] {
			t.Errorf("flag %#x is called %q", uint64(f), n)
		}
		seen[f.Name()] = true
	}
	if Flags(0).Name() != "" || (Locks|UserLock).String() != "user_lock|locks" || !Locks.Has(Locks|UserLock) {
		t.Error("names of flags")
	}
}

func TestModeOf(t *testing.T) {
	for _, c := range []struct {
		sqlMode, charset string
		want             Mode
	}{
		{"", "utf8mb4", 0},
		{"STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", "latin1", 0},
		{"REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI", "utf8mb3", AnsiQuotes | IgnoreSpace},
		{"NO_BACKSLASH_ESCAPES", "gbk", NoBackslashEscapes | UnsafeCharset},
		{"ORACLE", "swe7", Oracle | NotASCII},
		{"", "", NotASCII},
	} {
		if got := ModeOf(c.sqlMode, c.charset); got != c.want {
			t.Errorf("ModeOf(%q, %q) = %b, want %b", c.sqlMode, c.charset, got, c.want)
		}
	}
}

// TestLinear holds that no text makes classify slow: a quadratic step would
// take minutes for any of these.
func TestLinear(t *testing.T) {
	const size = 512 << 10
	for _, s := range []string{
		"/*!", "/*!50000", "/*M!", "/*!FULL ", "/*", "SET STATEMENT x=1 FOR ", "(", "SELECT ", "'", "''", "'\\'", "`", "``", "\"\"", "\\",
		"a.", "1e5", "1.", "\xa0a", "a\xa0", "@", "@@", "@`a`", "--", "-- \n", "#\n", ";", "SELECT 1;", "WITH a AS (", "a(", "@a:=", "*/", "/**/",
		"/*galley:", "EXPLAIN ", "SELECT a FROM information_schema.", "FOR ", "INTO ", "LAST_INSERT_ID(", "\x00", "SELECT '\\\\", "{", "[",
	} {
		for _, head := range []string{"", "SELECT ", "SELECT '", "INSERT INTO t VALUES ("} {
			text := []byte(head + strings.Repeat(s, size/len(s)))
			began := time.Now()
			Statement(text, 0)
			Statement(append(text, "*/"...), 0)
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("%q %q: %v for %d KB", head, s, d, size>>10)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	cases := readCases(t)
	texts := make([][]byte, len(cases))
	for i, c := range cases {
		texts[i] = []byte(c.sql)
	}
	if n := testing.AllocsPerRun(10, func() {
		for i, c := range cases {
			Statement(texts[i], c.mode)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
