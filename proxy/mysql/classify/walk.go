package classify

// walk reads the rest of a statement and collects what its words say.
func (p *parser) walk() {
	for !p.ended() {
		if !p.judge() {
			p.skim()
		}
	}
}

// judge acts on the current token, by itself and the ones before it. True
// means that it has gone on to another one.
func (p *parser) judge() bool {
	switch p.tok {
	case tWord:
		if p.word == unread && !mayAct(p.s[p.start], p.end-p.start) {
			return false
		}
		if e := p.entry(); e.props&acts != 0 {
			return p.keyword(e)
		}
	case tOpen:
		p.open()
	case tClose:
		p.balance--
		if p.inCTE && p.balance == p.cteDepth {
			p.closeCTE()
			return true
		}
	case tDot:
		p.schemaTable()
		return true
	case tUserVar:
		p.c.Flags |= UserVariable
	case tAssign:
		p.c.Flags |= AssignsUserVariable
	case tSysVar:
		p.systemVariable()
		return true
	default:
	}
	return false
}

// open judges a parenthesis by what stands before it.
func (p *parser) open() {
	p.balance++
	if p.prevEnd == p.exempt {
		return
	}
	switch p.prevTok {
	case tWord:
		switch e := p.before(); {
		case p.prevTok2 == tDot:
			p.c.Flags |= UnknownFunction // schema.function is a stored one
		case e.id == wAgainst && p.prevTok2 == tClose: // MATCH (…) AGAINST (
		default:
			p.call(e.props)
		}
	case tQuoted, tString:
		p.c.Flags |= UnknownFunction
	default:
	}
}

// call judges word(…) by the word's properties.
func (p *parser) call(pr props) {
	if pr&pNondet != 0 {
		p.c.Flags |= NonDeterministic
	}
	known := pr&(pParen|pFunc) != 0
	if pr&pTight != 0 {
		known = p.start == p.prevEnd || p.mode&IgnoreSpace != 0 && !p.commented
	}
	if !known || pr&pNew != 0 && p.mode&Since106 == 0 {
		p.c.Flags |= UnknownFunction
	}
}

// cteName reads the name of a common table expression, in WITH name (columns)
// AS (query), name (columns) AS …: a parenthesis may follow it and is no call.
// What is not followed by AS or a parenthesis (WITH ROLLUP) is none.
func (p *parser) cteName() {
	p.inCTE = false
	if p.tok != tWord && p.tok != tQuoted {
		return
	}
	if p.entry().props&pForbidden != 0 {
		p.unsure = ReasonWord
	}
	name := p.pos
	p.advance()
	if p.tok == tOpen || p.is(wAs) {
		p.inCTE, p.cteDepth, p.exempt = true, p.balance, name
	}
}

// closeCTE is at the parenthesis that ends the columns (AS follows) or the
// query of a common table expression (a comma and the next name may follow).
func (p *parser) closeCTE() {
	p.advance()
	switch {
	case p.is(wAs):
	case p.tok == tComma:
		p.advance()
		p.cteName()
	default:
		p.inCTE = false
	}
}
