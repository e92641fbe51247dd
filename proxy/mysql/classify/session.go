package classify

// session classifies what changes the session's state, besides SET (set.go).
func (p *parser) session(id wordID) bool {
	switch id {
	case wSet:
		p.assignments()
	case wUse:
		p.use()
	case wKill:
		p.kill()
	case wLock:
		p.c.Flags |= Locks | ImplicitCommit
		p.whole(LockTables)
	case wUnlock:
		p.c.Flags |= ImplicitCommit
		p.whole(UnlockTables)
	case wFlush:
		p.flush()
	case wPrepare: // PREPARE name FROM 'text' or an expression
		p.walk()
		p.set(Prepare, ReasonStatement)
	case wExecute:
		p.walk()
		p.set(Execute, ReasonStatement)
	case wDeallocate:
		p.whole(Deallocate)
	case wBinlog:
		p.whole(Binlog)
	default:
		return false
	}
	return true
}

// use is USE schema.
func (p *parser) use() {
	p.advance()
	if p.tok != tWord && p.tok != tQuoted {
		p.other(ReasonUnknown)
		return
	}
	p.c.UseStart, p.c.UseEnd, p.c.UseQuoted = int32(p.from), int32(p.end), p.tok == tQuoted
	if p.tok == tQuoted {
		p.c.UseStart = int32(p.start)
	}
	p.advance()
	if !p.ended() {
		p.c.UseStart, p.c.UseEnd, p.c.UseQuoted = 0, 0, false
		p.other(ReasonUnknown)
		return
	}
	p.set(Use, ReasonStatement)
}

// kill is KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] n, or … USER name.
func (p *parser) kill() {
	p.advance()
	if !p.skip(wHard) {
		p.c.KillSoft = p.skip(wSoft)
	}
	target := KillConnection
	if !p.skip(wConnection) && p.skip(wQuery) {
		target = KillQuery
		if p.skip(wId) {
			target = KillQueryID
		}
	}
	switch {
	case p.is(wUser):
		p.c.KillTarget = KillUser
	case p.tok == tNumber:
		n, ok := decimal(p.s[p.start:p.end])
		p.advance()
		if ok && p.ended() {
			p.c.KillTarget, p.c.KillID = target, n
		}
	default:
	}
	p.walk()
	p.set(Kill, ReasonStatement)
}

// decimal reads an unsigned number, if it fits.
func decimal(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// flush is FLUSH; some of its forms hold locks until UNLOCK TABLES.
func (p *parser) flush() {
	p.advance()
	for !p.ended() {
		if p.is(wRead) || p.is(wLock) || p.is(wExport) {
			p.c.Flags |= Locks // TABLES WITH READ LOCK, FOR EXPORT
		}
		p.advance()
	}
	p.c.Flags |= ImplicitCommit
	p.set(Flush, ReasonStatement)
}
