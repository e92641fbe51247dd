package classify

import "strings"

// assignments classifies SET. Which variables it sets is not listed: the
// server's tracker reports them with their new values.
func (p *parser) assignments() {
	p.advance()
	switch {
	case p.is(wStatement):
		p.setStatement()
		return
	case p.is(wPassword):
		p.walk()
		p.c.Flags |= SetPassword | ImplicitCommit
		p.set(Other, ReasonStatement)
		return
	case p.is(wRole):
		p.walk()
		p.c.Flags |= SetRole
		p.set(Set, ReasonStatement)
		return
	case p.is(wTransaction):
		p.c.Flags |= TransactionChars
		p.whole(Set)
		return
	case p.is(wDefault): // SET DEFAULT ROLE
		p.c.Flags |= ImplicitCommit
		p.drain()
		p.set(Other, ReasonStatement)
		return
	default:
	}
	p.set(Set, ReasonStatement)
	constant, users := true, false
	for {
		user, literal := p.assignment()
		users = users || user
		constant = constant && (literal || !user)
		if p.tok != tComma {
			break
		}
		p.advance()
	}
	if users && constant {
		p.c.Flags |= ConstantUserVariable
	}
}

// assignment reads one of SET's, up to the comma behind it, and tells whether
// it is of a user variable and whether its value is a literal.
func (p *parser) assignment() (user, literal bool) {
	session := false
	switch {
	case p.is(wGlobal), p.is(wPersist), p.is(wPersistOnly):
		p.global()
		p.advance()
	case p.is(wSession), p.is(wLocal):
		session = true
		p.advance()
		if p.is(wTransaction) { // SET SESSION TRANSACTION: two variables that are tracked
			for !p.ended() {
				p.advance()
			}
			return false, false
		}
	case p.tok == tSysVar:
		session = p.target()
	default:
	}
	switch p.tok {
	case tUserVar:
		user = true
		p.c.Flags |= AssignsUserVariable
		p.advance()
	case tWord, tQuoted:
		p.variable(wordTable[lookup(p.s[p.start:p.end])].id, session)
		p.advance()
	default:
	}
	if p.tok == tAssign || p.tok == tOp && p.s[p.start] == '=' {
		p.advance()
		literal = p.literal()
	}
	p.value()
	return user, literal
}

// global notes a SET of what is not the session's alone.
func (p *parser) global() {
	p.set(SetGlobal, ReasonStatement)
}

// target reads @@ and the scope before a variable's name, and stops at the
// name. True is the session's own scope, said outright.
func (p *parser) target() bool {
	p.advance()
	session := p.is(wSession) || p.is(wLocal)
	switch {
	case session:
	case p.is(wGlobal), p.is(wPersist), p.is(wPersistOnly):
		p.global()
	default:
		p.c.Flags |= UnscopedVariable
		if p.targets != nil {
			*p.targets = append(*p.targets, p.start)
		}
		return false
	}
	p.advance()
	if p.tok == tDot {
		p.advance()
	}
	return session
}

// variable notes the few variables that are more than a value.
func (p *parser) variable(id wordID, session bool) {
	switch id {
	case wLastInsertId, wIdentity, wInsertId:
		p.c.Flags |= SetsLastInsertID
	case wTxIsolation, wTransactionIsolation, wTxReadOnly, wTransactionReadOnly:
		if !session { // without scope it is for the next transaction only
			p.c.Flags |= TransactionChars
		}
	default:
	}
}

// literal tells whether a value is one literal and nothing else, and leaves
// the position where it was or at its end.
func (p *parser) literal() bool {
	if p.tok == tOp && (p.s[p.start] == '-' || p.s[p.start] == '+') {
		p.advance()
		if p.tok != tNumber {
			return false
		}
	}
	switch {
	case p.tok == tNumber:
		p.advance()
		if p.tok == tDot {
			p.advance()
			if p.tok == tNumber {
				p.advance()
			}
		}
	case p.tok == tString, p.is(wNull), p.is(wTrue), p.is(wFalse):
		p.advance()
	default:
		return false
	}
	return p.tok == tComma || p.ended()
}

// value walks over an expression up to a comma outside of parentheses.
func (p *parser) value() {
	depth := p.balance
	for !p.ended() && (p.tok != tComma || p.balance != depth) {
		if !p.judge() {
			p.advance()
		}
	}
}

// setStatement is SET STATEMENT variable = value, … FOR statement. The values
// hold for that statement only; a read under them stays with the session.
func (p *parser) setStatement() {
	p.c.Flags |= TemporarySettings
	p.advance()
	for !p.ended() && (!p.is(wFor) || p.balance != 0) {
		if !p.judge() {
			p.advance()
		}
	}
	if !p.skip(wFor) {
		p.set(Other, ReasonUnknown)
		return
	}
	if p.is(wSet) { // one within another: no nesting here
		p.other(TemporarySettings.Name())
		return
	}
	p.statement()
	if p.c.Kind == Read || p.c.Kind == Diagnostics {
		p.set(ReadWriter, TemporarySettings.Name())
	}
	if p.c.Kind != ReadWriter && p.c.Kind != DML {
		p.set(Other, TemporarySettings.Name())
	}
}

// Scoped gives the text of a SET with SESSION put into each @@x that has no scope, which means the same. The server's tracker reports those only that have one (measured on 10.11.19).
// names are theirs, in lower case. The text stays as it is where one of them is for the next transaction only.
func Scoped(sql []byte, m Mode) (text []byte, names []string) {
	var at []int
	p := parser{lexer: lexer{s: sql, mode: m}, exempt: -1, targets: &at}
	p.advance()
	p.statement()
	if p.tok != tEnd || p.c.Kind != Set || p.c.Flags.Has(TransactionChars) || len(at) == 0 {
		return sql, nil
	}
	const scope = "session."
	out := make([]byte, 0, len(sql)+len(scope)*len(at))
	from := 0
	for _, i := range at {
		end := i
		for end < len(sql) && isNameByte(sql[end]) {
			end++
		}
		names = append(names, strings.ToLower(string(sql[i:end])))
		if sql[i-1] == '`' || sql[i-1] == '"' {
			i-- // The offset is behind the quote.
		}
		out = append(append(out, sql[from:i]...), scope...)
		from = i
	}
	return append(out, sql[from:]...), names
}

// isNameByte says whether c may stand in the name of a variable.
func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
