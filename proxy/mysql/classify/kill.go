package classify

import (
	"strings"
)

// KillStatement is what a KILL names.
type KillStatement struct {
	Target KillTarget // For KillUser too, Query says what is to end.
	Query  bool       // The statement only, not the connection.
	Soft   bool

	// Start and End are the expression of the id. Plain says that it is a number, ID; Parameter that it is a question mark and nothing else.
	Start, End       int
	Plain, Parameter bool
	ID               uint64

	// User and Host are KillUser's; an empty host is any. CurrentUser stands for them.
	User, Host  string
	CurrentUser bool
}

// ParseKill reads a statement of Kind Kill. False is a form that is not known: the server knows better what is wrong with it.
func ParseKill(sql []byte, m Mode) (KillStatement, bool) {
	p := parser{lexer: lexer{s: sql, mode: m}, exempt: -1}
	p.advance()
	var k KillStatement
	if !p.skip(wKill) {
		return k, false
	}
	if !p.skip(wHard) {
		k.Soft = p.skip(wSoft)
	}
	k.Target = KillConnection
	if !p.skip(wConnection) && p.skip(wQuery) {
		k.Target, k.Query = KillQuery, true
		if p.skip(wId) {
			k.Target = KillQueryID
		}
	}
	if k.Target != KillQueryID && p.skip(wUser) {
		if p.tok != tOpen { // USER() is a function.
			k.Target = KillUser
			return k, p.account(&k) && p.onlyEnd()
		}
		p = parser{lexer: lexer{s: sql, mode: m, pos: p.prevStart}, exempt: -1}
		p.advance()
	}
	if p.ended() {
		return k, false
	}
	k.Start = p.from
	first, number := p.tok, p.s[p.start:p.end]
	one := true
	for k.End = p.pos; !p.ended(); one = one && p.ended() {
		k.End = p.pos
		p.advance()
	}
	if one && first == tNumber {
		k.ID, k.Plain = decimal(number)
	}
	k.Parameter = one && first == tOp && string(number) == "?"
	return k, p.onlyEnd()
}

// onlyEnd tells whether nothing follows but semicolons.
func (p *parser) onlyEnd() bool {
	for p.tok == tSemi {
		p.advance()
	}
	return p.tok == tEnd
}

// account reads user, user@host or CURRENT_USER.
func (p *parser) account(k *KillStatement) bool {
	var ok bool
	if p.tok == tWord && sameWord("current_user", p.s[p.start:p.end]) {
		p.advance()
		if p.tok == tOpen {
			p.advance()
			ok = p.tok == tClose
			p.advance()
			k.CurrentUser = true
			return ok
		}
		k.CurrentUser = true
		return true
	}
	if k.User, ok = p.text(); !ok {
		return false
	}
	p.advance()
	if p.tok != tUserVar {
		return true
	}
	if p.start == p.from { // @host, without quotes
		p.start++
	}
	k.Host, ok = p.text()
	p.advance()
	return ok
}

// text gives the current name or string as it is meant; not one with a backslash, which may mean several things.
func (p *parser) text() (string, bool) {
	s := string(p.s[p.start:p.end])
	switch p.tok {
	case tWord, tQuoted, tString, tUserVar:
	default:
		return "", false
	}
	if strings.Contains(s, `\`) || s == "" {
		return "", false
	}
	if q := p.s[p.start-1]; p.start > 0 && (q == '\'' || q == '"' || q == '`') {
		s = strings.ReplaceAll(s, string(q)+string(q), string(q))
	}
	return s, true
}

// ProcessList tells whether a statement of Kind Show is SHOW [FULL] PROCESSLIST and nothing else.
func ProcessList(sql []byte, m Mode) (full, ok bool) {
	p := parser{lexer: lexer{s: sql, mode: m}, exempt: -1}
	p.advance()
	if !p.skip(wShow) {
		return false, false
	}
	full = p.skip(wFull)
	return full, p.skipWord("processlist") && p.onlyEnd() && !p.sawExec
}
