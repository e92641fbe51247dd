package mysql

import (
	"bytes"
	"slices"
	"strings"

	"galley/proxy/mysql/classify"
)

// pins are the reasons why the session's statements must all run on its backend conn to the writer: state that cannot be set again elsewhere.
type pins uint16

// The pins. In this list's order the first that is set is shown as the reason.
const (
	pinTempTable    pins = 1 << iota // A temporary table exists, or may.
	pinLockedTables                  // LOCK TABLES.
	pinUserLock                      // GET_LOCK.
	pinHandler                       // HANDLER … OPEN.
	pinTransaction                   // SET TRANSACTION for the next transaction.
	pinVariable                      // A variable that cannot be replayed: timestamp, insert_id, rand_seed…
	pinUnknown                       // The server said that something changed, and not what.
	pinXA                            // An XA transaction.
	pinGlobalLock                    // FLUSH TABLES WITH READ LOCK, BACKUP STAGE.
	pinExpired                       // An expired password: changing it frees the backend conn on which that was done.
	pinTextPrepared                  // PREPARE name FROM.
	pinRole                          // SET ROLE.
	pinVariables                     // User variables, on a server that does not list them.
	pinSequence                      // A sequence's last value, which LASTVAL() gives.
	pinSchemaless                    // A statement that was prepared while no schema was chosen, and asks for it.
	pinCount        = iota
)

// pinNames are the reasons as metrics, logs and the page show them.
func pinNames() [pinCount]string {
	return [pinCount]string{"temporary_table", "locked_tables", "user_lock", "handler", "transaction_characteristics", "variable", "unknown_state", "xa", "global_lock", "expired_password", "text_prepared", "role", "user_variables", "sequence", "prepared_without_schema"}
}

// String gives the names of all pins that are set.
func (p pins) String() string {
	var names []string
	for i, name := range pinNames() {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// hold is one of the things that a pin stands for. Two holds of the same name are one thing, but for user locks, which are counted.
type hold struct {
	pin  pins
	name string // As it is written; "" where it is not known, so that nothing but all of its kind can end it.
}

// The names of what pinGlobalLock stands for, and of the one variable that can be given back.
const (
	holdTables    = "tables"
	holdStage     = "stage"
	holdBackup    = "backup"
	holdTimestamp = "timestamp"
)

// maxHolds is how many things of one kind are told apart.
const maxHolds = 200

// hold pins the session for h.
func (s *state) hold(h hold) {
	s.pins |= h.pin
	same, unknown := 0, false
	for _, other := range s.holds {
		if other.pin == h.pin {
			same++
			unknown = unknown || other.name == "" || other == h && h.pin != pinUserLock
		}
	}
	switch {
	case unknown:
	case same == maxHolds:
		s.holds = append(s.holds, hold{pin: h.pin})
	default:
		s.holds = append(s.holds, h)
	}
}

// release ends h, or all of its kind. The pin ends with the last one.
func (s *state) release(h hold, all bool) {
	if all {
		s.holds = slices.DeleteFunc(s.holds, func(other hold) bool { return other.pin == h.pin })
		s.pins &^= h.pin
		return
	}
	i := slices.Index(s.holds, h)
	if i < 0 {
		return
	}
	s.holds = slices.Delete(s.holds, i, i+1)
	if !slices.ContainsFunc(s.holds, func(other hold) bool { return other.pin == h.pin }) {
		s.pins &^= h.pin
	}
}

// pinChange is what a statement begins or ends if it succeeds.
type pinChange struct {
	hold

	ends   bool
	all    bool // It ends all of its kind.
	anyway bool // It begins also where the statement fails, as that may be behind it.
}

// begins says whether any of the changes is a begin.
func begins(changes []pinChange) bool {
	return slices.ContainsFunc(changes, func(c pinChange) bool { return !c.ends })
}

// change takes what a statement has changed.
func (s *state) change(changes []pinChange, failed bool) {
	for _, c := range changes {
		switch {
		case failed && !c.anyway:
		case c.ends:
			s.release(c.hold, c.all)
		default:
			s.hold(c.hold)
		}
	}
}

// explainsStateChange says whether a statement's own text tells of all session state that it may change without the server naming it.
func explainsStateChange(c *classify.Class) bool {
	switch {
	case c.Flags.Has(classify.TemporarySettings):
		// SET STATEMENT … FOR: what it sets goes back by itself, and the server reports that with the next answer.
		return !c.Flags.Has(classify.MultiStatement|classify.UnknownFunction) && temporaryKinds.has(c.Kind)
	case c.Kind == classify.TempTable, c.Kind == classify.Handler, c.Kind == classify.XA:
		return true
	case namedKinds.has(c.Kind):
		// A function of the cluster's own may change anything.
		return !c.Flags.Has(classify.MultiStatement | classify.UnknownFunction)
	case c.Kind == classify.ReadWriter:
		// All that it calls is known. In a transaction the end of its rows says that something changed even where that is the transaction's own state.
		return !c.Flags.Has(classify.UnknownFunction | classify.MultiStatement)
	case c.Kind == classify.DML:
		// A user variable is state of the writer's backend conn, where all statements that name one run.
		return c.Flags.Has(classify.UserVariable|classify.AssignsUserVariable|classify.IntoVar) && !c.Flags.Has(classify.UnknownFunction|classify.MultiStatement)
	default:
		return false
	}
}

// pinChanges says what a statement begins and ends, in this order. What its text does not tell surely is begun without a name and not ended. had are the session's pins.
func pinChanges(c *classify.Class, sql []byte, m classify.Mode, schema string, had pins) []pinChange {
	if !mayChangePins(c, had) {
		return nil
	}
	if tokens, ok := classify.Tokens(sql, m); ok {
		r := &pinReader{tokens: tokens, schema: schema}
		if c.Flags.Has(classify.UserLock) && !r.peek("select") && !r.peek("do") {
			return unreadChanges(c, had) // GET_LOCK is called amid something else.
		}
		if changes, ok := readChanges(r, had); ok {
			return changes
		}
	}
	return unreadChanges(c, had)
}

// pinChanges says what x's statement begins and ends.
func (s *session) pinChanges(x *exchange, c *classify.Class) []pinChange {
	if !mayChangePins(c, s.state.pins) {
		return nil
	}
	m, schema := s.mode(), s.state.schema
	if x.stmt != nil {
		schema = x.stmt.schema
		if bytes.ContainsAny(x.sql, "\"\\") {
			m |= classify.Oracle // The mode in which the node has read it may have been another one: it is not read again.
		}
	}
	return pinChanges(c, x.sql, m, schema, s.state.pins)
}

// mayChangePins says whether it is worth to read a statement for it.
func mayChangePins(c *classify.Class, had pins) bool {
	const (
		kinds = kindSet(1<<classify.TempTable | 1<<classify.Handler | 1<<classify.XA | 1<<classify.UnlockTables)
		flags = classify.UserLock | classify.ReleasesUserLock | classify.Locks | classify.SetRole | classify.TemporaryTable
	)
	return kinds.has(c.Kind) || c.Flags.Has(flags) || had&pinTempTable != 0 && (c.Kind == classify.DDL || renamesUnseen(c)) || had&pinVariable != 0 && c.Kind == classify.Set
}

// renamesUnseen says whether a statement may rename a temporary table without its text or the server telling.
func renamesUnseen(c *classify.Class) bool {
	const opaque = kindSet(1<<classify.Other | 1<<classify.Call | 1<<classify.Execute)
	return opaque.has(c.Kind) || c.Flags.Has(classify.MultiStatement)
}

// unreadChanges says by a statement's class alone what it may begin.
func unreadChanges(c *classify.Class, had pins) (changes []pinChange) {
	several := c.Flags.Has(classify.MultiStatement)
	begin := func(p pins, anyway bool) {
		changes = append(changes, pinChange{hold: hold{pin: p}, anyway: anyway})
	}
	if c.Flags.Has(classify.UserLock) {
		begin(pinUserLock, true)
	}
	if c.Flags.Has(classify.Locks) && c.Kind != classify.LockTables {
		begin(pinGlobalLock, several)
	}
	if c.Flags.Has(classify.SetRole) {
		begin(pinRole, several)
	}
	switch {
	case c.Kind == classify.TempTable || c.Flags.Has(classify.TemporaryTable):
		begin(pinTempTable, several)
	case had&pinTempTable != 0 && (c.Kind == classify.DDL || renamesUnseen(c)):
		begin(pinTempTable, renamesUnseen(c))
	case c.Kind == classify.Handler:
		begin(pinHandler, false)
	case c.Kind == classify.XA:
		begin(pinXA, false)
	}
	return changes
}

// pinReader reads the text of one statement for what it begins and ends.
type pinReader struct {
	tokens []classify.Token
	schema string
}

// readChanges reads a statement. ok is false where it is not understood.
func readChanges(r *pinReader, had pins) ([]pinChange, bool) {
	switch {
	case r.skip("select"), r.skip("do"):
		return r.locks()
	case r.skip("handler"):
		return r.handler()
	case r.skip("create"):
		return r.create()
	case r.skip("drop"):
		return r.drop()
	case r.skip("rename"), r.skip("alter"):
		return nil, had&pinTempTable == 0 || !slices.ContainsFunc(r.tokens, func(t classify.Token) bool { return t.Is("rename") || t.Is("to") })
	case r.skip("xa"):
		return r.xa()
	case r.skip("backup"):
		return r.backup()
	case r.skip("flush"):
		return one(pinChange{hold: hold{pin: pinGlobalLock, name: holdTables}})
	case r.skip("unlock"):
		return one(pinChange{hold: hold{pin: pinGlobalLock, name: holdTables}, ends: true})
	case r.skip("set"):
		return r.set()
	case r.peek("truncate"), r.peek("optimize"), r.peek("repair"), r.peek("check"), r.peek("analyze"), r.peek("grant"), r.peek("revoke"):
		return nil, true
	}
	return nil, false
}

func one(c pinChange) ([]pinChange, bool) { return []pinChange{c}, true }

// peek says whether the next token is this keyword or sign.
func (r *pinReader) peek(text string) bool { return len(r.tokens) > 0 && r.tokens[0].Is(text) }

// skip passes the next token if it is this one.
func (r *pinReader) skip(text string) bool {
	if !r.peek(text) {
		return false
	}
	r.tokens = r.tokens[1:]
	return true
}

// take passes a token of one of two kinds and gives its text. A word that stands for a name may be any word: what is no name the server refuses.
func (r *pinReader) take(a, b classify.TokenKind) (text string, ok bool) {
	if len(r.tokens) == 0 {
		return "", false
	}
	t := r.tokens[0]
	if t.Kind != a && t.Kind != b || !t.Plain || t.Text == "" {
		return "", false
	}
	r.tokens = r.tokens[1:]
	return t.Text, true
}

func (r *pinReader) name() (string, bool) { return r.take(classify.TokenWord, classify.TokenName) }

// ended says whether the statement is over.
func (r *pinReader) ended() bool { return len(r.tokens) == 0 }

// locks reads a list of calls that take and release user locks, each surely made once: nothing but literals in it and no table, condition or limit.
func (r *pinReader) locks() (changes []pinChange, ok bool) {
	for {
		var c pinChange
		switch {
		case r.skip("get_lock"):
			c = pinChange{hold: hold{pin: pinUserLock}}
		case r.skip("release_lock"):
			c = pinChange{hold: hold{pin: pinUserLock}, ends: true}
		case r.skip("release_all_locks"):
			c = pinChange{hold: hold{pin: pinUserLock}, ends: true, all: true}
		default:
			return nil, false
		}
		if !r.skip("(") {
			return nil, false
		}
		if !c.all {
			if c.name, ok = r.take(classify.TokenString, classify.TokenString); !ok {
				return nil, false
			}
		}
		if !c.ends && r.skip(",") {
			r.skip("-")
			if _, ok = r.take(classify.TokenNumber, classify.TokenNumber); !ok {
				return nil, false
			}
		}
		if !r.skip(")") {
			return nil, false
		}
		changes = append(changes, c)
		if !r.alias() {
			return nil, false
		}
		if r.skip(",") {
			continue
		}
		if r.skip("from") && !r.skip("dual") || !r.ended() {
			return nil, false
		}
		break
	}
	for i := range changes { // One lock may be taken before another call fails.
		changes[i].anyway = len(changes) > 1 && !changes[i].ends
	}
	return changes, true
}

// alias passes a column's name, if there is one.
func (r *pinReader) alias() (ok bool) {
	if r.skip("as") {
		if _, ok = r.name(); !ok {
			_, ok = r.take(classify.TokenString, classify.TokenString)
		}
		return ok
	}
	if !r.ended() && !r.peek(",") && !r.peek("from") {
		_, ok = r.name()
		return ok && (r.ended() || r.peek(",") || r.peek("from"))
	}
	return true
}

// table reads a table's name, with its schema.
func (r *pinReader) table() (schema, table string, ok bool) {
	schema = r.schema
	if table, ok = r.name(); !ok {
		return "", "", false
	}
	if r.skip(".") {
		schema = table
		table, ok = r.name()
	}
	return schema, table, ok && schema != ""
}

// handler reads HANDLER name OPEN [[AS] alias], HANDLER name CLOSE and HANDLER name READ.
func (r *pinReader) handler() ([]pinChange, bool) {
	_, name, ok := r.table()
	if !ok {
		return nil, false
	}
	switch {
	case r.skip("read"):
		return nil, true
	case r.skip("close"):
		return []pinChange{{hold: hold{pin: pinHandler, name: name}, ends: true}}, r.ended()
	case !r.skip("open"):
		return nil, false
	}
	r.skip("as")
	if !r.ended() {
		if name, ok = r.name(); !ok || !r.ended() {
			return nil, false
		}
	}
	return one(pinChange{hold: hold{pin: pinHandler, name: name}})
}

// tableHold is a temporary table.
func tableHold(schema, table string) hold {
	return hold{pin: pinTempTable, name: schema + "." + table}
}

// create reads CREATE [OR REPLACE] TEMPORARY TABLE [IF NOT EXISTS] name.
func (r *pinReader) create() ([]pinChange, bool) {
	if r.skip("or") {
		r.skip("replace")
	}
	if !r.skip("temporary") {
		return nil, true // No temporary one.
	}
	if !r.skip("table") {
		return nil, false
	}
	if r.skip("if") && (!r.skip("not") || !r.skip("exists")) {
		return nil, false
	}
	schema, table, ok := r.table()
	if !ok {
		return nil, false
	}
	return one(pinChange{hold: tableHold(schema, table)})
}

// drop reads DROP [TEMPORARY] TABLE [IF EXISTS] name, name. Where it succeeds no temporary table has one of these names.
func (r *pinReader) drop() (changes []pinChange, ok bool) {
	temporary := r.skip("temporary")
	if !r.skip("table") && !r.skip("tables") {
		return nil, !temporary || r.peek("sequence")
	}
	if r.skip("if") && !r.skip("exists") {
		return nil, true
	}
	for {
		schema, table, ok := r.table()
		if !ok {
			return nil, true // It ends nothing that is known, and begins nothing.
		}
		changes = append(changes, pinChange{hold: tableHold(schema, table), ends: true})
		if !r.skip(",") {
			break
		}
	}
	if !r.ended() && !r.peek("restrict") && !r.peek("cascade") && !r.peek("wait") && !r.peek("nowait") {
		return nil, true
	}
	return changes, true
}

// xa reads XA START xid and what ends it, COMMIT or ROLLBACK of the same one. A conn has one at a time.
func (r *pinReader) xa() ([]pinChange, bool) {
	begins := r.skip("start") || r.skip("begin")
	ends := !begins && (r.skip("commit") || r.skip("rollback"))
	if !begins && !ends {
		return nil, r.peek("end") || r.peek("prepare") || r.peek("recover")
	}
	var xid strings.Builder
	for _, t := range r.tokens {
		if t.Is("one") || t.Is("join") || t.Is("resume") {
			break
		}
		if !t.Plain {
			return nil, ends
		}
		xid.WriteByte('0' + byte(t.Kind))
		xid.WriteString(t.Text)
		xid.WriteByte(' ')
	}
	return one(pinChange{hold: hold{pin: pinXA, name: xid.String()}, ends: ends})
}

// backup reads BACKUP STAGE, BACKUP LOCK and BACKUP UNLOCK.
func (r *pinReader) backup() ([]pinChange, bool) {
	switch {
	case r.skip("stage"):
		return one(pinChange{hold: hold{pin: pinGlobalLock, name: holdStage}, ends: r.peek("end")})
	case r.skip("lock"):
		return one(pinChange{hold: hold{pin: pinGlobalLock, name: holdBackup}})
	case r.skip("unlock"):
		return one(pinChange{hold: hold{pin: pinGlobalLock, name: holdBackup}, ends: true})
	}
	return nil, false
}

// set reads SET ROLE, and SET timestamp=DEFAULT.
func (r *pinReader) set() ([]pinChange, bool) {
	if r.skip("role") {
		return one(pinChange{hold: hold{pin: pinRole}})
	}
	scope := r.skip("@@")
	if (r.skip("session") || r.skip("local")) && scope && !r.skip(".") {
		return nil, false
	}
	if !r.skip(holdTimestamp) || !r.skip("=") && !r.skip(":=") || !r.skip("default") && !r.skip0() || !r.ended() {
		return nil, false
	}
	return one(pinChange{hold: hold{pin: pinVariable, name: holdTimestamp}, ends: true})
}

// skip0 passes the number 0, which gives the time back as DEFAULT does.
func (r *pinReader) skip0() bool {
	text, ok := r.take(classify.TokenNumber, classify.TokenNumber)
	return ok && text == "0"
}
