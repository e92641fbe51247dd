package classify

// keyword acts on a word that decides something within a statement. True means
// that it has gone on to the next token.
func (p *parser) keyword(e *entry) bool {
	switch e.id {
	case wInto:
		p.into()
		return true
	case wFor:
		p.lockClause()
		return true
	case wLock: // LOCK IN SHARE MODE
		p.c.Flags |= ForUpdate
		return false
	case wInsert, wReplace:
		p.advance()
		if p.tok != tOpen { // INSERT() and REPLACE() are functions
			p.unsure = ReasonWord
		}
		return true
	case wDefault:
		p.advance()
		if p.tok == tOpen { // a column's default may be NEXTVAL()
			p.c.Flags |= UnknownFunction
		}
		return true
	case wWith:
		if p.inCTE {
			return false // names of an inner WITH with columns count as calls
		}
		p.advance()
		p.skip(wRecursive)
		p.cteName()
		return true
	case wSqlCalcFoundRows:
		p.c.Flags |= CalcFoundRows
		return false
	case wUnion, wExcept, wIntersect:
		p.c.Flags |= SetOperation
		return false
	default:
	}
	if e.props&pNow != 0 {
		p.c.Flags |= NonDeterministic
	}
	if e.props&pForbidden != 0 {
		p.unsure = ReasonWord
	}
	return p.stateFunction(e.id)
}

// stateFunction acts on built-ins that read or change what belongs to the
// session or to the node.
func (p *parser) stateFunction(id wordID) bool {
	var f Flags
	switch id {
	case wLastInsertId:
		return p.lastInsertID()
	case wConnectionId:
		f = ConnectionID | ServerLocal
	case wFoundRows:
		f = FoundRows
	case wRowCount:
		f = RowCount
	case wGetLock:
		f = UserLock
	case wReleaseLock, wReleaseAllLocks:
		f = ReleasesUserLock
	case wIsFreeLock, wIsUsedLock, wLoadFile, wMasterGtidWait, wMasterPosWait, wBinlogGtidPos,
		wWsrepLastSeenGtid, wWsrepLastWrittenGtid, wWsrepSyncWaitUptoGtid:
		f = ServerLocal
	case wNextval, wLastval, wSetval:
		f = Sequence
	case wExtractvalue, wUpdatexml: // XPath names a user variable in a string: '//b[$@i]' (server: sql/item_xmlfunc.cc)
		f = UserVariable
	default:
		return false
	}
	p.advance()
	if p.tok == tOpen {
		p.c.Flags |= f
		if id == wNextval || id == wSetval {
			p.writes = true
		}
	}
	return true
}

// lastInsertID tells LAST_INSERT_ID() from LAST_INSERT_ID(expr).
func (p *parser) lastInsertID() bool {
	p.advance()
	if p.tok != tOpen {
		return true
	}
	p.open()
	p.advance()
	p.c.Flags |= UsesLastInsertID
	if p.tok != tClose {
		p.c.Flags |= SetsLastInsertID
	}
	return true
}

// into is INTO OUTFILE, INTO DUMPFILE, INTO @v or INTO a local variable.
func (p *parser) into() {
	p.advance()
	switch {
	case p.is(wOutfile), p.is(wDumpfile):
		p.c.Flags |= IntoOutfile
		p.writes = true
		p.advance()
	case p.tok == tUserVar:
		p.c.Flags |= IntoVar | AssignsUserVariable
	default:
		p.c.Flags |= IntoVar
	}
}

// lockClause tells FOR UPDATE and FOR SHARE from the other uses of FOR.
func (p *parser) lockClause() {
	behind := wNone
	if p.prevTok == tWord && p.prevTok2 != tDot {
		behind = p.before().id
	}
	p.advance()
	switch {
	case p.is(wUpdate), p.is(wShare):
		p.c.Flags |= ForUpdate
		p.advance()
	case behind == wValue: // NEXT VALUE FOR, PREVIOUS VALUE FOR
		p.c.Flags |= Sequence
		p.writes = true
	case p.is(wSystemTime), p.is(wJoin), p.is(wOrder), p.is(wGroup): // versions, index hints
	case p.tok == tNumber, p.tok == tOpen: // SUBSTRING(a FROM 1 FOR 2)
	default:
		p.unsure = ReasonWord
	}
}

// schemaTable is at a dot. Tables of the server's own schemas are read from
// any node only if they say the same on each.
func (p *parser) schemaTable() {
	id, first := wNone, p.prevTok2 != tDot
	switch p.prevTok {
	case tWord:
		id = p.before().id
	case tQuoted:
		id = wordTable[lookup(p.s[p.prevStart:p.prevEnd-1])].id
	default:
	}
	p.advance()
	if !first {
		return
	}
	var same props
	switch id {
	case wInformationSchema:
		same = pIstable
	case wMysql:
		same = pMytable
	case wPerformanceSchema, wSys:
	default:
		return
	}
	if wordTable[lookup(p.s[p.start:p.end])].props&same == 0 {
		p.c.Flags |= ServerLocal
	}
}

// systemVariable reads @@name, @@scope.name and what they tell.
func (p *parser) systemVariable() {
	p.c.Flags |= SystemVariable
	p.advance()
	if p.is(wGlobal) || p.is(wPersist) {
		p.c.Flags |= ServerLocal
		return
	}
	if p.is(wSession) || p.is(wLocal) {
		p.advance()
		if p.tok != tDot {
			p.c.Flags |= ServerLocal
			return
		}
		p.advance()
	}
	var e entry
	if p.tok == tWord || p.tok == tQuoted {
		e = wordTable[lookup(p.s[p.start:p.end])]
		p.advance()
	}
	switch e.id {
	case wLastInsertId, wIdentity:
		p.c.Flags |= UsesLastInsertID
	case wWarningCount, wErrorCount:
		p.c.Flags |= Warnings
	case wPseudoThreadId:
		p.c.Flags |= ConnectionID | ServerLocal
	default:
		if e.props&pSysvar == 0 || p.tok == tDot {
			p.c.Flags |= ServerLocal
		}
	}
}
