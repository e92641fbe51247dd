package mysql

import (
	"errors"
	"net"
	"slices"
	"time"

	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// fileChunk is how much of a LOCAL INFILE packet is read at a time, in bytes.
const fileChunk = 16 << 10

// exchange is one command on its way to a node and its answer on its way back.
type exchange struct {
	cmd      *wire.Command
	packet   []byte          // What is sent: the command's packet, or one rewritten from it.
	kind     wire.AnswerKind // The shape of the answer.
	silent   bool            // The command has no answer.
	began    time.Time       // When the command had come; zero where it is not timed.
	prepared *statement      // COM_STMT_PREPARE: what the answer's head is noted in.
	stmt     *statement      // The prepared statement that the command is about.
	conn     *backendConn    // The one conn on which it can run, for toConn.
	longData bool            // COM_STMT_SEND_LONG_DATA.

	repeatable bool        // It may be run again elsewhere if it is cut off, and be piped behind what brings the conn up to date.
	locking    bool        // A read that takes locks, which are gone with its conn: it may be run again elsewhere if it is cut off.
	atomic     bool        // One that the node refuses has not done anything.
	explains   bool        // Its text explains a state change that the server does not name.
	changes    []pinChange // What it begins and ends of what pins the session.
	unlocks    bool        // It ends table locks if it succeeds.
	temporary  bool        // What it sets holds for itself only.
	writes     bool        // It may have written when it succeeds.
	reads      bool        // It only reads: it may be killed when its time is over or its client is gone.
	noData     bool        // It sees no data, so that it need not wait for any.
	schemaFree bool        // It does the same whatever schema its conn has.
	chooses    bool        // It chooses a schema.
	commits    bool        // It ends an open transaction, also where another one is open behind it.
	replays    bool        // It stands for a transaction that is run again.
	inTrx      bool        // A transaction was open where it runs.
	forWriter  bool        // The transaction that is open on a reader must go to the writer first.
	sql        []byte      // Its text, where it has one.
	of         classify.Kind
	level      classify.Consistency
	flags      classify.Flags
	effects
	constants  []userVar  // What it sets user variables to, where the text tells of all.
	untold     []string   // The variables that it sets without the server reporting it where galley had not changed its text.
	strays     []string   // Variables of which the server must be asked, as it may set them out of sight.
	unreported unreported // What it may set without the server reporting it.
	defined    func()     // What is to be done when it has run, before the client knows; or nil.

	onceOnly bool    // It does what must not, or cannot, be done again.
	timely   bool    // Its answer depends on the time.
	log      *trxLog // In which its answer is summed up, or nil.
	code     uint16  // Of the ERR packet that it was answered with.

	run    runState    // Whether it may be moved.
	keep   *keptAnswer // Where the answer goes that galley reads itself; nil where it goes to the client.
	learns *lesson     // The answer is remembered; nil where it is not.

	fromFile       bool   // It has asked the client for a file.
	sent           bool   // Something of the command has gone to the node.
	forwarded      bool   // Something of the answer has gone to the client.
	failed         bool   // The answer ended with an ERR packet.
	answered       bool   // The answer is a node's, and whole.
	refused        uint16 // Its code.
	warned         bool   // One of its results has warnings.
	noted          bool   // The prepared statement's id is known.
	conflicts      int    // How often it was rolled back in favour of something else.
	reprepared     bool   // The statement was forgotten once.
	wouldWrite     bool   // It is no pure read after all.
	preambleFailed bool   // The conn could not be brought up to date.
}

// backendError is an error of a backend conn in the middle of an exchange.
type backendError struct{ err error }

func (e *backendError) Error() string { return e.err.Error() }
func (e *backendError) Unwrap() error { return e.err }

// refusedError is an ERR packet in place of an answer, not forwarded, that says that the command was not run.
type refusedError struct{ *wire.ServerError }

// forgottenError says that a node no longer has a prepared statement, so that it has not run it.
type forgottenError struct{ *wire.ServerError }

// unpreparedError is a node's refusal to prepare a statement that another node has prepared before. The conn is as good as it was.
type unpreparedError struct{ *wire.ServerError }

// run sends x's command on b and forwards the answer. It returns nil when the client has its answer, a *refusedError or a *backendError when b has failed it,
// an *errSession when the session is over.
func (s *session) run(b *backendConn, x *exchange) error {
	if x.run = s.movable(b, x); x.run != runStays {
		b.run.Store(x.run)
		defer b.settle()
	}
	if err := s.send(b, x); err != nil {
		return err
	}
	if x.silent {
		return nil
	}
	return s.forward(b, x)
}

// rewrite puts another text in the place of the command's.
func (x *exchange) rewrite(sql string) {
	x.packet = wire.AppendCommand(nil, wire.ComQuery, sql)
}

// send brings b up to date and sends the command: in one write with the command if it is a read, confirmed before it otherwise.
func (s *session) send(b *backendConn, x *exchange) error {
	if x.stmt != nil {
		// Preparing runs in the session's state, so that comes first.
		if err := s.catchUpNow(b, x); err != nil {
			return err
		}
		if err := s.readyStatement(b, x); err != nil {
			if refused, ok := errors.AsType[*wire.ServerError](err); ok {
				return &unpreparedError{refused}
			}
			return &backendError{err}
		}
	}
	if err := s.importAfter(b, x); err != nil {
		return err
	}
	preambles, err := s.catchUp(b, x)
	if err != nil {
		return err
	}
	if b.lost.Load() {
		return &backendError{net.ErrClosed}
	}
	x.sent = true
	if preambles > 0 {
		b.out = append(b.out, x.packet...)
		err = b.Write(b.out)
	} else {
		err = b.Write(x.packet)
	}
	if !x.cmd.Whole() {
		werr, cerr := s.client.StreamRest(x.cmd, b.Write)
		if cerr != nil {
			return endSession(closeClientGone, cerr)
		}
		if err == nil {
			err = werr
		}
	}
	if err != nil {
		return &backendError{err}
	}
	for range preambles {
		if err := b.swallow(wire.AnswerQuery); err != nil {
			// What was piped behind has been run in a state that is not the session's: its answer is dropped with the conn.
			return s.preambleError(b, x, err)
		}
	}
	return nil
}

// forward passes b's answer on to the client as it comes.
func (s *session) forward(b *backendConn, x *exchange) error {
	a := &s.answer
	a.Start(x.kind, b.caps)
	a.Seq, a.Untold = s.client.Seq-1, !s.caps.Has(wire.ClientSessionTrack)
	for !a.Done {
		win := b.Window()
		n, ev, err := a.Walk(win)
		if err != nil {
			return &backendError{err}
		}
		out := win[:n]
		if x.log != nil {
			x.log.add(out, a.LastStart, ev)
		}
		switch ev {
		case wire.EventStatus:
			out = win[:s.noteStatus(b, x, out)]
		case wire.EventHead:
			s.notePrepared(b, x, win[a.LastStart+wire.HeaderLen:n])
		case wire.EventError:
			x.failed, x.refused = true, errorCode(win[a.LastStart+wire.HeaderLen:n])
			if err := s.noteError(b, x, win[a.LastStart+wire.HeaderLen:n]); err != nil {
				b.Discard(n)
				return err
			}
			out = s.retold(out, a.LastStart)
		case wire.EventMore, wire.EventInFile, wire.EventDone:
		}
		if x.keep != nil {
			x.keep.buf = append(x.keep.buf, out...)
		} else if len(out) > 0 {
			if !x.forwarded && x.run != runStays && !b.settle() {
				return &backendError{errMoved}
			}
			x.forwarded = true
			if x.learns != nil {
				s.learn(x, out)
			}
			if err := s.client.Write(out); err != nil {
				return endSession(closeClientGone, err)
			}
		}
		b.Discard(n)
		x.fromFile = x.fromFile || ev == wire.EventInFile
		if err := s.goOn(b, ev); err != nil {
			return err
		}
	}
	return nil
}

// goOn gets what the walk needs next.
func (s *session) goOn(b *backendConn, ev wire.Event) error {
	if ev == wire.EventMore || s.answer.Done {
		if err := s.client.Flush(); err != nil {
			return endSession(closeClientGone, err)
		}
	}
	switch ev {
	case wire.EventInFile:
		err := s.relayFile(b)
		s.answer.Seq = s.client.Seq - 1
		return err
	case wire.EventMore:
		if s.answer.Done {
			return nil
		}
		if s.answer.InRows() && b.Full() {
			b.Enlarge()
		}
		if err := b.Fill(); err != nil {
			return &backendError{err}
		}
	case wire.EventStatus, wire.EventError, wire.EventDone, wire.EventHead:
	}
	return nil
}

// noteStatus takes what an OK or EOF packet at the end of win says of the session, takes out of it what the client did not ask for, and returns the new end of win.
func (s *session) noteStatus(b *backendConn, x *exchange, win []byte) int {
	start := s.answer.LastStart
	p := win[start+wire.HeaderLen:]
	x.warned = x.warned || s.answer.Warnings > 0
	s.status = s.answer.Status &^ wire.StatusOfAnswer
	if inTrans := s.status&wire.StatusInTrans != 0; (x.writes || x.inTrx) && !inTrans || x.inTrx && x.commits || x.opaque {
		s.acked(b)
	}
	if x.defined != nil {
		x.defined()
	}
	if x.kind == wire.AnswerSingle && p[0] != 0 || len(p) < 7 {
		// An EOF packet: it can only say that something changed.
		if len(p) >= 5 && s.answer.Status&wire.StatusStateChanged != 0 {
			if !x.explains {
				s.state.pins |= pinUnknown
			}
			if !s.caps.Has(wire.ClientSessionTrack) {
				p[4] &^= byte(wire.StatusStateChanged >> 8)
			}
		}
		return len(win)
	}
	if len(p) == 7 {
		return len(win) // Nothing but counts and flags.
	}
	ok, err := wire.ParseOK(p, true)
	if err != nil {
		return len(win)
	}
	s.noteTrackers(b, x, ok.State)
	if s.caps.Has(wire.ClientSessionTrack) {
		if len(ok.State) == 0 {
			return len(win)
		}
		ok.State = s.filterTrackers(ok.State, x.untold)
	}
	s.scratch = ok.Append(s.scratch[:0], p[0], s.caps.Has(wire.ClientSessionTrack))
	if len(s.scratch) > len(p) {
		return len(win) // Cannot be: what is taken out makes it shorter.
	}
	copy(p, s.scratch)
	wire.PutHeader(win[start:], len(s.scratch), win[start+3])
	return start + wire.HeaderLen + len(s.scratch)
}

// noteTrackers takes the session state that an OK packet reports. The conn that reports it has it.
func (s *session) noteTrackers(b *backendConn, x *exchange, entries []byte) {
	if len(entries) == 0 {
		return
	}
	upToDate := b.synced == s.state.version
	charset, collation := false, false
	t := wire.NewTrackers(entries)
	for {
		e, ok := t.Next()
		if !ok {
			break
		}
		if x.temporary && e.Type == wire.TrackVariable {
			continue // It goes back when the statement ends; the next answer says to what.
		}
		s.state.note(e, x.explains)
		if s.answer.Status&wire.StatusMoreResults != 0 && e.Type == wire.TrackVariable && takenBack(string(e.Name)) {
			x.strays = append(x.strays, string(e.Name))
		}
		switch {
		case e.Type == wire.TrackSchema:
			s.schemaIs(b)
		case e.Type == wire.TrackVariable && string(e.Name) == charsetConnection:
			charset = true
		case e.Type == wire.TrackVariable && string(e.Name) == charsetResults:
			s.state.setNames("", "")
		case e.Type == wire.TrackVariable && string(e.Name) == collationConnection:
			collation = true
		case e.Type == wire.TrackVariable && isTracking(e.Name):
			b.retrack = true
		}
	}
	if t.Bad() {
		s.state.pins |= pinUnknown
	}
	if charset && !collation {
		s.ownCollation(x)
	}
	if upToDate {
		b.synced, b.vars = s.state.version, s.state.vars
	}
}

// schemaIs notes b's schema. No command takes a schema away from a conn: the session leaves one that has another where it has none any more (DROP DATABASE).
func (s *session) schemaIs(b *backendConn) {
	b.schema = s.state.schema
	if b.schema != "" {
		return
	}
	for _, sl := range s.slots() {
		if sl.conn != nil && sl.conn != b {
			if sl.held {
				sl.conn.retire = true
			}
			s.leaveSlot(sl)
		}
	}
}

// isTracking says whether a variable is one of those by which galley is told everything.
func isTracking(name []byte) bool {
	const prefix = "session_track_"
	return len(name) > len(prefix) && string(name[:len(prefix)]) == prefix
}

// filterTrackers keeps the entries that the client asked for, and none of the variables in untold.
func (s *session) filterTrackers(entries []byte, untold []string) []byte {
	s.kept = s.kept[:0]
	wish := &s.state.track
	t := wire.NewTrackers(entries)
	for {
		e, ok := t.Next()
		if !ok {
			return s.kept
		}
		keep := false
		switch e.Type {
		case wire.TrackVariable:
			keep = wish.wants(string(e.Name)) && !slices.Contains(untold, string(e.Name))
		case wire.TrackSchema:
			keep = wish.schema
		case wire.TrackStateChange:
			keep = wish.stateChange
		case wire.TrackCharacteristics:
			keep = wish.characteristic
		case wire.TrackTransaction:
			keep = wish.transaction
		case wire.TrackGTIDs:
			keep = true
		}
		if keep {
			s.kept = append(s.kept, e.Raw...)
		}
	}
}

// notePrepared takes the node's statement id out of the answer to COM_STMT_PREPARE and puts the client's in its place.
func (s *session) notePrepared(b *backendConn, x *exchange, p []byte) {
	if x.prepared == nil {
		return
	}
	id := uint32(p[1]) | uint32(p[2])<<8 | uint32(p[3])<<16 | uint32(p[4])<<24
	x.prepared.params = int(p[7]) | int(p[8])<<8
	b.addStatement(x.prepared.key, id, s.srv.config().Pool.MaxStatements)
	x.noted = true
	own := x.prepared.id
	p[1], p[2], p[3], p[4] = byte(own), byte(own>>8), byte(own>>16), byte(own>>24)
}

// noteError looks at an ERR packet. Where it proves that the command was not run, and nothing of the answer has gone to the client yet, it is returned and not forwarded.
func (s *session) noteError(b *backendConn, x *exchange, p []byte) error {
	if x.stmt != nil && x.cmd.Whole() && !x.forwarded && !x.reprepared && errorCode(p) == codeUnknownStatement && x.stmt.longOn == nil && x.conn == nil {
		x.reprepared = true
		return &forgottenError{wire.ParseErr(p)}
	}
	x.code = errorCode(p)
	if err := s.conflict(b, x, p); err != nil {
		return err
	}
	s.srv.metrics.errors.Add(1)
	if x.writes || x.inTrx && x.commits {
		s.acked(b) // A procedure may have committed before it failed, and so has what ends a transaction first.
	}
	if !maybeTrouble(p) {
		return nil
	}
	refused := wire.ParseErr(p)
	if refused.Code == codeReadOnlyTrx && b == s.reader.conn && s.trx == nil && s.state.pins == 0 && !x.forwarded && x.cmd.Whole() {
		x.wouldWrite = true
		return &refusedError{refused}
	}
	if !nodeTrouble(refused) {
		return nil
	}
	s.srv.trouble(b.node)
	if unknownFate(refused) {
		return &backendError{errUnknownFate}
	}
	if s.trx == b && refused.Code == codeUnknownCommand && neverRan(refused) {
		// The node is leaving with the transaction open. A session that went on would commit it with its next BEGIN.
		return &backendError{errLeaving}
	}
	if s.trx == b && (refused.Code == codeServerShutdown || refused.Code == codeConnectionKilled) && s.replayable(b, x, false) == hinderedNot {
		return &backendError{errUnknownFate}
	}
	if x.forwarded || s.trx != nil || !x.cmd.Whole() {
		return nil
	}
	if x.atomic && neverRan(refused) || x.repeatable && refused.Code != codeLockWaitTimeout {
		return &refusedError{refused}
	}
	return nil
}

// errorCode reads the code of an ERR packet.
func errorCode(p []byte) uint16 {
	if len(p) < 3 {
		return 0
	}
	return uint16(p[1]) | uint16(p[2])<<8
}

// maybeTrouble is nodeTrouble without decoding the packet.
func maybeTrouble(p []byte) bool {
	switch errorCode(p) {
	case codeUnknownCommand, codeServerShutdown, codeConnectionKilled, codeOptionPrevents, codeLockWaitTimeout, codeReadOnlyTrx, codeDuringCommit:
		return true
	}
	return false
}

// relayFile passes the client's answer to a LOCAL INFILE request on to the node: packets up to an empty one (MY, "Protocol::LOCAL_INFILE_Data").
func (s *session) relayFile(b *backendConn) error {
	s.client.Seq = s.answer.Seq + 1
	b.GoOn()
	var werr error
	write := func(p []byte) error {
		if werr == nil {
			werr = b.Write(p)
		}
		return werr
	}
	for {
		var cmd wire.Command
		err := s.client.ReadHead(&cmd, fileChunk)
		if err != nil {
			return endSession(closeClientGone, err)
		}
		last := len(cmd.Body) == 0
		_ = write(cmd.Packet) // The client sends to the end whatever happens; werr tells at last.
		if !cmd.Whole() {
			if _, cerr := s.client.StreamRest(&cmd, write); cerr != nil {
				return endSession(closeClientGone, cerr)
			}
		}
		if last {
			break
		}
	}
	if werr == nil {
		werr = b.Fill()
	}
	if werr != nil {
		return &backendError{werr}
	}
	return nil
}
