package mysql

// slot is one of a session's two places for a conn: the one to the writer, the one for reads.
type slot struct {
	conn *backendConn // The one used last; nil if there is none.
	held bool         // It is the session's now. Else it is idle, and may have gone to another session.
	made ties         // What the session has left there.
}

// slots are the session's places.
func (s *session) slots() [2]*slot { return [2]*slot{&s.writer, &s.reader} }

// holding is the conn that the session has now, or nil.
func (sl *slot) holding() *backendConn {
	if sl.held {
		return sl.conn
	}
	return nil
}

// slotOf is where the session holds b, or nil.
func (s *session) slotOf(b *backendConn) *slot {
	for _, sl := range s.slots() {
		if sl.held && sl.conn == b {
			return sl
		}
	}
	return nil
}

// holds says whether b is the session's now and can be used.
func (s *session) holds(b *backendConn) bool {
	return b != nil && s.slotOf(b) != nil && !b.lost.Load()
}

// retake takes sl's conn again, if no other session has it.
func (s *session) retake(sl *slot) bool {
	if sl.conn == nil {
		return false
	}
	if sl.held {
		return !sl.conn.lost.Load()
	}
	if sl.held = sl.conn.set.takeOwn(s, sl.conn); !sl.held {
		*sl = slot{}
	}
	return sl.held
}

// bringTies reads what x may ask for, or add to, from the conn of the other slot than b's.
func (s *session) bringTies(b *backendConn, x *exchange) {
	for _, sl := range s.slots() {
		if sl.conn != nil && sl.conn != b && sl.made&(x.sees|x.leaves)&^tieLast != 0 && !s.bound(sl.conn) {
			s.leaveSlot(sl)
			s.collect() // Where another session has it already.
		}
	}
}

// fill puts into sl the conn that the session has got.
func (sl *slot) fill(b *backendConn) { *sl = slot{conn: b, held: true} }

// drop closes b and forgets it.
func (s *session) drop(b *backendConn) {
	if b == nil {
		return
	}
	b.lost.Store(true)
	if b != s.locks {
		_ = b.Close()
	}
	b.Discard(len(b.Window()))
	b.Release()
	b.endRescue()
	b.set.remove(b)
	if s.last == b {
		if s.last = nil; s.after.known != allParts {
			s.after = after{known: allParts, kept: allParts}
			s.lostTies |= tieLast
		}
	}
	s.lose(b.own)
	for _, sl := range s.slots() {
		if sl.conn == b {
			*sl = slot{}
		}
	}
	if s.trx == b {
		s.trx = nil
	}
}

// bound says whether the session cannot go on elsewhere than on b.
func (s *session) bound(b *backendConn) bool {
	return s.trx == b || s.state.pins != 0 && s.pinnedOn == b || b.cursors > 0 || b.longs > 0
}

// letGo gives back the conns that the session does not need until its next command.
func (s *session) letGo() {
	for _, sl := range s.slots() {
		if sl.held && s.multiplex && !s.bound(sl.conn) {
			sl.held = false
			sl.conn.Release()
			sl.conn.set.give(sl.conn)
		}
	}
}

// yield is letGo for what waits for something else than a conn: those that it waits for may need one. What asks about the statement before keeps the conn of that.
func (s *session) yield(w *wait) {
	if w.x == nil || w.x.asks == 0 {
		s.letGo()
	}
}

// letAllGo gives back all conns for good: what was under way on them is undone first.
func (s *session) letAllGo() {
	for _, sl := range s.slots() {
		b := sl.conn
		if !sl.held {
			*sl = slot{}
			continue
		}
		if s.bound(b) && !b.lost.Load() {
			const resettable = pinTempTable | pinLockedTables | pinUserLock | pinHandler | pinTransaction | pinVariable | pinTextPrepared | pinSchemaless
			if b.cursors > 0 || s.state.pins&^resettable != 0 || b.resetState() != nil {
				b.retire = true
			}
		}
		*sl = slot{}
		b.Release()
		b.set.give(b)
	}
	s.trx, s.last, s.pinnedOn = nil, nil, nil
	s.endLog()
	s.epoch.Add(1)
}
