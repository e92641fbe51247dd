package wire

// TrackerType says what an entry of an OK packet's session state is about (MariaDB: enum_session_state_type in include/mysql_com.h).
type TrackerType byte

// The tracker types.
const (
	TrackVariable        TrackerType = 0 // Name and value.
	TrackSchema          TrackerType = 1 // The schema's name.
	TrackStateChange     TrackerType = 2 // "1": something else changed.
	TrackGTIDs           TrackerType = 3
	TrackCharacteristics TrackerType = 4 // The statements that would set the transaction's characteristics again.
	TrackTransaction     TrackerType = 5 // Eight letters, "T_R_WsS_": see TransactionState.
)

// Trackers walks over the session-state entries of an OK packet.
type Trackers struct {
	entries reader
}

// NewTrackers starts a walk over state, the State of an OK.
func NewTrackers(state []byte) Trackers { return Trackers{entries: reader{p: state}} }

// Tracker is one entry. Name is set for variables only. Raw is the whole entry as it stood.
type Tracker struct {
	Type        TrackerType
	Name, Value []byte
	Raw         []byte
}

// Next gives the next entry; ok is false at the end, or where the entries are malformed (Bad tells).
func (t *Trackers) Next() (e Tracker, ok bool) {
	if len(t.entries.p) == 0 || t.entries.bad {
		return e, false
	}
	before := t.entries.p
	e.Type = TrackerType(t.entries.byte())
	data := t.entries.lenencString()
	if t.entries.bad {
		return e, false
	}
	e.Raw = before[:len(before)-len(t.entries.p)]
	in := reader{p: data}
	switch e.Type {
	case TrackVariable:
		e.Name, e.Value = in.lenencString(), in.lenencString()
	case TrackGTIDs:
		in.byte()
		e.Value = in.lenencString()
	case TrackSchema, TrackCharacteristics, TrackTransaction:
		e.Value = in.lenencString()
	case TrackStateChange:
		e.Value = data // MariaDB puts no length in front of the "1", MySQL does.
	default:
		e.Value = data
	}
	if in.bad {
		t.entries.fail()
		return e, false
	}
	return e, true
}

// Bad says whether the walk ended at a malformed entry.
func (t *Trackers) Bad() bool { return t.entries.bad }

// LockedTables says whether a transaction state ("T_R_WsS_") has tables locked by LOCK TABLES (its last letter).
func LockedTables(state []byte) bool { return len(state) == 8 && state[7] == 'L' }

// Wrote says whether a transaction state has written to transactional (W) or other (w) tables.
func Wrote(state []byte) bool { return len(state) == 8 && (state[3] == 'w' || state[4] == 'W') }
