package cluster

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// The questions about what is stored. mysql.proc shows the bodies to who may
// read it, and triggers are shown to who has TRIGGER on their tables.
const (
	routinesQuery = "SELECT db, name, CONVERT(body USING utf8mb4) FROM mysql.proc WHERE db NOT IN " + systemSchemas
	triggersQuery = "SELECT TRIGGER_SCHEMA, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA NOT IN " + systemSchemas
	seedsQuery    = "SELECT COUNT(*) FROM mysql.proc WHERE db NOT IN " + systemSchemas +
		" AND (LOWER(CONVERT(body USING utf8mb4)) LIKE '%get\\_lock%' OR LOCATE('@@', body) > 0)"
)

// maxStored bounds the definitions of clients that are remembered.
const maxStored = 500

// StoredSet says what the routines, triggers and views of the cluster do that
// neither the server nor a statement's text tells: take user locks, and set
// system variables without naming the session's scope (SET @@x). It is
// immutable, and knows of no schemas: who has a name in its text may mean it.
type StoredSet struct{ deeds []storedDeed }

// storedDeed is what a statement may do that has a word in its text.
type storedDeed struct {
	word  string // lower case
	locks bool   // it takes user locks
	sets  []string
}

// storedBody is one routine, view, or trigger: what is in the text of who
// uses it, and what it runs.
type storedBody struct{ word, body string }

// Find says what a statement may do by what is stored: take user locks, set
// these variables. It allocates nothing where there is nothing.
func (s *StoredSet) Find(sql []byte) (locks bool, sets []string) {
	for i := range s.deeds {
		if d := &s.deeds[i]; hasWord(sql, d.word) {
			locks = locks || d.locks
			for _, name := range d.sets {
				if !slices.Contains(sets, name) {
					sets = append(sets, name)
				}
			}
		}
	}
	return locks, sets
}

// newStoredSet puts a set together. What uses something stored does the same.
func newStoredSet(bodies []storedBody) *StoredSet {
	s := &StoredSet{}
	for more := true; more; {
		more = false
		for _, b := range bodies {
			locks, sets := s.Find([]byte(b.body))
			more = s.add(b.word, locks || hasWord([]byte(b.body), "get_lock"), append(sets, Unscoped([]byte(b.body))...)) || more
		}
	}
	return s
}

// add notes what a word stands for, and says whether that was new.
func (s *StoredSet) add(word string, locks bool, sets []string) (changed bool) {
	word = strings.ToLower(word)
	if word == "" || !locks && len(sets) == 0 {
		return false
	}
	i := slices.IndexFunc(s.deeds, func(d storedDeed) bool { return d.word == word })
	if i < 0 {
		s.deeds = append(s.deeds, storedDeed{word: word})
		i, changed = len(s.deeds)-1, true
	}
	d := &s.deeds[i]
	changed = changed || locks && !d.locks
	d.locks = d.locks || locks
	for _, name := range sets {
		if !slices.Contains(d.sets, name) {
			d.sets, changed = append(d.sets, name), true
		}
	}
	return changed
}

// Unscoped gives the variables that a text sets as SET @@x = …, in lower case:
// the server does not report those. A text that compares one is taken for such.
func Unscoped(text []byte) (names []string) {
	for {
		i := bytes.Index(text, []byte("@@"))
		if i < 0 {
			return names
		}
		text = bytes.TrimLeft(text[i+2:], "`")
		end := 0
		for end < len(text) && text[end] < 0x80 && inName(text[end]) {
			end++
		}
		name := strings.ToLower(string(text[:end]))
		text = text[end:]
		rest := bytes.TrimLeft(text, "` \t\r\n")
		rest = bytes.TrimPrefix(rest, []byte(":"))
		if name != "" && bytes.HasPrefix(rest, []byte("=")) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
}

// Stored is the newest set of what is stored; never nil.
func (e *Engines) Stored() *StoredSet { return e.stored.Load() }

// Defined reads the text of a statement that may define a routine, a trigger or
// a view: what it does counts from then on when Stores is called with it.
func (s *StoredSet) Defined(sql []byte) bool {
	word := definedWord(sql)
	if word == "" {
		return false
	}
	locks, sets := s.Find(sql)
	return locks || len(sets) > 0 || hasWord(sql, "get_lock") || len(Unscoped(sql)) > 0
}

// Stores tells of a definition that has been made.
func (e *Engines) Stores(sql []byte) {
	b := storedBody{definedWord(sql), string(sql)}
	e.mu.Lock()
	e.defined = slices.DeleteFunc(e.defined, func(o storedBody) bool { return o.word == b.word })
	if e.defined = append(e.defined, b); len(e.defined) > maxStored {
		e.defined = e.defined[1:]
	}
	e.publishStored()
	e.mu.Unlock()
	e.Refresh()
}

// publishStored puts the set in place that follows from what is known; e.mu is
// held.
func (e *Engines) publishStored() {
	e.stored.Store(newStoredSet(slices.Concat(e.bodies, e.defined)))
}

// definedWord gives the name of what a text defines, or of a trigger's table;
// "" where it is no such definition.
func definedWord(sql []byte) string {
	if !hasWord(sql[:min(len(sql), 200)], "create") {
		return ""
	}
	for _, kind := range []string{"procedure", "function", "trigger", "view"} {
		at := indexWord(sql, kind)
		if at < 0 {
			continue
		}
		rest := sql[at+len(kind):]
		if kind == "trigger" {
			if at = indexWord(rest, "on"); at < 0 {
				return ""
			}
			rest = rest[at+len("on"):]
		}
		if at = indexWord(rest, "exists"); at >= 0 && at < 10 {
			rest = rest[at+len("exists"):]
		}
		return strings.ToLower(lastOfName(rest))
	}
	return ""
}

// lastOfName reads the name with which a text begins, without its schema.
func lastOfName(text []byte) string {
	for {
		text = bytes.TrimLeft(text, " \t\r\n")
		end, quoted := 0, len(text) > 0 && (text[0] == '`' || text[0] == '"')
		if quoted {
			if end = bytes.IndexByte(text[1:], text[0]); end < 0 {
				return ""
			}
			end += 2
		}
		for !quoted && end < len(text) && inName(text[end]) {
			end++
		}
		name, rest := text[:end], bytes.TrimLeft(text[end:], " \t\r\n")
		if len(rest) > 0 && rest[0] == '.' {
			text = rest[1:]
			continue
		}
		return string(bytes.Trim(name, "`\""))
	}
}

// loadStored imports what is stored. What the monitor user may not see stays
// unknown.
func (e *Engines) loadStored(ctx context.Context) error {
	var bodies []storedBody
	read := func(query string) error {
		err := e.desk.read(ctx, query, func(cells []sql.NullString) error {
			bodies = append(bodies, storedBody{cells[1].String, cells[2].String})
			return nil
		})
		if _, refused := errors.AsType[*mysql.MySQLError](err); refused {
			return nil
		}
		return err
	}
	if err := read(triggersQuery); err != nil {
		return err
	}
	some := len(newStoredSet(bodies).deeds) > 0
	err := e.desk.read(ctx, seedsQuery, func(cells []sql.NullString) error {
		some = some || cells[0].String != "0"
		return nil
	})
	if _, refused := errors.AsType[*mysql.MySQLError](err); err != nil && !refused {
		return err
	}
	if e.mu.Lock(); len(e.defined) > 0 {
		some = true
	}
	e.mu.Unlock()
	if some {
		if err := errors.Join(read(routinesQuery), read(viewsQuery)); err != nil {
			return err
		}
	} else {
		bodies = nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bodies = slices.DeleteFunc(bodies, func(b storedBody) bool { return b.body == "" })
	e.publishStored()
	return nil
}
