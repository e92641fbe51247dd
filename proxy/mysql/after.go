package mysql

import (
	"bytes"
	"strings"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// What a statement leaves for the next one to ask for: FOUND_ROWS(), ROW_COUNT() and the warnings. The answer tells most of it. What only the node knows stays on the conn and is read
// when somebody else takes it, or when the session is about to run something elsewhere that leaves it as it is.

// parts are what a statement leaves to be asked for.
type parts byte

// The parts.
const (
	partFound    parts = 1 << iota // FOUND_ROWS().
	partRows                       // ROW_COUNT().
	partWarnings                   // SHOW WARNINGS, @@warning_count, @@error_count.
	allParts     = partFound | partRows | partWarnings
)

// fate is what becomes of a part.
type fate byte

const (
	fateUnknown fate = iota // Only the node can tell.
	fateKept                // It is as it was before.
	fateTold                // The answer tells.
)

// after is what the statements so far have left. What is not known is on the session's last conn.
type after struct {
	known parts
	kept  parts // Of what is known, what the last conn does not have, or not surely: it has run elsewhere, or nowhere.

	found    int64  // FOUND_ROWS().
	rows     int64  // ROW_COUNT().
	warnings int    // @@warning_count.
	errors   int    // @@error_count.
	shown    []byte // The answer to SHOW WARNINGS, as packets, where there are any.

	marked *after // The warnings of before, where the last conn got a mark in their place: see importAfter.
}

// tell notes a part that galley knows and the last conn does not have.
func (a *after) tellRows(rows int64) {
	a.rows = rows
	a.known |= partRows
	a.kept |= partRows
}

// take makes known what was not, from what was read on the conn that had it.
func (a *after) take(r *after) {
	if a.known&partFound == 0 {
		a.found = r.found
	}
	if a.known&partRows == 0 {
		a.rows = r.rows
	}
	if a.known&partWarnings == 0 {
		if a.marked != nil && r.warnings == 1 && bytes.Contains(r.shown, []byte(markText)) {
			r = a.marked
		}
		a.warnings, a.errors, a.shown = r.warnings, r.errors, r.shown
	}
	a.known, a.kept, a.marked = allParts, allParts, nil
}

// noWarnings says that there surely are none.
func (a *after) noWarnings() bool { return a.known&partWarnings != 0 && a.warnings == 0 }

// bringAfter sees to it that what is on the session's last conn is known before x runs on another one, b, and leaves it as it is.
func (s *session) bringAfter(b *backendConn, x *exchange) {
	if s.last == nil || s.last == b || s.after.known == allParts || x.silent || x.conn != nil {
		return
	}
	unknown := allParts &^ s.after.known
	if unknown&partFound != 0 && (x.found == fateKept || x.hides()) || unknown&partRows != 0 && x.rows == fateKept || unknown&partWarnings != 0 && (x.lists || !s.usesTables(x)) {
		s.settleAfter()
	}
}

// hides says whether nothing tells if a statement leaves as they are the rows that were found before it, and the warnings.
func (x *exchange) hides() bool { return x.opaque && x.rows == fateUnknown }

// maxImported is the greatest number of rows for which FOUND_ROWS() is worth its text.
const maxImported = 500

// markText is a warning by which galley finds out whether a statement leaves the warnings of before as they are.
const markText = "galley: the warnings of before"

// importAfter has b, before x runs there, say of FOUND_ROWS() what is true for the session, and puts a mark in the place of the warnings: where the mark is still there behind x, so are they.
func (s *session) importAfter(b *backendConn, x *exchange) error {
	a := &s.after
	away := a.known
	if s.last == b {
		away &= a.kept
	}
	if !x.hides() || away == 0 || x.conn != nil {
		return nil
	}
	var texts []string
	if away&partFound != 0 && a.found <= maxImported && (!x.flags.Has(classify.MultiStatement) || !mentions(x.sql, "select")) {
		text := "SELECT NULL LIMIT 0"
		if n := int(a.found); n > 0 {
			text = "SELECT NULL" + strings.Repeat(" UNION ALL SELECT NULL", n-1)
		}
		texts = append(texts, text) // It uses no table, which would end the warnings.
	}
	if away&partWarnings != 0 && a.warnings > 0 {
		texts = append(texts, "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT='"+markText+"'")
		a.marked = &after{warnings: a.warnings, errors: a.errors, shown: a.shown}
	}
	if len(texts) == 0 {
		return nil
	}
	if err := s.catchUpNow(b, x); err != nil { // A reset would end it all.
		return err
	}
	for _, text := range texts {
		if _, err := b.texts(text); err != nil {
			return &backendError{err}
		}
	}
	return nil
}

// settleAfter makes known all that the statements so far have left. False means that it is lost.
func (s *session) settleAfter() bool {
	if s.after.known == allParts {
		return true
	}
	on := s.last
	for _, sl := range s.slots() {
		if on == nil || sl.conn != on || !s.retake(sl) {
			continue
		}
		r := newRescue(on, tieLast)
		if err := r.read(on); err != nil {
			if !isRefusal(err) {
				s.drop(on)
			}
			break
		}
		s.takeBack(r)
		on.own &^= tieLast
		return true
	}
	s.collect()
	s.last = nil
	if s.after.known != allParts {
		s.after = after{known: allParts, kept: allParts}
		s.lostTies |= tieLast
		return false
	}
	return true
}

// noteAfter keeps what x's answer has left behind: on b, and as far as it is known in the session.
func (s *session) noteAfter(b *backendConn, x *exchange) {
	s.noteParts(b, x)
	a := &s.answer
	b.own = b.own&^tieLast | x.leaves
	if x.constants != nil {
		s.noteConstants(b, x)
	}
	if s.after.known != allParts {
		b.own |= tieLast
	}
	if a.InsertID {
		b.own |= tieInsertID
	} else if x.of == classify.DML && (x.failed || a.Warnings > 0 || a.Rows > 0) {
		b.own |= tieMaybeID // An INSERT that fails may have drawn a number; one that returns rows does not tell it.
		s.hasTies = s.hasTies || a.Rows > 0
	}
	left := b.own
	if left&tieMaybeID != 0 {
		left |= tieInsertID
	}
	b.dirt |= left
	b.unsure, s.strayed = b.unsure || x.opaque, s.strayed || x.opaque
	for _, sl := range s.slots() {
		if sl.conn == b {
			sl.made |= left
		}
	}
	if a.InsertID || x.assigns || x.leaves&tieInsertID != 0 {
		s.hasTies = true
	}
	if x.assigns && !mariaDB(&s.srv.cluster.View().Server) {
		s.state.pins |= pinVariables
	}
	if x.sequence {
		s.state.pins |= pinSequence // LASTVAL() is about this conn.
	}
	s.lostTies &^= tieLast
}

// noteParts keeps what FOUND_ROWS(), ROW_COUNT() and SHOW WARNINGS tell behind x, which has run on b.
func (s *session) noteParts(b *backendConn, x *exchange) {
	same := s.last == b
	if x.failed && !same && s.last != nil {
		s.settleAfter() // What fails mostly keeps what was found before.
	}
	p, a := &s.after, &s.answer
	single := (a.Results == 1 || x.kind == wire.AnswerSingle) && !x.failed && x.kind != wire.AnswerCursor
	put := func(part parts, f fate) {
		switch {
		case f == fateTold:
			p.known |= part
			p.kept &^= part
		case f == fateUnknown:
			p.known &^= part
			p.kept &^= part
		case !same: // Kept, and known: see bringAfter.
			p.kept |= part & p.known
		}
	}
	found, rows, warnings := x.found, x.rows, s.warningsFate(x)
	if x.prepared != nil {
		rows = fateKept
	} else if !single {
		rows = fateUnknown
	}
	switch {
	case x.failed && a.Results == 0 && s.leavesFound(x, !same || p.kept&partFound != 0):
		found = fateKept
	case !single && x.prepared == nil:
		found = fateUnknown
	}
	if found == fateTold {
		n, known := offsetOf(x.sql)
		if !known || n > 0 && a.Rows == 0 {
			found = fateUnknown // There may be fewer rows than are to be left out.
		}
		p.found = int64(a.Rows) + n
	}
	if rows == fateTold {
		if p.rows = int64(a.Affected); a.Set {
			p.rows = -1
		}
	}
	if warnings == fateTold {
		p.warnings, p.errors, p.shown = 0, 0, nil
	}
	put(partFound, found)
	put(partRows, rows)
	put(partWarnings, warnings)
	s.last = b
}

// leavesFound says whether x, which has failed, has left FOUND_ROWS() as it was. away is that its conn does not tell that of before: then it is judged by less.
func (s *session) leavesFound(x *exchange, away bool) bool {
	if beforeItRan(x.refused) {
		return away || !x.hides()
	}
	return away && !mentions(x.sql, "select")
}

// warningsFate says what becomes of the warnings; fateTold is that there are none.
func (s *session) warningsFate(x *exchange) fate {
	switch {
	case x.hides() && !x.failed && !x.warned && s.after.noWarnings():
		return fateKept
	case x.failed, s.answer.Results != 1 && x.prepared == nil && !x.lists:
		return fateUnknown
	case s.answer.Warnings > 0 && x.prepared == nil:
		return fateUnknown
	case x.of == classify.DML:
		return fateTold
	case x.lists, s.after.noWarnings():
		return fateKept
	case x.of == classify.Call || x.of == classify.Execute:
		return fateUnknown
	case s.usesTables(x):
		return fateTold
	}
	return fateKept
}

// usesTables says it of x's statement, or the one that is prepared.
func (s *session) usesTables(x *exchange) bool {
	if st := x.prepared; st != nil {
		return usesTables(st.class.Kind, st.class.Flags, st.sql, s.mode())
	}
	return usesTables(x.of, x.flags, x.sql, s.mode())
}

// beforeItRan says of an error's code that it is of a statement that has not begun to select rows: of its text, its names, its user's rights.
func beforeItRan(code uint16) bool {
	switch code {
	case 1044, 1046, 1049, 1051, 1052, 1054, 1055, 1056, 1060, 1064, 1065, 1066, 1099, 1100, 1103, 1109, 1111, 1115, 1137, 1140, 1142, 1143, 1146, 1149, 1193, 1222, 1227, 1231, 1232, 1235, 1241, 1243, 1248,
		1267, 1273, 1305, 1318, 1370, 1582, 1583, 1584, 1792:
		return true
	}
	return false
}
