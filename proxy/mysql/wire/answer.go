package wire

import (
	"fmt"
)

// AnswerKind is the shape of the answer that a command gets.
type AnswerKind byte

// The shapes of answers.
const (
	AnswerQuery   AnswerKind = iota // OK, ERR, LOCAL INFILE or result sets (COM_QUERY, COM_STMT_EXECUTE, COM_PROCESS_INFO).
	AnswerCursor                    // The same, of a COM_STMT_EXECUTE that asks for a cursor: CURSOR_EXISTS then ends it behind the definitions.
	AnswerRows                      // Rows and their end at once (COM_STMT_FETCH; COM_FIELD_LIST, whose rows are definitions).
	AnswerPrepare                   // COM_STMT_PREPARE.
	AnswerSingle                    // One packet: OK, ERR, EOF or a text (COM_STATISTICS).
)

// Event is why a walk stopped.
type Event byte

// The events of a walk.
const (
	EventMore   Event = iota // More bytes are needed; what was walked can be forwarded.
	EventStatus              // An OK or EOF packet that carries the status, whole, at LastStart to the walked end; Done says if it is the answer's last.
	EventError               // An ERR packet, whole, at LastStart to the walked end: the answer's last.
	EventInFile              // A LOCAL INFILE request has been walked: the client sends now, then the walk goes on.
	EventDone                // The answer's last packet has been walked, and is none of the above.
	EventHead                // The first packet of COM_STMT_PREPARE's OK, whole, at LastStart to the walked end.
)

type answerState byte

const (
	stateFirst answerState = iota
	stateColumns
	stateRows
	statePrepareParams
	statePrepareColumns
	stateDone
)

// Answer walks over the packet headers of one answer to find its end. It decodes only the packets that end something. Start makes it ready; a zero Answer is not.
//
// The rules and their sources: MY "COM_QUERY Response", "Text Resultset", "COM_STMT_PREPARE Response"; for CURSOR_EXISTS, progress reports and cached metadata
// MariaDB's sql/sql_cursor.cc, sql/protocol.cc (net_send_progress_packet, Protocol::send_result_set_metadata) and KB "Result Set Packets".
type Answer struct {
	kind         AnswerKind
	state        answerState
	deprecateEOF bool
	cacheMeta    bool
	continues    bool // The packet being skipped was of maximal length: the next one continues it and has no type.
	left         int  // Definitions still to come in this part.
	columns      int  // Of a prepared statement, after its parameters.
	skip         int  // Bytes of the current packet still to come.
	renumber     bool // The packets' numbers mean nothing, as the protocol is compressed: they get rising ones.

	Untold    bool   // The client has not asked for session tracking: the EOF behind definitions must not say that the state has changed.
	LastStart int    // Offset in the window given to Walk where the packet of the event starts.
	Status    uint16 // Of the last OK or EOF.
	Seq       byte   // Sequence number of the last packet walked; where packets are given numbers, the next one gets the one behind it.
	InsertID  bool   // An OK had a last insert id.
	Rows      int    // Of the last result set.
	Set       bool   // The last result was a result set.
	Affected  uint64 // Rows, of the last OK.
	Warnings  uint16 // Of the last OK or EOF behind rows.
	Results   int    // Result sets and OKs seen.
	Done      bool
}

// Start makes a ready to walk over the answer to a command on a connection with capabilities c.
func (a *Answer) Start(kind AnswerKind, c Capability) {
	*a = Answer{kind: kind, deprecateEOF: c.Has(ClientDeprecateEOF), cacheMeta: c.Has(ClientCacheMetadata), renumber: Chosen(c) != NoCompression}
	if kind == AnswerRows {
		a.state = stateRows
	}
}

// InRows says whether the walk is among rows: a bigger buffer pays.
func (a *Answer) InRows() bool { return a.state == stateRows }

// Boundary says whether what was walked ends with a whole packet, so that another packet may be put behind it.
func (a *Answer) Boundary() bool { return a.skip == 0 && !a.continues }

// Walk goes over win, the unread bytes of the answer, and returns how many of them it has passed and why it stopped there.
func (a *Answer) Walk(win []byte) (n int, ev Event, err error) {
	if a.Done {
		return 0, EventDone, nil
	}
	for {
		if a.skip > 0 {
			take := min(a.skip, len(win)-n)
			n += take
			a.skip -= take
			if a.skip > 0 {
				return n, EventMore, nil
			}
		}
		if a.state == stateDone {
			return n, a.end(EventDone), nil
		}
		if len(win)-n < HeaderLen+1 {
			if len(win)-n < HeaderLen || PayloadLen(win[n:]) > 0 || !a.continues {
				return n, EventMore, a.checkEmpty(win[n:])
			}
		}
		length := PayloadLen(win[n:])
		if a.continues {
			a.continues = length == maxPayload
			a.number(win[n:])
			a.skip = HeaderLen + length
			continue
		}
		if length == 0 {
			return n, EventMore, fmt.Errorf("%w: empty packet in an answer", ErrMalformed)
		}
		if whole := a.whole(win[n:], length); !whole {
			a.number(win[n:])
			a.continues = length == maxPayload
			a.skip = HeaderLen + length
			continue
		}
		if len(win)-n < HeaderLen+length {
			return n, EventMore, nil
		}
		a.LastStart = n
		a.number(win[n:])
		n += HeaderLen + length
		ev, err = a.packet(win[a.LastStart+HeaderLen : n])
		if err != nil || ev != EventMore {
			return n, ev, err
		}
	}
}

// number takes the number of the packet at p, or gives it one.
func (a *Answer) number(p []byte) {
	if a.renumber {
		p[3] = a.Seq + 1
	}
	a.Seq = p[3]
}

// checkEmpty refuses a complete header of an empty packet where none may stand.
func (a *Answer) checkEmpty(p []byte) error {
	if len(p) == HeaderLen && PayloadLen(p) == 0 && !a.continues {
		return fmt.Errorf("%w: empty packet in an answer", ErrMalformed)
	}
	return nil
}

// whole says whether the packet at p must be looked at; the others are counted and passed over. It keeps the count of definitions.
func (a *Answer) whole(p []byte, length int) bool {
	head := p[HeaderLen]
	switch {
	case a.state == stateRows:
		if head == headEOF {
			return a.deprecateEOF && length < maxPayload || length < 9
		}
		if head == headErr {
			return true
		}
		a.Rows++
		return false
	case a.inDefinitions():
		if head == headErr && a.state == stateColumns || a.left == 0 {
			return true
		}
		a.left--
		if a.left == 0 && a.deprecateEOF {
			a.definitionsEnd()
		}
		return false
	default:
		return true
	}
}

func (a *Answer) inDefinitions() bool {
	return a.state == stateColumns || a.state == statePrepareParams || a.state == statePrepareColumns
}

// definitionsEnd goes on behind definitions, whose end is told by their count and, without ClientDeprecateEOF, an EOF packet.
func (a *Answer) definitionsEnd() {
	if a.state == stateColumns {
		a.state = stateRows
		return
	}
	if a.state == statePrepareParams && a.columns > 0 {
		a.state, a.left = statePrepareColumns, a.columns
		return
	}
	a.state = stateDone
}
