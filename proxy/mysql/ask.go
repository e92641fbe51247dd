package mysql

import (
	"bytes"

	"galley/proxy/mysql/classify"
)

// The server does not report everything that SET changes (measured on 10.11.19): SET NAMES … COLLATE names the character sets and not the collation, and a change of
// session_track_system_variables is told only if the new list has that variable itself. After such a statement the server is asked.

// unreported is which of those a SET has in its text.
type unreported byte

const (
	unreportedCollation unreported = 1 << iota
	unreportedTracking
	unreportedDefault // The collation that a character set has by itself.
)

const collationConnection, charsetConnection, charsetResults = "collation_connection", "character_set_connection", "character_set_results"

// namesCollate stands among a session's variables for SET NAMES … COLLATE: the collation of the results' columns follows from it and from no variable.
const namesCollate = "NAMES"

// unreportedIn says what a statement may set without the server reporting it.
func unreportedIn(c *classify.Class, sql []byte) (u unreported) {
	if c.Kind != classify.Set {
		return 0
	}
	sql = bytes.ToLower(sql)
	if _, _, ok := setNames(sql); ok {
		return 0
	}
	if bytes.Contains(sql, []byte("collate")) {
		u |= unreportedCollation
	}
	if bytes.Contains(sql, []byte("session_track_system_variables")) {
		u |= unreportedTracking
	}
	return u
}

// setNames gives the character set of SET NAMES charset [COLLATE collation], and the collation or "", in lower case, where the text, in lower case too, is nothing else.
func setNames(sql []byte) (charset, collation string, ok bool) {
	var words [5][]byte
	n := 0
	for word := range bytes.FieldsSeq(bytes.TrimRight(sql, "; \t\r\n")) {
		if n == len(words) {
			return "", "", false
		}
		words[n] = word
		n++
	}
	if n != 3 && n != 5 || string(words[0]) != "set" || string(words[1]) != "names" || n == 5 && string(words[3]) != "collate" {
		return "", "", false
	}
	for _, i := range []int{2, 4} {
		name := words[i]
		if len(name) > 2 && (name[0] == '\'' || name[0] == '"') && name[len(name)-1] == name[0] {
			words[i] = name[1 : len(name)-1]
		}
		for _, c := range words[i] {
			if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return "", "", false
			}
		}
		if string(words[i]) == "default" {
			return "", "", false
		}
	}
	return string(words[2]), string(words[4]), true
}

// namesText is the longest SET NAMES that is looked at, in bytes.
const namesText = 120

// setNamesHere answers SET NAMES without a node, where a node has accepted the same before: it is what most clients begin with, and changes nothing but what galley keeps and sets
// where the session goes on. done is false where a node must run it.
func (s *session) setNamesHere(x *exchange, c *classify.Class, sql []byte) (done bool, err error) {
	if c.Kind != classify.Set || len(sql) > namesText || !s.ownAnswer() || s.ownNames() {
		return false, nil
	}
	var lower [namesText]byte
	charset, collation, ok := setNames(appendLower(lower[:0], sql))
	if !ok {
		return false, nil
	}
	names, ok := s.srv.charsets.accepted(charset, collation)
	if !ok {
		return false, nil
	}
	if len(names.from) > 0 && sameVars(names.from, s.state.vars) {
		s.state.begin(names.to)
	} else {
		from := s.state.vars
		for _, name := range []string{"character_set_client", "character_set_results", charsetConnection} {
			s.state.set(name, names.charset)
		}
		s.state.set(collationConnection, names.collation)
		s.state.setNames(charset, collation)
		if begun, _ := s.srv.charsets.find(s.login.charset); len(names.from) == 0 || sameVars(begun, from) {
			names.from, names.to = from, s.state.vars
			s.srv.charsets.accept(charset, collation, names)
		}
	}
	s.after.tellRows(0)
	s.count(x, routeSession, toWriter)
	return true, s.writeOK()
}

// appendLower appends a text's ASCII letters in lower case.
func appendLower(b, text []byte) []byte {
	for _, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// ownNames says whether the session has set what a name of a character set, or its collation, depends on.
func (s *session) ownNames() bool {
	_, mode := s.state.value("old_mode")
	_, collations := s.state.value("character_set_collations") // Of servers from 11.2 on.
	return mode || collations
}

// ownCollation notes that the session's character set was set: the collation is the one that the text names, or the character set's own, which a node is asked for once.
func (s *session) ownCollation(x *exchange) {
	charset, _ := s.state.value(charsetConnection)
	if x.of == classify.Set && !s.ownNames() {
		if name, collation, ok := setNames(bytes.ToLower(x.sql)); ok {
			known := collation
			if known == "" {
				known, _ = s.srv.charsets.own(charset)
			}
			if known != "" {
				s.state.set(collationConnection, known)
				s.state.setNames(charset, collation)
				s.srv.charsets.accept(name, collation, names{charset: charset, collation: known})
				return
			}
			x.unreported |= unreportedDefault
		}
	}
	if x.unreported&unreportedDefault == 0 {
		x.unreported |= unreportedCollation // SET CHARACTER SET takes the one of the schema.
	}
	s.state.forget(collationConnection)
}

// askBehind has b tell what x has set there without the server reporting it.
func (s *session) askBehind(b *backendConn, x *exchange) {
	if x.unreported != 0 && !x.failed {
		s.ask(b, x.unreported)
	}
	if len(x.strays) > 0 && s.holds(b) {
		s.askStrays(b, x.strays)
	}
}

// ask has b tell what the SET that it has just run did not report. The client has its answer already: where b does not tell, the session stays on it.
func (s *session) ask(b *backendConn, u unreported) {
	s.settleAfter()
	values, err := b.row("SELECT @@collation_connection, @@session_track_system_variables")
	if err != nil || len(values) != 2 {
		s.unanswered(b, err)
		return
	}
	upToDate := b.synced == s.state.version
	if u&(unreportedCollation|unreportedDefault) != 0 {
		s.state.set(collationConnection, values[0])
	}
	if charset, ok := s.state.value(charsetConnection); ok && u == unreportedDefault {
		s.srv.charsets.addOwn(charset, values[0])
	}
	s.last, s.after.kept = nil, allParts // The question has left something else on b.
	if u&unreportedTracking != 0 {
		s.state.noteTracking("session_track_system_variables", values[1])
		b.retrack = true
	}
	if upToDate {
		b.synced, b.vars = s.state.version, s.state.vars
	}
}
