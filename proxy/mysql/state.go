package mysql

import (
	"slices"
	"strings"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// state is what a session has set, as the server reported it, so that it can be set again on another backend conn. It is owned by the session.
//
// Each change gets a version; a backend conn remembers the version that it has, and what is newer is replayed on it before it runs anything.
type state struct {
	version uint64
	changes uint64 // Counts changes of variables and schema.
	schema  string
	vars    []variable
	pins    pins
	holds   []hold // What some of the pins stand for.

	shownAt     uint64    // The changes up to which others can see the session's own wait_timeout.
	ownThreadID bool      // The session has set pseudo_thread_id.
	userVars    []userVar // User variables whose values are known.
	insertID    uint64    // What LAST_INSERT_ID() gives, where it is known.
	leftVersion uint64    // Changes with them.
	prepared    []string  // The names of PREPARE, in lower case.
	strays      []string  // Variables that what was prepared so, or a text in a user variable, may set without the server reporting it.

	nextTransaction string // What pinTransaction stands for, as statements.

	// The client's own settings of session tracking; galley always tracks everything.
	track trackWish
}

type variable struct {
	name, value string
}

// trackWish is what the client wants to be told in OK packets. The server's defaults are those of a new session (MariaDB KB, "session_track_system_variables").
type trackWish struct {
	variables      string // Comma-separated, lower case; "*" for all.
	schema         bool
	stateChange    bool
	characteristic bool
	transaction    bool
}

const defaultTrackedVariables = "autocommit,character_set_client,character_set_connection,character_set_results,time_zone"

func newState(schema string) state {
	return state{schema: schema, version: 1, changes: 1, track: trackWish{variables: defaultTrackedVariables, schema: true}}
}

// begin sets the variables that a login begins with.
func (s *state) begin(vars []variable) {
	s.vars = vars
	s.version++
	s.changes++
}

// wants says whether the client asked to be told of a change of the variable.
func (t *trackWish) wants(name string) bool {
	if t.variables == "*" {
		return true
	}
	rest := t.variables
	for rest != "" {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		if strings.TrimSpace(one) == name {
			return true
		}
	}
	return false
}

// note takes one entry of the session state in an OK packet and says whether it changed what is known. explained says that the statement's text tells why the server
// reports a state change that it does not name.
func (s *state) note(e wire.Tracker, explained bool) {
	switch e.Type {
	case wire.TrackVariable:
		s.noteVariable(e.Name, e.Value)
	case wire.TrackSchema:
		if s.schema != string(e.Value) {
			s.schema = string(e.Value)
			s.changes++
		}
		for _, name := range schemaCollations() {
			if s.index(name) >= 0 {
				s.forget(name)
				s.version++
			}
		}
	case wire.TrackStateChange:
		if !explained {
			s.pins |= pinUnknown
		}
	case wire.TrackTransaction:
		if wire.LockedTables(e.Value) {
			s.pins |= pinLockedTables
		} else {
			s.pins &^= pinLockedTables
		}
	case wire.TrackCharacteristics:
		if len(e.Value) > 0 && !isTransactionStart(e.Value) {
			s.pins |= pinTransaction
			s.nextTransaction = string(e.Value)
		} else {
			s.pins &^= pinTransaction
		}
	case wire.TrackGTIDs:
	}
}

// isTransactionStart says whether the tracked characteristics are those of a transaction under way, which the status flags tell of anyway.
func isTransactionStart(characteristics []byte) bool {
	return strings.Contains(string(characteristics), "START TRANSACTION") || strings.HasPrefix(string(characteristics), "XA ")
}

func (s *state) noteVariable(name, value []byte) {
	if s.noteTracking(string(name), string(value)) {
		return
	}
	switch variableReplay(string(name)) {
	case replayNever:
		return
	case replayPins:
		s.hold(hold{pin: pinVariable, name: string(name)})
		s.ownThreadID = s.ownThreadID || string(name) == "pseudo_thread_id"
		return
	case replaySet:
	}
	s.set(string(name), string(value))
}

// set notes a variable's value. The order of vars is that of the newest changes, as setting one can change another: a character set its collation.
func (s *state) set(name, value string) {
	s.changes++
	for i := range s.vars {
		v := &s.vars[i]
		if v.name != name {
			continue
		}
		if v.value == value && name != charsetConnection && name != collationConnection && name != namesCollate {
			return
		}
		s.vars = slices.Delete(slices.Clone(s.vars), i, i+1)
		break
	}
	s.version++
	v := variable{name: name, value: value}
	s.vars = slices.Clone(s.vars) // A conn may have the old ones.
	at := len(s.vars)
	if name == charsetConnection {
		// One packet names both in any order, and the collation must be set behind its character set.
		if i := s.index(collationConnection); i >= 0 {
			at = i
		}
	}
	s.vars = slices.Insert(s.vars, at, v)
}

// setNames notes SET NAMES charset COLLATE collation; without a collation what had been said of it holds no more.
func (s *state) setNames(charset, collation string) {
	switch {
	case collation != "":
		s.set(namesCollate, charset+" COLLATE "+collation)
	case s.index(namesCollate) >= 0:
		s.forget(namesCollate)
		s.version++
	}
}

func (s *state) index(name string) int {
	return slices.IndexFunc(s.vars, func(v variable) bool { return v.name == name })
}

// forget drops what is known of a variable.
func (s *state) forget(name string) {
	if i := s.index(name); i >= 0 {
		s.vars = slices.Delete(slices.Clone(s.vars), i, i+1)
	}
}

// noteTracking takes a change of the tracking variables themselves, which are the client's wish and not the node's setting.
func (s *state) noteTracking(name, value string) bool {
	t := &s.track
	switch name {
	case "session_track_system_variables":
		t.variables = strings.ToLower(value)
	case "session_track_schema":
		t.schema = value == "ON"
	case "session_track_state_change":
		t.stateChange = value == "ON"
	case "session_track_transaction_info":
		t.characteristic = value == "CHARACTERISTICS"
		t.transaction = value == "CHARACTERISTICS" || value == "STATE"
	default:
		return false
	}
	return true
}

// value gives a tracked variable's value; ok is false where the session has not set it.
func (s *state) value(name string) (value string, ok bool) {
	for i := range s.vars {
		if s.vars[i].name == name {
			return s.vars[i].value, true
		}
	}
	return "", false
}

type replay byte

const (
	replaySet   replay = iota // Set again by SET SESSION name=value.
	replayPins                // Depends on the moment or the conn: the session stays where it was set.
	replayNever               // Not a setting: it must not be set again.
)

// variableReplay says what to do with a variable that the server reports as changed.
func variableReplay(name string) replay {
	if slices.Contains(pinningVariables(), name) {
		return replayPins
	}
	switch name {
	case "last_insert_id", "identity", "error_count", "warning_count", "last_gtid", "proxy_user", "external_user", "proxy_protocol_networks",
		"rand_seed", "in_transaction":
		return replayNever
	}
	return replaySet
}

// pinningVariables are those that depend on the moment or the conn.
func pinningVariables() []string {
	return []string{
		"timestamp", "insert_id", "rand_seed1", "rand_seed2", "pseudo_thread_id", "pseudo_slave_mode", "skip_replication", "gtid_seq_no",
		"gtid_domain_id", "server_id", "sql_log_bin", "wsrep_on", "debug_dbug", "debug_sync",
	}
}

// appendSet appends to b the assignments, without SET, that make of a conn which has the variables had one that has s's, and says whether there are any.
// numeric says whether a variable takes a number, unquoted.
func (s *state) appendSet(b []byte, had []variable, numeric func(name, value string) bool) ([]byte, bool) {
	found, charset, named, start := false, false, false, len(b)
	if sameVars(had, s.vars) {
		return b, false
	}
	for i := range s.vars {
		v := &s.vars[i]
		of := ofCharset(v.name)
		if has(had, v) && (v.name != collationConnection || !charset) && (v.name != namesCollate || !charset) && (!of || !named) {
			continue
		}
		charset, named = charset || of, named || v.name == namesCollate
		if found {
			b = append(b, ", "...)
		}
		found = true
		if v.name == namesCollate && len(b) == start {
			b = append(b, "character_set_results=@@character_set_results, "...) // Behind SET SESSION it cannot be the first.
		}
		b = append(b, v.name...)
		if v.name == namesCollate {
			b = append(append(b, ' '), v.value...)
			continue
		}
		b = append(b, '=')
		b = appendValue(b, v, numeric)
	}
	return b, found
}

// sameVars says whether two lists are one: those that a state has are never changed in place.
func sameVars(a, b []variable) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// ofCharset says whether a variable is one of those that SET NAMES sets, and which set more than themselves.
func ofCharset(name string) bool {
	return name == charsetConnection || name == charsetResults || name == "character_set_client" || name == collationConnection
}

func has(vars []variable, v *variable) bool {
	for i := range vars {
		if vars[i].name == v.name {
			return vars[i].value == v.value
		}
	}
	return false
}

// covers says whether all variables of had are among s's, so that setting them is enough to make one state out of the other.
func (s *state) covers(had []variable) bool {
	if sameVars(had, s.vars) {
		return true
	}
	for i := range had {
		if s.index(had[i].name) < 0 {
			return false
		}
	}
	return true
}

func appendValue(b []byte, v *variable, numeric func(name, value string) bool) []byte {
	switch {
	case v.value == "" && nullable(v.name):
		return append(b, "NULL"...)
	case numeric(v.name, v.value):
		return append(b, v.value...)
	default:
		// Single quotes doubled and no backslash: the same in every sql_mode. A backslash would depend on NO_BACKSLASH_ESCAPES, so its values go as hex.
		if strings.ContainsAny(v.value, "\\'") {
			const digits = "0123456789abcdef"
			b = append(b, "x'"...)
			for i := range len(v.value) {
				b = append(b, digits[v.value[i]>>4], digits[v.value[i]&15])
			}
			return append(b, '\'')
		}
		b = append(b, '\'')
		b = append(b, v.value...)
		return append(b, '\'')
	}
}

// nullable says whether a variable may be NULL, which the server reports as an empty value.
func nullable(name string) bool {
	return name == "character_set_results"
}

// looksNumeric is how a value is judged where the server's list of variables is not at hand.
func looksNumeric(value string) bool {
	if value == "" {
		return false
	}
	dots := 0
	for i := range len(value) {
		c := value[i]
		switch {
		case c >= '0' && c <= '9':
		case c == '-' && i == 0 && len(value) > 1:
		case c == '.' && dots == 0 && i > 0:
			dots++
		default:
			return false
		}
	}
	return true
}

// reading is how the session's statements are to be read, as far as it follows from what the session has set. It is worked out anew when that changes.
type reading struct {
	changes uint64
	mode    classify.Mode // Without the quoting.
	quoting classify.Mode // What sql_mode says of quotes, where ownMode says that it is known.
	ownMode bool
	stay    bool // Even a pure read must stay on the writer.
	strict  bool // The session asks for wsrep_sync_wait.
}

// quoting are the parts of a mode that the status flags of each answer tell as well. They are not to be trusted where sql_mode is known: what a routine sets is taken back at its end, and its flags
// stay (measured on 10.11.19).
const quoting = classify.AnsiQuotes | classify.NoBackslashEscapes

// read works out a reading. login is what follows from the login's collation and the global sql_mode, as long as the session has not set its own.
func (s *state) read(login classify.Mode) reading {
	r := reading{changes: s.changes, mode: login}
	charset, ownCharset := s.value("character_set_client")
	sqlMode, ownMode := s.value("sql_mode")
	const ofCharset = classify.UnsafeCharset | classify.NotASCII
	if ownCharset {
		r.mode = r.mode&^ofCharset | classify.ModeOf("", charset)
	}
	if ownMode {
		r.mode = r.mode&ofCharset | classify.ModeOf(sqlMode, "utf8mb4")
	}
	r.quoting, r.ownMode = r.mode&quoting, ownMode
	r.mode &^= quoting
	null, _ := s.value("sql_auto_is_null")
	sync, _ := s.value("wsrep_sync_wait")
	r.strict = sync != "" && sync != "0"
	r.stay = null == "ON" || localSchema(s.schema)
	return r
}

// localSchema says whether names without a schema may mean a node's own tables.
func localSchema(schema string) bool {
	switch strings.ToLower(schema) {
	case "information_schema", "performance_schema", "sys", "mysql":
		return true
	}
	return false
}

// quotingOf gives the part of a mode that the status flags tell.
func quotingOf(status uint16) classify.Mode {
	var m classify.Mode
	if status&wire.StatusAnsiQuotes != 0 {
		m |= classify.AnsiQuotes
	}
	if status&wire.StatusNoBackslashEscape != 0 {
		m |= classify.NoBackslashEscapes
	}
	return m
}

// unsafeCollation says the same of the collation id in a login (MariaDB: SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS).
func unsafeCollation(id uint8) bool {
	switch id {
	case 1, 84, 13, 88, 28, 87, 95, 96, 248, 249, 250:
		return true
	}
	return false
}
