package classify

import (
	"bytes"
	"slices"
	"strings"
)

// finder walks over a text for Calls.
type finder struct {
	lexer
	calls []SessionCall
	first bool // In the first statement.

	depth   int
	lists   []selectList
	was     [3]passed // The tokens passed last, the newest first.
	from0   int       // Where the statement's calls begin in calls.
	set     bool      // Within the assignments of SET.
	target  bool      // Before the sign of one.
	ignored bool      // Calls do not count here.
	sets    bool      // The statement sets the last insert id itself.
}

// passed is a token that was passed.
type passed struct {
	tok        token
	start, end int // With its quotes.
	exec       int // Executable comments around it.
}

// selectList is a select list that is being read.
type selectList struct {
	depth int
	item  *column // Nil before its first token.
	as    bool    // The item has AS.
}

// text gives the current word in lower case.
func (f *finder) text() string {
	if f.tok != tWord || f.afterDot == f.from && f.from > 0 {
		return ""
	}
	return string(bytes.ToLower(f.s[f.start:f.end]))
}

// statement reads one statement and stops at its end. False means that what follows must be left alone.
func (f *finder) statement() bool {
	f.depth, f.lists, f.was = 0, f.lists[:0], [3]passed{}
	f.set, f.target, f.ignored, f.sets = false, false, false, false
	f.from0 = len(f.calls)
	for f.tok == tOpen {
		f.pass()
	}
	switch f.text() {
	case "select", "with", "values", "insert", "replace", "update", "delete", "do", "call", "show", "explain", "describe", "desc", "analyze", "handler", "load",
		"kill", "execute", "prepare":
	case "set":
		f.set, f.target = true, true
	case "begin":
		if f.pass(); !f.ended() { // BEGIN NOT ATOMIC is a block.
			return false
		}
	case "start", "commit", "rollback", "use", "drop", "truncate", "unlock":
		f.ignored = true
	case "create":
		f.pass()
		for f.text() == "or" || f.text() == "replace" || f.text() == "temporary" {
			f.pass()
		}
		if f.text() != "table" {
			return false
		}
		f.ignored = true // Up to its SELECT.
	default:
		return false
	}
	for !f.ended() {
		f.judge()
		f.pass()
	}
	f.endLists(-1)
	if f.sets {
		f.calls = slices.DeleteFunc(f.calls, func(c SessionCall) bool { return c.Name == CallLastInsertID || c.Name == CallInsertIDVariable })
	}
	return f.tok == tSemi
}

func (f *finder) ended() bool { return f.tok == tEnd || f.tok == tSemi || f.tok == tBad }

// pass goes on to the next token.
func (f *finder) pass() {
	switch f.tok {
	case tOpen:
		f.depth++
	case tClose:
		f.depth--
	default:
	}
	f.was[2], f.was[1] = f.was[1], f.was[0]
	f.was[0] = passed{f.tok, f.from, f.pos, f.openExec}
	f.next()
}

// judge acts on the current token.
func (f *finder) judge() {
	f.list()
	switch f.tok {
	case tClose:
		f.function()
	case tWord, tQuoted:
		f.variable()
	case tDot: // @@a.b: a was no variable.
		if n := len(f.calls); n > f.from0 && f.calls[n-1].End == f.was[0].end && f.calls[n-1].Name >= CallPseudoThreadID {
			f.calls = f.calls[:n-1]
		}
	default:
	}
	if f.was[0].tok == tOpen && f.tok != tClose && f.name(f.was[1]) == wLastInsertId {
		f.sets = true
	}
	if f.set && f.depth == 0 {
		f.assignments()
	}
}

// assignments follows those of SET.
func (f *finder) assignments() {
	switch {
	case f.tok == tComma:
		f.target = true
	case f.tok == tAssign, f.tok == tOp && f.s[f.start] == '=':
		id := f.name(f.was[0])
		f.sets = f.sets || f.target && (id == wLastInsertId || id == wIdentity)
		f.target = false
	case f.text() == "for": // SET STATEMENT … FOR
		f.set, f.target = false, false
	}
}

// name finds the id of a word that was passed, quoted or not.
func (f *finder) name(p passed) wordID {
	switch p.tok {
	case tWord:
		return wordTable[lookup(f.s[p.start:p.end])].id
	case tQuoted:
		return wordTable[lookup(f.s[p.start+1:p.end-1])].id
	default:
		return wNone
	}
}

// function is at a closing parenthesis, which may be a call's.
func (f *finder) function() {
	word := f.was[1]
	if f.was[0].tok != tOpen || word.tok != tWord || f.was[2].tok == tDot || word.exec != f.openExec {
		return
	}
	var name CallName
	switch f.name(word) {
	case wConnectionId:
		name = CallConnectionID
	case wFoundRows:
		name = CallFoundRows
	case wRowCount:
		name = CallRowCount
	case wLastInsertId:
		name = CallLastInsertID
	default:
		return
	}
	if f.was[2].tok == tWord {
		// A table or procedure of that name.
		switch strings.ToLower(string(f.s[f.was[2].start:f.was[2].end])) {
		case "into", "table", "call", "insert", "replace", "ignore", "low_priority", "high_priority", "delayed":
			return
		}
	}
	f.add(name, word.start, f.pos)
}

// variable is at a name, which may be a system variable's.
func (f *finder) variable() {
	at := f.was[0]
	if at.tok == tDot { // @@session.x
		scope := strings.ToLower(string(f.s[f.was[1].start:f.was[1].end]))
		if scope != "session" && scope != "local" {
			return
		}
		at = f.was[2]
	}
	if at.tok != tSysVar || f.target && f.depth == 0 || at.exec != f.openExec {
		return
	}
	var name CallName
	switch wordTable[lookup(f.s[f.start:f.end])].id {
	case wPseudoThreadId:
		name = CallPseudoThreadID
	case wWarningCount:
		name = CallWarningCount
	case wErrorCount:
		name = CallErrorCount
	case wLastInsertId, wIdentity:
		name = CallInsertIDVariable
	default:
		return
	}
	f.add(name, at.start, f.pos)
}

// add notes a call. Only the first statement of a text asks for what was before it.
func (f *finder) add(name CallName, start, end int) {
	if f.ignored || !f.first && name != CallConnectionID && name != CallPseudoThreadID {
		return
	}
	c := SessionCall{Start: start, End: end, Name: name}
	for _, l := range slices.Backward(f.lists) {
		if l.item != nil {
			c.columns = append(c.columns, l.item)
		}
	}
	f.calls = append(f.calls, c)
}

// list follows the select lists.
func (f *finder) list() {
	word := ""
	if f.tok == tWord {
		word = f.text()
	}
	if n := len(f.lists); n > 0 && f.lists[n-1].depth == f.depth {
		l := &f.lists[n-1]
		switch {
		case f.tok == tClose, endsList(word):
			f.endLists(f.depth - 1)
		case f.tok == tComma:
			f.endItem(l)
			return
		case word == "as":
			l.as = true
		case l.item == nil && isModifier(word):
			return
		case l.item == nil:
			l.item = &column{start: f.from}
		}
	}
	switch word {
	case "select":
		f.ignored = false
		f.lists = append(f.lists, selectList{depth: f.depth})
	case "returning":
		f.lists = append(f.lists, selectList{depth: f.depth})
	}
}

// endLists ends the lists that are deeper than depth.
func (f *finder) endLists(depth int) {
	for n := len(f.lists); n > 0 && f.lists[n-1].depth > depth; n-- {
		f.endItem(&f.lists[n-1])
		f.lists = f.lists[:n-1]
	}
}

// endItem ends a list's item before the current token, and tells whether it surely has no alias: by its last two tokens.
func (f *finder) endItem(l *selectList) {
	if l.item == nil {
		l.as = false
		return
	}
	last, before := f.was[0], f.was[1]
	l.item.end = last.end
	plain := false
	switch last.tok {
	case tClose, tNumber, tUserVar:
		plain = true
	case tWord, tQuoted, tString:
		switch before.tok {
		case tDot, tSysVar:
			plain = last.tok != tString
		case tOp: // But not behind \N, a parameter or {d '…'}.
			plain = strings.IndexByte("+-*/%=<>!&|^~", f.s[before.start]) >= 0
		default:
		}
	default:
	}
	l.item.unnamed = plain && !l.as && l.item.end > l.item.start
	l.item, l.as = nil, false
}

// isModifier tells whether a word may stand between SELECT and its list.
func isModifier(word string) bool {
	switch word {
	case "all", "distinct", "distinctrow", "straight_join", "high_priority", "sql_small_result", "sql_big_result", "sql_buffer_result", "sql_no_cache", "sql_cache",
		"sql_calc_found_rows":
		return true
	}
	return false
}

// endsList tells whether a word, reserved in every version, ends a select list.
func endsList(word string) bool {
	switch word {
	case "from", "into", "limit", "union", "except", "intersect", "where", "order", "group", "having", "for", "lock", "procedure", "fetch", "returning", "on":
		return true
	}
	return false
}
