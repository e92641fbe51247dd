package mysql

import (
	"fmt"
	"testing"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestAppendReplay(t *testing.T) {
	srv := &Server{vars: mysqltest.Variables{
		"sql_mode": cluster.TextVariable, "sql_select_limit": cluster.NumberVariable, "time_zone": cluster.TextVariable, "autocommit": cluster.BooleanVariable,
	}}
	for _, c := range []struct{ name, value, want string }{
		{"sql_mode", "ANSI_QUOTES", "sql_mode='ANSI_QUOTES'"},
		{"sql_mode", "", "sql_mode=''"},
		{"autocommit", "OFF", "autocommit='OFF'"},
		{"sql_select_limit", "18446744073709551615", "sql_select_limit=18446744073709551615"},
		{"sql_select_limit", "1 OR 1", "sql_select_limit='1 OR 1'"},
		{"time_zone", "+02:00", "time_zone='+02:00'"},
		{"time_zone", "7", "time_zone='7'"},
		{"character_set_results", "", "character_set_results=NULL"},
		{"character_set_client", "utf8mb4", "character_set_client='utf8mb4'"},
		{"init_text", "it's", "init_text=x'69742773'"},
		{"init_text", `back\slash`, "init_text=x'6261636b5c736c617368'"},
		{"init_text", `\`, "init_text=x'5c'"},
		{"unlisted", "42", "unlisted=42"},
		{"unlisted", "-4.5", "unlisted=-4.5"},
		{"unlisted", "4.5.6", "unlisted='4.5.6'"},
		{"unlisted", "-", "unlisted='-'"},
		{"unlisted", "ON", "unlisted='ON'"},
	} {
		s := newState("")
		s.set(c.name, c.value)
		if got, found := s.appendSet(nil, nil, srv.numeric); !found || string(got) != c.want {
			t.Errorf("%s = %q: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// TestSetHasWhatDiffersOnly: what a conn has already is not set again, but for the collation behind its character set.
func TestSetHasWhatDiffersOnly(t *testing.T) {
	numeric := func(_, value string) bool { return looksNumeric(value) }
	vars := func(pairs ...string) (all []variable) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, variable{name: pairs[i], value: pairs[i+1]})
		}
		return all
	}
	for _, c := range []struct {
		had, want []variable
		set       string
		covers    bool
	}{
		{nil, nil, "", true},
		{nil, vars("a", "1", "b", "x"), "a=1, b='x'", true},
		{vars("a", "1"), vars("a", "1", "b", "x"), "b='x'", true},
		{vars("b", "x", "a", "1"), vars("a", "1", "b", "x"), "", true},
		{vars("a", "2"), vars("a", "1"), "a=1", true},
		{vars("c", "2"), vars("a", "1"), "a=1", false},
		{
			vars("character_set_connection", "latin1", "collation_connection", "c"), vars("character_set_connection", "utf8mb4", "collation_connection", "c"),
			"character_set_connection='utf8mb4', collation_connection='c'", true,
		},
	} {
		s := newState("")
		s.vars = c.want
		got, found := s.appendSet(nil, c.had, numeric)
		if string(got) != c.set || found != (c.set != "") {
			t.Errorf("from %v to %v: %q, want %q", c.had, c.want, got, c.set)
		}
		if got := s.covers(c.had); got != c.covers {
			t.Errorf("%v covers %v: %v", c.want, c.had, got)
		}
	}
}

// TestStateKeepsWhatConnsHave: a conn has the variables of a moment, which later changes leave alone.
func TestStateKeepsWhatConnsHave(t *testing.T) {
	s := newState("")
	s.set("a", "1")
	s.set("collation_connection", "c")
	before := s.vars
	was := fmt.Sprint(before)
	for _, change := range []func(){func() { s.set("a", "2") }, func() { s.set("character_set_connection", "x") }, func() { s.forget("a") }, func() { s.set("b", "3") }} {
		change()
		if fmt.Sprint(before) != was {
			t.Errorf("what a conn has became %v", before)
		}
	}
	version := s.version
	s.set("b", "3")
	if s.version != version {
		t.Error("setting what was set made another version")
	}
}

func TestSetNames(t *testing.T) {
	for sql, want := range map[string]string{
		"set names utf8mb4":                            "utf8mb4 ",
		"set names utf8mb4 collate utf8mb4_bin":        "utf8mb4 utf8mb4_bin",
		"set names 'utf8mb4' collate 'utf8mb4_bin' ; ": "utf8mb4 utf8mb4_bin",
		"set names utf8mb4 collate default":            "",
		"set names default":                            "",
		"set names utf8mb4 collate 'a\\'":              "",
		"set names utf8mb4 collate x, sql_mode=''":     "",
		"set names": "",
		"set collation_connection = utf8mb4_general_ci": "",
		"set names utf8mb4 /* */ collate utf8mb4_bin":   "",
	} {
		charset, collation, ok := setNames([]byte(sql))
		got := charset + " " + collation
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q", sql, got)
		}
	}
}

// entry makes a tracker as a server writes it.
func entry(kind wire.TrackerType, name, value string) wire.Tracker {
	return wire.Tracker{Type: kind, Name: []byte(name), Value: []byte(value)}
}

func TestNote(t *testing.T) {
	for _, c := range []struct {
		name      string
		entries   []wire.Tracker
		explained bool
		pins      pins
		schema    string
		vars      int
	}{
		{"a variable", []wire.Tracker{entry(wire.TrackVariable, "sql_mode", "")}, false, 0, "db", 1},
		{"a schema", []wire.Tracker{entry(wire.TrackSchema, "", "other")}, false, 0, "other", 0},
		{"the schema is gone", []wire.Tracker{entry(wire.TrackSchema, "", "")}, false, 0, "", 0},
		{"a change that the text explains", []wire.Tracker{entry(wire.TrackStateChange, "", "1")}, true, 0, "db", 0},
		{"a change that it does not", []wire.Tracker{entry(wire.TrackStateChange, "", "1")}, false, pinUnknown, "db", 0},
		{"locked tables", []wire.Tracker{entry(wire.TrackTransaction, "", "_______L")}, true, pinLockedTables, "db", 0},
		{
			"unlocked again",
			[]wire.Tracker{entry(wire.TrackTransaction, "", "_______L"), entry(wire.TrackTransaction, "", "________")},
			true, 0, "db", 0,
		},
		{
			"SET TRANSACTION",
			[]wire.Tracker{entry(wire.TrackCharacteristics, "", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;")},
			false, pinTransaction, "db", 0,
		},
		{"START TRANSACTION", []wire.Tracker{entry(wire.TrackCharacteristics, "", "START TRANSACTION READ ONLY;")}, false, 0, "db", 0},
		{
			"SET TRANSACTION and its use",
			[]wire.Tracker{
				entry(wire.TrackCharacteristics, "", "SET TRANSACTION READ ONLY;"),
				entry(wire.TrackCharacteristics, "", "SET TRANSACTION READ ONLY; START TRANSACTION;"), entry(wire.TrackCharacteristics, "", ""),
			},
			false, 0, "db", 0,
		},
		{"timestamp", []wire.Tracker{entry(wire.TrackVariable, "timestamp", "1.000000")}, false, pinVariable, "db", 0},
		{"last_insert_id", []wire.Tracker{entry(wire.TrackVariable, "last_insert_id", "42")}, false, 0, "db", 0},
		{"the client's own tracking", []wire.Tracker{entry(wire.TrackVariable, "session_track_schema", "OFF")}, false, 0, "db", 0},
	} {
		s := newState("db")
		for _, e := range c.entries {
			s.note(e, c.explained)
		}
		if s.pins != c.pins || s.schema != c.schema || len(s.vars) != c.vars {
			t.Errorf("%s: pins %q, schema %q, variables %v", c.name, s.pins, s.schema, s.vars)
		}
	}
}

func TestTrackWish(t *testing.T) {
	s := newState("")
	for _, c := range []struct {
		variables, name string
		want            bool
	}{
		{defaultTrackedVariables, "autocommit", true},
		{defaultTrackedVariables, "sql_mode", false},
		{"*", "sql_mode", true},
		{"sql_mode, TIME_ZONE", "time_zone", true},
		{"sql_mode", "sql", false},
		{"", "sql_mode", false},
	} {
		s.noteTracking("session_track_system_variables", c.variables)
		if got := s.track.wants(c.name); got != c.want {
			t.Errorf("%q wants %s: %v", c.variables, c.name, got)
		}
	}
}
