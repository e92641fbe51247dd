package wire

import (
	"encoding/binary"
	"fmt"
)

// packet takes the payload of a packet that whole said must be looked at.
func (a *Answer) packet(p []byte) (Event, error) {
	if p[0] == headErr {
		if len(p) >= 3 && binary.LittleEndian.Uint16(p[1:]) == progressErr && a.results() {
			return EventMore, nil // A progress report, not the end.
		}
		return a.end(EventError), nil
	}
	switch {
	case a.state == stateFirst:
		return a.first(p)
	case a.inDefinitions():
		return a.definitionsEOF(p)
	case a.state == stateRows:
		return a.rowsEnd(p)
	default:
		return EventMore, fmt.Errorf("%w: packet behind the end of an answer", ErrMalformed)
	}
}

// results says whether the answer may have several results.
func (a *Answer) results() bool { return a.kind == AnswerQuery || a.kind == AnswerCursor }

func (a *Answer) end(ev Event) Event {
	a.state, a.Done = stateDone, true
	return ev
}

func (a *Answer) first(p []byte) (Event, error) {
	switch {
	case a.kind == AnswerPrepare:
		return a.firstOfPrepare(p)
	case a.kind == AnswerSingle:
		return a.single(p)
	case p[0] == headOK:
		return a.resultOK(p)
	case p[0] == headInFile:
		return EventInFile, nil
	}
	columns, n := lenenc(p)
	if n == 0 || columns == 0 || columns > 0xffff {
		return EventMore, fmt.Errorf("%w: a result set of %d columns", ErrMalformed, columns)
	}
	a.Results++
	a.Set = true
	a.state, a.left, a.Rows = stateColumns, int(columns), 0
	if a.cacheMeta && len(p) > n && p[n] == 0 {
		a.left = 0 // The client has the definitions already; an EOF still follows where EOFs are used.
		if a.deprecateEOF {
			a.state = stateRows
		}
	}
	return EventMore, nil
}

func (a *Answer) firstOfPrepare(p []byte) (Event, error) {
	// Statement id 4, columns 2, parameters 2, filler 1, warnings 2.
	if p[0] != headOK || len(p) < 12 {
		return EventMore, fmt.Errorf("%w: answer to COM_STMT_PREPARE", ErrMalformed)
	}
	a.columns = int(binary.LittleEndian.Uint16(p[5:]))
	a.left = int(binary.LittleEndian.Uint16(p[7:]))
	switch {
	case a.left > 0:
		a.state = statePrepareParams
	case a.columns > 0:
		a.state, a.left = statePrepareColumns, a.columns
	default:
		a.end(EventHead)
	}
	return EventHead, nil
}

func (a *Answer) single(p []byte) (Event, error) {
	switch {
	case p[0] == headOK && len(p) >= 7:
		ok, err := ParseOK(p, false)
		if err == nil {
			a.Status = ok.Status
		}
		return a.end(EventStatus), nil
	case p[0] == headEOF && len(p) < 9:
		if len(p) >= 5 {
			a.Status = binary.LittleEndian.Uint16(p[3:])
		}
		return a.end(EventStatus), nil
	default:
		return a.end(EventDone), nil
	}
}

// resultOK takes an OK packet in place of, or behind, a result set.
func (a *Answer) resultOK(p []byte) (Event, error) {
	a.Set = a.Set && a.state == stateRows
	affected, n := lenenc(p[1:])
	id, m := lenenc(p[min(1+n, len(p)):])
	at := 1 + n + m
	if id > 0 {
		a.InsertID = true
	}
	if n == 0 || m == 0 || len(p) < at+4 {
		return EventMore, fmt.Errorf("%w: OK packet", ErrMalformed)
	}
	a.Results++
	a.Affected, a.Warnings = affected, binary.LittleEndian.Uint16(p[at+2:])
	return a.result(binary.LittleEndian.Uint16(p[at:])), nil
}

// result ends one result; with more of them to come the next starts afresh.
func (a *Answer) result(status uint16) Event {
	a.Status = status
	if status&StatusMoreResults != 0 && a.results() {
		a.state = stateFirst
		return EventStatus
	}
	return a.end(EventStatus)
}

func (a *Answer) definitionsEOF(p []byte) (Event, error) {
	if p[0] != headEOF || len(p) >= 9 || len(p) < 5 {
		return EventMore, fmt.Errorf("%w: no EOF behind the definitions", ErrMalformed)
	}
	if a.Untold {
		p[4] &^= byte(StatusStateChanged >> 8)
	}
	status := binary.LittleEndian.Uint16(p[3:])
	// A procedure that has a cursor of its own open sets the flag too, with the rows to follow.
	if a.kind == AnswerCursor && a.state == stateColumns && status&StatusCursorExists != 0 {
		a.Status = status // The rows are fetched by COM_STMT_FETCH.
		return a.end(EventStatus), nil
	}
	a.definitionsEnd()
	return EventMore, nil
}

func (a *Answer) rowsEnd(p []byte) (Event, error) {
	if a.deprecateEOF && len(p) >= 7 {
		a.Results--
		ev, err := a.resultOK(p)
		return ev, err
	}
	if len(p) < 5 {
		return EventMore, fmt.Errorf("%w: EOF packet", ErrMalformed)
	}
	a.Warnings = binary.LittleEndian.Uint16(p[1:])
	return a.result(binary.LittleEndian.Uint16(p[3:])), nil
}
