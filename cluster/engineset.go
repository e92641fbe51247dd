package cluster

import (
	"maps"
	"slices"
	"strings"
)

// LocalTable is a table whose rows Galera does not replicate: each node has its
// own.
type LocalTable struct{ Schema, Name, Engine string }

// String writes it for people.
func (t LocalTable) String() string { return t.Schema + "." + t.Name + " (" + t.Engine + ")" }

// EngineSet says where tables are that Galera does not replicate, as far as
// galley knows. It is immutable.
type EngineSet struct {
	// Tables are those that the monitor user sees, at most shownLocal of them.
	Tables []LocalTable
	// Count is how many there are.
	Count int

	schemas map[string]struct{} // lower case
	words   []string            // lower case: what a statement has in its text that reads such a table from outside of its schema
	odd     bool                // some word may be written in several ways
	letters bool                // some word has letters that are not ASCII, and bytes in a client's text depend on its character set
}

// shownLocal bounds the tables that a set lists; the schemas of all count.
const shownLocal = 100

// Any says whether there is any such table.
func (e *EngineSet) Any() bool { return len(e.schemas) > 0 }

// Local says whether a schema has such tables. The case of letters does not
// matter.
func (e *EngineSet) Local(schema string) bool {
	if len(e.schemas) == 0 || schema == "" {
		return false
	}
	_, ok := e.schemas[strings.ToLower(schema)]
	return ok
}

// Schemas lists the schemas that have such tables, in lower case and in order.
func (e *EngineSet) Schemas() []string { return slices.Sorted(maps.Keys(e.schemas)) }

// Named says whether a statement's text may name such a schema, or a view over
// one of its tables. It allocates nothing.
func (e *EngineSet) Named(sql []byte) bool {
	if len(e.words) == 0 {
		return false
	}
	if e.odd || e.letters && slices.ContainsFunc(sql, func(b byte) bool { return b >= 0x80 }) {
		return true
	}
	for _, w := range e.words {
		if hasWord(sql, w) {
			return true
		}
	}
	return false
}

// localView is one view as the import sees it; the text is empty where the monitor
// user may not read it.
type localView struct{ schema, name, text string }

// newEngineSet puts a set together: of tables and the views over them, and of
// schemas that are taken to have such tables.
func newEngineSet(tables []LocalTable, views []localView, noted []string) *EngineSet {
	e := &EngineSet{Count: len(tables), Tables: slices.Clone(tables[:min(len(tables), shownLocal)]), schemas: map[string]struct{}{}}
	for _, t := range tables {
		e.schemas[strings.ToLower(t.Schema)] = struct{}{}
	}
	for _, s := range noted {
		e.schemas[strings.ToLower(s)] = struct{}{}
	}
	for s := range e.schemas {
		e.add(s)
	}
	if !e.Any() {
		return e
	}
	// A view over a view over such a table reads it too.
	for found := true; found; {
		found = false
		views = slices.DeleteFunc(slices.Clone(views), func(v localView) bool {
			if e.Local(v.schema) {
				return true
			}
			if v.text != "" && !e.Named([]byte(v.text)) {
				return false
			}
			e.add(strings.ToLower(v.name))
			found = true
			return true
		})
	}
	slices.Sort(e.words)
	e.words = slices.Compact(e.words)
	return e
}

// add notes a word to look for.
func (e *EngineSet) add(word string) {
	for i := range len(word) {
		switch {
		case word[i] >= 0x80:
			e.letters = true
		case word[i] == '`', word[i] == '"':
			e.odd = true // doubled within quotes, or not
		}
	}
	if word != "" {
		e.words = append(e.words, word)
	}
}

// equal says whether two sets are the same.
func (e *EngineSet) equal(o *EngineSet) bool {
	if e.Count != o.Count || len(e.schemas) != len(o.schemas) || !slices.Equal(e.words, o.words) || !slices.Equal(e.Tables, o.Tables) {
		return false
	}
	for s := range e.schemas {
		if _, ok := o.schemas[s]; !ok {
			return false
		}
	}
	return true
}
