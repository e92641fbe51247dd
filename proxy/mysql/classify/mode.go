package classify

import "strings"

// Mode is what of the session's state decides how a statement is read. A Mode
// that is wrong about quotes makes verdicts wrong: the session takes it from
// the tracked sql_mode and character_set_client.
type Mode uint8

// The parts of a Mode.
const (
	// AnsiQuotes: sql_mode has ANSI_QUOTES, "x" is an identifier.
	AnsiQuotes Mode = 1 << iota
	// NoBackslashEscapes: sql_mode has NO_BACKSLASH_ESCAPES.
	NoBackslashEscapes
	// UnsafeCharset: a byte of a multibyte character of character_set_client
	// may be ' or \ or ` (big5, cp932, gbk, sjis, gb18030).
	UnsafeCharset
	// NotASCII: bytes below 0x80 may mean something else than ASCII (swe7),
	// or the character set is not known.
	NotASCII
	// Oracle: sql_mode has ORACLE, another grammar.
	Oracle
	// IgnoreSpace: sql_mode has IGNORE_SPACE.
	IgnoreSpace
	// Since106: every node is MariaDB 10.6 or later, so that functions which
	// are newer than 10.4 cannot be anyone's stored functions.
	Since106
)

// ModeOf makes a Mode of the values of sql_mode and character_set_client as
// the server reports them. Since106 is for the caller to add.
func ModeOf(sqlMode, charset string) Mode {
	m := charsetMode(charset)
	for sqlMode != "" {
		var name string
		name, sqlMode, _ = strings.Cut(sqlMode, ",")
		switch name {
		case "ANSI_QUOTES":
			m |= AnsiQuotes
		case "NO_BACKSLASH_ESCAPES":
			m |= NoBackslashEscapes
		case "ORACLE":
			m |= Oracle
		case "IGNORE_SPACE":
			m |= IgnoreSpace
		}
	}
	return m
}

// charsetMode sorts character sets: those whose lower half is ASCII and whose
// multibyte characters, if any, have no ASCII byte that could be a quote or a
// backslash; those that have; and all that is not listed.
func charsetMode(charset string) Mode {
	switch charset {
	case "utf8mb4", "utf8mb3", "utf8", "latin1", "ascii", "binary", "latin2", "latin5", "latin7", "cp1250", "cp1251",
		"cp1256", "cp1257", "greek", "hebrew", "koi8r", "koi8u", "cp850", "cp852", "cp866", "macroman", "macce",
		"armscii8", "geostd8", "tis620", "keybcs2", "ujis", "eucjpms", "euckr", "gb2312":
		return 0
	case "big5", "cp932", "gbk", "sjis", "gb18030":
		return UnsafeCharset
	default:
		return NotASCII
	}
}
