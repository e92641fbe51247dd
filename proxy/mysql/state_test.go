package mysql

import (
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
		since := s.version
		s.set(c.name, c.value)
		got, found := s.appendReplay(nil, since, srv.numeric)
		if want := "SET SESSION " + c.want; !found || string(got) != want {
			t.Errorf("%s = %q: %q, want %q", c.name, c.value, got, want)
		}
	}
}

func TestReplayHasWhatIsNewerOnly(t *testing.T) {
	s := newState("")
	numeric := func(_, value string) bool { return looksNumeric(value) }
	begin := s.version
	if _, found := s.appendReplay(nil, begin, numeric); found {
		t.Error("something to replay in a new session")
	}
	s.set("a", "1")
	between := s.version
	s.set("b", "x")
	for _, c := range []struct {
		since uint64
		want  string
	}{{begin, "SET SESSION a=1, b='x'"}, {between, "SET SESSION b='x'"}, {s.version, ""}} {
		if got, _ := s.appendReplay(nil, c.since, numeric); string(got) != c.want {
			t.Errorf("since %d: %q, want %q", c.since, got, c.want)
		}
	}
	was := s.version
	s.set("a", "1")
	if s.version != was {
		t.Error("setting what was set made a new version")
	}
	s.set("a", "2")
	if got, _ := s.appendReplay(nil, was, numeric); string(got) != "SET SESSION a=2" {
		t.Errorf("got %q", got)
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
