package classify

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzStatement holds for any bytes: no panic; offsets within the text; a
// comment in front changes nothing; something behind a semicolon is never a
// read; and a Read has none of the words that a slow checker, written apart
// from the lexer, forbids.
func FuzzStatement(f *testing.F) {
	for _, c := range readCases(f) {
		f.Add([]byte(c.sql), uint8(c.mode))
	}
	for _, s := range benchStatements {
		f.Add([]byte(s.sql), uint8(0))
	}
	f.Fuzz(func(t *testing.T, sql []byte, mode uint8) {
		m := Mode(mode)
		c := Statement(sql, m)
		if c.Reason == "" || c.Kind >= kinds {
			t.Errorf("%q: kind %d for no reason", sql, c.Kind)
		}
		for _, o := range [][2]int32{{c.HintStart, c.HintEnd}, {c.UseStart, c.UseEnd}} {
			if o[0] < 0 || o[1] < o[0] || int(o[1]) > len(sql) {
				t.Errorf("%q: offsets %v", sql, o)
			}
		}
		behind := Statement(append([]byte("/* x */ "), sql...), m)
		if behind.Kind != c.Kind || behind.Flags != c.Flags || behind.Reason != c.Reason {
			t.Errorf("%q is %s %s, behind a comment %s %s", sql, c.Kind, c.Flags, behind.Kind, behind.Flags)
		}
		if c.Kind != Read {
			return
		}
		if two := Statement(append(bytes.Clone(sql), "\n; drop table t"...), m); two.Kind == Read {
			t.Errorf("%q is a read even with a second statement behind it", sql)
		}
		if why := forbiddenInRead(sql, m); why != "" {
			t.Errorf("%q is called a read and has %s", sql, why)
		}
	})
}

// forbiddenInRead is the slow checker: it blanks quotes and comments one byte
// at a time and looks at the words that are left.
func forbiddenInRead(sql []byte, m Mode) string {
	text, ok := blanked(sql, m)
	if !ok {
		return "an open quote or comment"
	}
	if i := strings.IndexByte(strings.TrimRight(text, " \t\n\v\f\r"), ';'); i >= 0 && strings.Trim(text[i+1:], " \t\n\v\f\r") != "" {
		return "a second statement"
	}
	if strings.Contains(text, ":=") {
		return "an assignment"
	}
	if strings.Contains(strings.ReplaceAll(text, "@@", "  "), "@") && !strings.Contains(strings.ToUpper(text), "GRANTS") &&
		!strings.Contains(strings.ToUpper(text), "CREATE") {
		return "a user variable"
	}
	isWord := func(c byte) bool { return isWordByte(c) || c == '$' }
	for i := 0; i < len(text); {
		if !isWord(text[i]) {
			i++
			continue
		}
		j := i
		for j < len(text) && isWord(text[j]) {
			j++
		}
		word := strings.ToUpper(text[i:j])
		if word[0] >= '0' && word[0] <= '9' {
			word = strings.TrimLeft(word[strings.LastIndexAny(word, "0123456789")+1:], "$")
		}
		dotted := i > 0 && text[i-1] == '.' && (i < 2 || text[i-2] < '0' || text[i-2] > '9')
		called := strings.HasPrefix(strings.TrimLeft(text[j:], " \t\n\v\f\r"), "(")
		shown := strings.HasPrefix(strings.ToUpper(strings.TrimLeft(text, " \t\n\v\f\r")), "SHOW")
		switch {
		case slices.Contains(never, word) && !dotted && !shown,
			slices.Contains(unlessCalled, word) && !dotted && !called,
			slices.Contains(neverCalled, word) && called:
			return word
		}
		i = j
	}
	return ""
}

var (
	never = []string{
		"INTO", "OUTFILE", "DUMPFILE", "UPDATE", "DELETE", "LOCK", "CALL", "LOAD", "GRANT", "REVOKE", "ALTER",
		"CREATE", "DROP", "RENAME", "KILL", "PURGE", "OPTIMIZE", "SIGNAL", "UNLOCK", "PROCEDURE",
	}
	unlessCalled = []string{"INSERT", "REPLACE"}
	neverCalled  = []string{
		"GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "IS_USED_LOCK", "NEXTVAL", "SETVAL", "LASTVAL", "LAST_INSERT_ID",
		"FOUND_ROWS", "ROW_COUNT", "LOAD_FILE", "CONNECTION_ID", "DEFAULT", "MASTER_POS_WAIT",
	}
)

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// blanked gives the text with the inside of quotes and comments as spaces.
func blanked(sql []byte, m Mode) (string, bool) {
	out := bytes.Clone(sql)
	var quote byte
	comment := 0 // 1: up to the end of the line, 2: up to */
	at := func(i int) byte {
		if i < len(sql) {
			return sql[i]
		}
		return 0
	}
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		switch {
		case comment == 1:
			out[i] = ' '
			if c == '\n' {
				comment = 0
			}
		case comment == 2:
			out[i] = ' '
			if c == '*' && at(i+1) == '/' {
				out[i+1] = ' '
				i++
				comment = 0
			}
		case quote != 0:
			out[i] = '.' // no blank: x'y'( is no call of x, and `a`(…) none of a blank
			escapes := quote == '\'' || quote == '"' && m&AnsiQuotes == 0
			if c == '\\' && escapes && m&NoBackslashEscapes == 0 {
				if i+1 < len(sql) {
					out[i+1] = '.'
				}
				i++
			} else if c == quote {
				quote = 0
				out[i] = ' '
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
			out[i] = ' '
		case c == '#', c == '-' && at(i+1) == '-' && (i+2 >= len(sql) || at(i+2) <= ' ' || at(i+2) == 0x7f):
			comment = 1
			out[i] = ' '
		case c == '/' && at(i+1) == '*':
			comment = 2
			out[i], out[i+1] = ' ', ' '
			i++
		case c == '\\' && at(i+1) == 'N':
			out[i], out[i+1] = ' ', ' '
			i++
		}
	}
	return string(out), quote == 0 && comment != 2
}
