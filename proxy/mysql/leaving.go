package mysql

import "time"

// A node that leaves refuses statements before it ends. A transaction of which it has refused one is run again on the next writer, but its conn is not closed before that: what it has locked
// would be somebody else's there, who may still be answered with rows as they were before it. On the new writer, where both are run again and the first one is not undone, these rows are others,
// and the client would be told of a deadlock. The node itself ends all of them at once.

// leavingAtMost is how long another writer is waited for with the locks held: a node that stays would have them wait for each other.
const leavingAtMost = 2 * time.Second

// keepLocks has the conn stay open that the session is about to drop.
func (s *session) keepLocks(b *backendConn) { s.locks = b }

// letLocksGo closes it.
func (s *session) letLocksGo() {
	if b := s.locks; b != nil {
		s.locks = nil
		_ = b.Close()
	}
}

// awaitAnother waits until the node where the session has left its locks is not the writer any more.
func (s *session) awaitAnother(w *wait) {
	for until := time.Now().Add(leavingAtMost); s.locks != nil; {
		node := s.srv.cluster.View().WriterNode()
		if node == nil || node.Backend != s.locks.node.Backend {
			return
		}
		if time.Now().After(until) || !s.pause(w) {
			s.letLocksGo()
		}
	}
}

// comesBackTo says that the session goes on on b: where that is the same node after all, nothing may be locked against it.
func (s *session) comesBackTo(b *backendConn) {
	if s.locks != nil && s.locks.node.Backend == b.node.Backend {
		s.letLocksGo()
	}
}
