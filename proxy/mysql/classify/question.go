package classify

// question classifies what asks without being a SELECT.
func (p *parser) question(id wordID) bool {
	switch id {
	case wShow:
		p.show()
	case wExplain, wDescribe, wDesc:
		p.explain()
	case wGet: // GET DIAGNOSTICS sets the variables it names
		p.walk()
		p.c.Flags |= Warnings | AssignsUserVariable
		p.set(Diagnostics, ReasonStatement)
	case wChecksum:
		p.whole(ReadWriter)
	case wHelp: // reads tables of schema mysql
		p.whole(ReadWriter)
	default:
		return false
	}
	return true
}

// explain is DESCRIBE table, or EXPLAIN of a statement, which may run parts of
// it (and all of it with ANALYZE).
func (p *parser) explain() {
	p.advance()
	executes := false
	for {
		switch {
		case p.skip(wExtended), p.skip(wPartitions):
		case p.skip(wAnalyze):
			executes = true
		case p.is(wFormat):
			p.format()
		default:
			p.explained(executes)
			return
		}
	}
}

// format passes FORMAT = name.
func (p *parser) format() {
	p.advance()
	if p.tok == tOp && p.s[p.start] == '=' {
		p.advance()
		if p.tok == tWord || p.tok == tString {
			p.advance()
		}
	}
}

// explained judges EXPLAIN and ANALYZE by the statement that they are about.
func (p *parser) explained(executes bool) {
	switch p.id() {
	case wSelect, wWith, wValues:
		p.read()
	case wInsert, wReplace, wUpdate, wDelete:
		kind := ReadWriter
		if executes {
			kind = DML
		}
		p.walk()
		p.set(kind, ReasonExplainWrite)
	case wFor: // EXPLAIN FOR CONNECTION
		p.c.Flags |= ServerLocal
		p.whole(Show)
	default:
		if p.tok == tOpen {
			p.exempt = p.prevEnd // EXPLAIN ( is no call
			p.read()
			return
		}
		if executes || p.tok != tWord && p.tok != tQuoted {
			p.other(ReasonUnknown)
			return
		}
		p.read() // DESCRIBE table
	}
}

// analyze is ANALYZE TABLE or ANALYZE [FORMAT=JSON] statement.
func (p *parser) analyze() {
	p.advance()
	if p.is(wTable) || p.is(wTables) || p.is(wLocal) || p.is(wNoWriteToBinlog) {
		p.c.Flags |= ImplicitCommit
		p.whole(DDL)
		return
	}
	if p.is(wFormat) {
		p.format()
	}
	p.explained(true)
}
