package classify

// show classifies SHOW. What is about definitions says the same on each node;
// what is about the last statement, the session or the node does not.
func (p *parser) show() {
	p.advance()
	for p.is(wFull) || p.is(wExtended) || p.is(wStorage) {
		p.advance()
	}
	switch id := p.id(); id {
	case wTables, wColumns, wFields, wIndex, wIndexes, wKeys, wDatabases, wSchemas, wTriggers, wEvents,
		wCollation, wCharset, wEngines, wPrivileges, wAuthors, wContributors:
		p.advance()
		p.read() // FROM, LIKE and WHERE, which may hold any expression
	case wCreate:
		p.advance()
		p.advance() // PROCEDURE and TRIGGER are words that no other read has
		p.names()
	case wGrants:
		p.names()
	case wTable, wFunction, wProcedure, wPackage:
		p.advance()
		if id == wPackage {
			p.skip(wBody)
		}
		if p.skip(wStatus) {
			p.read()
		} else {
			p.showNode()
		}
	case wCharacter:
		p.advance()
		if p.skip(wSet) {
			p.read()
		} else {
			p.showNode()
		}
	case wWarnings, wErrors:
		p.showDiagnostics()
	case wCount: // SHOW COUNT(*) WARNINGS
		p.showDiagnostics()
	default:
		p.showNode()
	}
}

// names passes over the names of what is shown.
func (p *parser) names() {
	p.set(Read, ReasonRead)
	for !p.ended() {
		if p.entry().props&pForbidden != 0 {
			p.set(Other, ReasonWord)
		}
		p.advance()
	}
}

// showNode is a SHOW that says something else on each node.
func (p *parser) showNode() {
	p.walk()
	p.c.Flags |= ServerLocal
	p.set(Show, ReasonNodeAnswer)
}

// showDiagnostics is SHOW WARNINGS, SHOW ERRORS or a count of them.
func (p *parser) showDiagnostics() {
	p.c.Flags |= Warnings
	p.whole(Diagnostics)
}
