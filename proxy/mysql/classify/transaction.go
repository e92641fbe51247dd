package classify

// transaction classifies what begins and ends transactions. A form that is
// not known completely is Other, for the server to judge.
func (p *parser) transaction(id wordID) bool {
	switch id {
	case wBegin:
		p.begin()
	case wStart:
		p.startTransaction()
	case wCommit, wRollback:
		p.endTransaction(id)
	case wSavepoint:
		p.whole(Savepoint)
	case wRelease:
		p.advance()
		if p.is(wSavepoint) {
			p.whole(Savepoint)
		} else {
			p.other(ReasonUnknown)
		}
	case wXa:
		p.whole(XA)
	default:
		return false
	}
	return true
}

// whole takes a statement as it is, whatever follows.
func (p *parser) whole(k Kind) {
	p.drain()
	p.set(k, ReasonStatement)
}

// begin tells BEGIN [WORK] from BEGIN NOT ATOMIC, a compound statement.
func (p *parser) begin() {
	p.advance()
	p.skip(wWork)
	if !p.ended() {
		p.other(ReasonUnknown)
		return
	}
	p.c.Flags |= ImplicitCommit
	p.set(Begin, ReasonStatement)
}

// startTransaction is START TRANSACTION with its characteristics, or START SLAVE.
func (p *parser) startTransaction() {
	p.advance()
	p.c.Flags |= ImplicitCommit
	if !p.skip(wTransaction) {
		p.other(ReasonUnknown)
		return
	}
	kind := Begin
	for !p.ended() {
		switch {
		case p.skip(wRead):
			if p.skip(wOnly) {
				kind = BeginReadOnly
			} else if !p.skipWord("write") {
				p.other(ReasonUnknown)
				return
			}
		case p.skip(wWith):
			if !p.skip(wConsistent) || !p.skip(wSnapshot) {
				p.other(ReasonUnknown)
				return
			}
			p.c.Flags |= ConsistentSnapshot
		default:
			p.other(ReasonUnknown)
			return
		}
		if p.tok == tComma {
			p.advance()
		}
	}
	p.set(kind, ReasonStatement)
}

// skipWord is skip for a word without an id.
func (p *parser) skipWord(name string) bool {
	if p.tok != tWord || !sameWord(name, p.s[p.start:p.end]) {
		return false
	}
	p.advance()
	return true
}

// endTransaction is COMMIT or ROLLBACK [WORK] [AND [NO] CHAIN] [[NO] RELEASE], or
// ROLLBACK [WORK] TO [SAVEPOINT] name.
func (p *parser) endTransaction(id wordID) {
	p.advance()
	p.skip(wWork)
	if id == wRollback && p.is(wTo) {
		p.whole(Savepoint)
		return
	}
	if p.skip(wAnd) {
		no := p.skip(wNo)
		if !p.skip(wChain) {
			p.other(ReasonUnknown)
			return
		}
		if !no {
			p.c.Flags |= Chain
		}
	}
	no := p.skip(wNo)
	if p.skip(wRelease) && !no {
		p.c.Flags |= Release
	}
	if !p.ended() {
		p.other(ReasonUnknown)
		return
	}
	if id == wCommit {
		p.set(Commit, ReasonStatement)
	} else {
		p.set(Rollback, ReasonStatement)
	}
}
