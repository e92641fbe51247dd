package mysql

import (
	"bytes"
	"slices"

	"galley/proxy/mysql/classify"
)

// What is told from a statement's text where its class says too little.

// scanned is how much of a text is looked through, in bytes.
const scanned = 16 << 10

// mentions says whether a word, in lower case, may stand in a text; what is too long to be looked through may mention anything.
func mentions(sql []byte, word string) bool {
	if len(sql) > scanned {
		return true
	}
	for ; len(sql) >= len(word); sql = sql[1:] { // Without a copy in lower case, as each write comes here.
		if sql[0]|0x20 == word[0]|0x20 && bytes.EqualFold(sql[:len(word)], []byte(word)) {
			return true
		}
	}
	return false
}

// startsWith says whether a text, behind blanks and comments, begins with these words, in lower case.
func startsWith(sql []byte, words ...string) bool {
	for _, word := range words {
		sql = skipBlanks(sql)
		if len(sql) < len(word) || !bytes.EqualFold(sql[:len(word)], []byte(word)) || len(sql) > len(word) && wordByte(sql[len(word)]) {
			return false
		}
		sql = sql[len(word):]
	}
	return true
}

// wordByte says whether c goes on with a word.
func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// skipBlanks passes blanks, opening parentheses and comments.
func skipBlanks(sql []byte) []byte {
	for len(sql) > 0 {
		switch {
		case sql[0] <= ' ' || sql[0] == '(':
			sql = sql[1:]
		case bytes.HasPrefix(sql, []byte("/*")) && !bytes.HasPrefix(sql, []byte("/*!")):
			i := bytes.Index(sql[2:], []byte("*/"))
			if i < 0 {
				return nil
			}
			sql = sql[2+i+2:]
		case sql[0] == '#' || bytes.HasPrefix(sql, []byte("-- ")):
			i := bytes.IndexByte(sql, '\n')
			if i < 0 {
				return nil
			}
			sql = sql[i+1:]
		default:
			return sql
		}
	}
	return nil
}

// showsRows says whether a SHOW selects from a table of the server's own, as it seems to the session: then it counts rows and forgets warnings (measured on 10.11.19).
func showsRows(sql []byte) bool {
	for _, word := range []string{
		"tables", "full", "columns", "fields", "index", "indexes", "keys", "variables", "session", "global", "local", "status", "databases", "schemas", "collation", "character", "charset", "triggers",
		"events", "function", "procedure", "table", "open", "plugins", "count",
	} {
		if startsWith(sql, "show", word) {
			return !startsWith(sql, "show", "full", "processlist")
		}
	}
	return false
}

// usesTables says whether a statement surely uses a table: then the server forgets the warnings that were there before (MariaDB: sql/sql_parse.cc, opt_clear_warning_info).
func usesTables(kind classify.Kind, flags classify.Flags, sql []byte, m classify.Mode) bool {
	switch {
	case flags.Has(classify.Sequence):
		return true
	case flags.Has(classify.MultiStatement):
		return false
	case kind == classify.DML, kind == classify.LoadDataLocal, kind == classify.LockTables, kind == classify.Handler, kind == classify.TempTable:
		return true
	case startsWith(sql, "show"):
		return showsRows(sql) || startsWith(sql, "show", "create", "table") || startsWith(sql, "show", "create", "view")
	}
	tokens, ok := classify.Tokens(sql, m)
	if !ok {
		return false
	}
	if kind == classify.DDL || kind == classify.Other && !startsWith(sql, "do") && !startsWith(sql, "set") {
		return namesTable(tokens)
	}
	return selectsFrom(tokens)
}

// namesTable says whether a definition, or the care of a table, is of a table.
func namesTable(tokens []classify.Token) bool {
	for i := range tokens {
		t := &tokens[i]
		switch {
		case t.Is("table") || t.Is("tables") || t.Is("view") || t.Is("index") || t.Is("trigger") || t.Is("sequence") || t.Is("truncate"):
			return true
		case t.Is("database") || t.Is("schema") || t.Is("procedure") || t.Is("function") || t.Is("user") || t.Is("role") || t.Is("event") || t.Is("server") || t.Is("package"):
			return false
		}
	}
	return false
}

// selectsFrom says whether there is a FROM behind which a table stands, and not that of a function.
func selectsFrom(tokens []classify.Token) bool {
	var calls []bool // For each open parenthesis, whether it is of a function that has a FROM of its own.
	for i := range tokens {
		t := &tokens[i]
		switch {
		case t.Is("("):
			own := i > 0 && slices.ContainsFunc([]string{"extract", "trim", "substring", "substr", "mid", "trim_oracle"}, func(name string) bool { return tokens[i-1].Is(name) })
			calls = append(calls, own)
		case t.Is(")"):
			if len(calls) > 0 {
				calls = calls[:len(calls)-1]
			}
		case t.Is("from"):
			if len(calls) > 0 && calls[len(calls)-1] || i+1 < len(tokens) && tokens[i+1].Is("dual") {
				continue
			}
			return true
		}
	}
	return false
}

// offsetOf gives the number of rows that a SELECT leaves out by the LIMIT at its end: FOUND_ROWS() counts them too (measured on 10.11.19). known is false where the text does not say it plainly.
func offsetOf(sql []byte) (n int64, known bool) {
	words := bytes.Contains(sql, []byte("ffset")) || bytes.Contains(sql, []byte("FFSET"))
	if !bytes.Contains(sql, []byte("imit")) && !bytes.Contains(sql, []byte("IMIT")) { // As most; to look for the last one costs ten times as much.
		return 0, !words
	}
	at := max(bytes.LastIndex(sql, []byte("imit")), bytes.LastIndex(sql, []byte("IMIT")))
	first, rest, ok := numberIn(sql[at+len("imit"):])
	switch {
	case len(rest) > 0 && rest[0] == ',':
		_, rest, _ = numberIn(rest[1:])
		n = first
	case startsWith(rest, "offset"):
		n, rest, ok = numberIn(rest[len("offset"):])
	default:
		return 0, !words
	}
	return n, ok && len(bytes.Trim(rest, "; \t\r\n")) == 0
}

// numberIn reads the number, or the parameter, with which a text begins, and the blanks around it.
func numberIn(text []byte) (n int64, rest []byte, ok bool) {
	text = bytes.TrimLeft(text, " \t\r\n")
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' && end < 18 {
		n = n*10 + int64(text[end]-'0')
		end++
	}
	if ok = end > 0; !ok && len(text) > 0 && text[0] == '?' {
		end = 1
	}
	return n, bytes.TrimLeft(text[end:], " \t\r\n"), ok
}
