package mysql

import (
	"slices"
	"sync"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// What PHP's applications begin each connection with is always the same: SET NAMES (ask.go), SET sql_mode, SET time_zone, and where they have logged in without a schema COM_INIT_DB. What a node
// has accepted before is answered by galley; what it sets is set where the session goes on. Clients that ask to be told what has changed have a node answer.

// acceptedMost bounds the texts of acceptedSets.
const acceptedMost = 256

// acceptedSets remembers what SETs of sql_mode and time_zone have set, by their text. Safe for use by many goroutines.
type acceptedSets struct {
	mu  sync.RWMutex
	all map[string]acceptedSet
}

// acceptedSet is what a SET sets. What it makes of the variables that a session had before it is kept: those that begin alike have the same ones, in one piece of memory.
type acceptedSet struct {
	values   []variable
	quoting  uint16 // The status flags of sql_mode.
	mode     bool   // It sets sql_mode.
	from, to []variable
}

func (a *acceptedSets) find(text []byte) (acceptedSet, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	set, ok := a.all[string(text)]
	return set, ok
}

func (a *acceptedSets) add(text string, set acceptedSet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil || len(a.all) >= acceptedMost {
		a.all = map[string]acceptedSet{}
	}
	a.all[text] = set
}

func (a *acceptedSets) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.all)
}

// quotingFlags are the status flags that follow from sql_mode.
const quotingFlags = wire.StatusAnsiQuotes | wire.StatusNoBackslashEscape

// ownAnswer says whether galley may answer what changes nothing but what the session has set.
func (s *session) ownAnswer() bool {
	return s.trx == nil && s.state.pins == 0 && !s.strayed && !s.caps.Has(wire.ClientSessionTrack)
}

// setHere answers a SET that a node has accepted before. done is false where a node must run it.
func (s *session) setHere(x *exchange, c *classify.Class, sql []byte) (done bool, err error) {
	if c.Kind != classify.Set || len(sql) > plainSet || !s.ownAnswer() || s.mode()&classify.NotASCII != 0 {
		return false, nil
	}
	set, ok := s.srv.accepted.find(sql)
	if !ok {
		return false, nil
	}
	if len(set.from) > 0 && sameVars(set.from, s.state.vars) {
		s.state.begin(set.to)
	} else {
		from := s.state.vars
		for _, v := range set.values {
			s.state.set(v.name, v.value)
		}
		if len(set.from) == 0 && len(from) > 0 {
			set.from, set.to = from, s.state.vars
			s.srv.accepted.add(string(sql), set)
		}
	}
	if set.mode {
		s.status = s.status&^quotingFlags | set.quoting
	}
	s.after.tellRows(0)
	s.count(x, routeSession, toWriter)
	return true, s.writeOK()
}

// learnSet remembers what x has set, which a node has accepted.
func (s *session) learnSet(x *exchange) {
	if x.of != classify.Set || !x.answered || x.failed || x.warned || len(x.sql) > plainSet || !s.ownAnswer() || s.mode()&classify.NotASCII != 0 {
		return
	}
	if mentions(x.sql, "default") {
		return // It is what the node's global variable says each time.
	}
	var lower [plainSet]byte
	var set acceptedSet
	known := plainVariables(appendLower(lower[:0], x.sql), func(name []byte) bool {
		if string(name) != "sql_mode" && string(name) != "time_zone" {
			return false
		}
		value, ok := s.state.value(string(name))
		set.values = append(set.values, variable{name: string(name), value: value})
		set.mode = set.mode || string(name) == "sql_mode"
		return ok
	})
	if known {
		set.quoting = s.answer.Status & quotingFlags
		s.srv.accepted.add(string(x.sql), set)
	}
}

// initDB runs COM_INIT_DB.
func (s *session) initDB(x *exchange) error {
	schema := string(x.cmd.Body[1:])
	if x.cmd.Whole() && s.isFresh() && s.srv.schemas.good(s.login.account, schema) {
		s.state.note(wire.Tracker{Type: wire.TrackSchema, Value: []byte(schema)}, true)
		s.shown.schema.Store(&schema)
		s.after.tellRows(0)
		return s.writeOK()
	}
	x.kind, x.repeatable, x.explains, x.noData = wire.AnswerSingle, true, true, true
	x.found, x.rows, x.lists = fateKept, fateTold, true
	x.schemaFree, x.chooses = true, true
	turn := s.srv.schemas.now()
	err := s.execute(s.homeTarget(toWriter), x)
	if err == nil && x.answered && !x.failed && x.cmd.Whole() {
		s.srv.schemas.add(s.login.account, schema, turn)
	}
	return err
}

// isFresh says whether the session, which has no schema, has run nothing on a node yet: the schema that it chooses is checked as that of a login is, which a node does not see each time.
func (s *session) isFresh() bool {
	fresh := s.last == nil && s.writer.conn == nil && s.reader.conn == nil && !s.hasTies && s.lostTies == 0
	return fresh && s.state.schema == "" && s.ownAnswer() &&
		!slices.ContainsFunc(s.state.vars, func(v variable) bool { return v.name == schemaCollations()[0] || v.name == schemaCollations()[1] })
}
