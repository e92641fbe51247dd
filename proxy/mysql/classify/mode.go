package classify

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
