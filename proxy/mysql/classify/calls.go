package classify

import (
	"slices"
	"strconv"
	"strings"
)

// CallName says what a SessionCall asks for.
type CallName uint8

// What the session itself may know better than the node on which a statement runs.
const (
	// CallConnectionID is CONNECTION_ID().
	CallConnectionID CallName = iota
	// CallFoundRows is FOUND_ROWS().
	CallFoundRows
	// CallRowCount is ROW_COUNT().
	CallRowCount
	// CallLastInsertID is LAST_INSERT_ID() without an argument.
	CallLastInsertID
	// CallPseudoThreadID is @@pseudo_thread_id.
	CallPseudoThreadID
	// CallWarningCount is @@warning_count.
	CallWarningCount
	// CallErrorCount is @@error_count.
	CallErrorCount
	// CallInsertIDVariable is @@last_insert_id or @@identity.
	CallInsertIDVariable
)

// SessionCall is a place in a statement's text that asks what belongs to the session.
type SessionCall struct {
	Start, End int
	Name       CallName

	columns []*column // The select items around it, the innermost first.
}

// column is an item of a select list, which gives the column its name.
type column struct {
	start, end int
	unnamed    bool // It surely has no alias.
}

// Literal is an expression of the value v that has the type of the call: as one, a plain number would be a column's position in ORDER BY.
// A row count is signed: convert it.
func (c SessionCall) Literal(v uint64) string {
	switch c.Name {
	case CallConnectionID: // INT UNSIGNED
		return "CAST(" + strconv.FormatUint(v, 10) + " AS UNSIGNED)"
	case CallFoundRows, CallRowCount: // BIGINT
		return "CAST(" + strconv.FormatInt(int64(v), 10) + "|0 AS SIGNED)"
	case CallWarningCount, CallErrorCount: // The same, but it may be NULL by its type.
		return "NULLIF(" + strconv.FormatUint(v, 10) + "|0,NULL)"
	case CallLastInsertID, CallPseudoThreadID, CallInsertIDVariable:
	}
	return "CAST(" + strconv.FormatUint(v, 10) + "|0 AS UNSIGNED)" // BIGINT UNSIGNED
}

// Calls finds the calls in a statement's text that may be replaced by a value, in the order of the text: never in strings, comments and quoted names, but in executable
// comments; not in definitions, which keep them for later; not as the target of SET. Of several statements in one text only the first may ask what was before it, so that of
// the others just the connection's id is given. Where the text cannot be read surely there are none.
func Calls(sql []byte, m Mode) []SessionCall {
	p := parser{lexer: lexer{s: sql, mode: m}}
	if m&(UnsafeCharset|NotASCII) != 0 && !p.safeBytes() {
		return nil
	}
	f := finder{lexer: lexer{s: sql, mode: m}, first: true}
	f.next()
	for f.tok != tEnd && f.statement() {
		f.first = false
		for f.tok == tSemi {
			f.next()
		}
	}
	for f.tok != tEnd && f.tok != tBad { // What cannot be read behind it makes all of it unsure.
		f.next()
	}
	if f.tok == tBad {
		return nil
	}
	if f.sawExec {
		for _, c := range f.calls {
			for _, col := range c.columns {
				col.unnamed = false
			}
		}
	}
	return f.calls
}

// longestAlias is the length of text up to which the server names a column after it.
const longestAlias = 255

// Rewrite appends to dst the text with the calls replaced for which value gives an expression. A column whose name would be another one by that gets its name.
func Rewrite(dst, sql []byte, calls []SessionCall, value func(SessionCall) (string, bool)) []byte {
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	var named []*column
	for _, c := range calls {
		text, ok := value(c)
		if !ok {
			continue
		}
		if c.Start > 0 && (classes[sql[c.Start-1]] <= cHigh || sql[c.Start-1] == '-') {
			text = " " + text
		}
		if c.End < len(sql) && classes[sql[c.End]] <= cHigh {
			text += " "
		}
		edits = append(edits, edit{c.Start, c.End, text})
		for _, col := range c.columns {
			if name := sql[col.start:col.end]; col.unnamed && len(name) <= longestAlias && !slices.Contains(named, col) {
				named = append(named, col)
				edits = append(edits, edit{col.end, col.end, " AS `" + strings.ReplaceAll(string(name), "`", "``") + "`"})
			}
		}
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	at := 0
	for _, e := range edits {
		dst = append(dst, sql[at:e.from]...)
		dst = append(dst, e.text...)
		at = e.to
	}
	return append(dst, sql[at:]...)
}
