package classify

// statement classifies one statement and stops behind it, at a semicolon or
// the end of the text.
func (p *parser) statement() {
	p.unsure, p.writes, p.balance, p.inCTE = "", false, 0, false
	for p.tok == tOpen {
		p.balance++
		p.advance()
	}
	if p.tok != tWord || p.start != p.from {
		p.other(ReasonUnknown)
		return
	}
	id := p.id()
	switch id {
	case wSelect, wWith, wValues:
		p.read()
		return
	default:
	}
	if p.balance > 0 {
		p.other(ReasonUnknown)
		return
	}
	if p.transaction(id) || p.rows(id) || p.definition(id) || p.session(id) || p.question(id) {
		return
	}
	p.other(ReasonUnknown)
}

// other gives up on a statement, but not on what its words say.
func (p *parser) other(reason string) {
	p.walk()
	p.set(Other, reason)
}

// staying are the flags that keep a read on the backend conn of the session.
const staying = UserVariable | AssignsUserVariable | UserLock | ReleasesUserLock | UsesLastInsertID |
	SetsLastInsertID | FoundRows | RowCount | Warnings | Sequence | ForUpdate | IntoOutfile | IntoVar |
	UnknownFunction | ServerLocal | ConnectionID

// read walks over a statement that is a read by its form and judges it.
func (p *parser) read() {
	before := p.c.Flags
	p.c.Flags = 0
	p.walk()
	f := p.c.Flags & staying
	p.c.Flags |= before
	switch {
	case p.unsure != "":
		p.set(Other, p.unsure)
	case p.writes:
		p.set(Other, f.Name())
	case f == 0:
		p.set(Read, ReasonRead)
	case f&^(FoundRows|RowCount|Warnings) == 0:
		p.set(Diagnostics, f.Name())
	default:
		p.set(ReadWriter, f.Name())
	}
}

// rows classifies what changes rows.
func (p *parser) rows(id wordID) bool {
	switch id {
	case wInsert, wReplace:
		p.advance()
		p.insertTarget()
		p.walk()
		p.set(DML, ReasonStatement)
	case wUpdate, wDelete:
		p.advance()
		p.walk()
		p.set(DML, ReasonStatement)
	case wCall:
		p.advance()
		p.qualifiedName()
		p.walk()
		p.set(Call, ReasonStatement)
	case wDo:
		p.advance()
		p.read()
	case wLoad:
		p.load()
	case wHandler:
		p.walk()
		p.set(Handler, ReasonStatement)
	default:
		return false
	}
	return true
}

// insertTarget passes INTO and the table, which a column list may follow.
func (p *parser) insertTarget() {
	for p.skipWord("low_priority") || p.skipWord("high_priority") || p.skipWord("delayed") || p.skipWord("ignore") {
		continue
	}
	p.skip(wInto)
	p.qualifiedName()
}

// qualifiedName passes a name of up to three parts that a parenthesis may
// follow.
func (p *parser) qualifiedName() {
	for p.tok == tWord || p.tok == tQuoted {
		p.exempt = p.pos
		p.advance()
		if p.tok != tDot {
			return
		}
		p.advance()
	}
}

// load tells LOAD DATA LOCAL, for which the server asks the client.
func (p *parser) load() {
	p.advance()
	if !p.skip(wData) && !p.skip(wXml) { // LOAD INDEX INTO CACHE
		p.c.Flags |= ImplicitCommit
		p.other(ReasonStatement)
		return
	}
	if !p.skip(wLowPriority) {
		p.skip(wConcurrent)
	}
	kind := DML
	if p.is(wLocal) {
		kind = LoadDataLocal
	}
	// FIELDS, LINES and a column list are no calls; SET may have some.
	flags := p.c.Flags
	p.walk()
	p.c.Flags = flags | p.c.Flags&^(IntoVar|UnknownFunction)
	p.set(kind, ReasonStatement)
}

// definition classifies what changes definitions, accounts and the node.
func (p *parser) definition(id wordID) bool {
	switch id {
	case wCreate:
		p.create()
	case wDrop:
		p.drop()
	case wAnalyze:
		p.analyze()
	case wAlter, wTruncate, wRename, wGrant, wRevoke, wOptimize, wRepair, wCheck:
		p.drain()
		p.c.Flags |= ImplicitCommit
		p.set(DDL, ReasonStatement)
	case wBackup: // BACKUP STAGE and BACKUP LOCK hold locks
		p.drain()
		p.c.Flags |= Locks | ImplicitCommit
		p.set(Other, ReasonStatement)
	case wChange, wInstall, wUninstall, wReset, wPurge, wShutdown, wStop, wCache:
		p.drain()
		p.c.Flags |= ImplicitCommit
		p.set(Other, ReasonStatement)
	default:
		return false
	}
	return true
}

// create tells CREATE TEMPORARY TABLE from the rest.
func (p *parser) create() {
	p.advance()
	if p.skip(wOr) {
		p.skip(wReplace)
	}
	if p.is(wTemporary) {
		p.walk()
		p.c.Flags = p.c.Flags&^UnknownFunction | TemporaryTable
		p.set(TempTable, ReasonStatement)
		return
	}
	if p.is(wTable) { // CREATE TABLE … SELECT may do what a SELECT does
		unknown := p.c.Flags & UnknownFunction
		p.walk()
		p.c.Flags = p.c.Flags&^UnknownFunction | unknown
	} else {
		p.drain()
	}
	p.c.Flags |= ImplicitCommit
	p.set(DDL, ReasonStatement)
}

// drop is DROP TEMPORARY TABLE, DROP PREPARE or DDL. DROP TABLE without the
// word may hit a temporary table too.
func (p *parser) drop() {
	p.advance()
	switch {
	case p.is(wTemporary):
		p.c.Flags |= TemporaryTable
		p.set(TempTable, ReasonStatement)
	case p.is(wPrepare):
		p.set(Deallocate, ReasonStatement)
	default:
		p.c.Flags |= ImplicitCommit
		p.set(DDL, ReasonStatement)
	}
	p.drain()
}
