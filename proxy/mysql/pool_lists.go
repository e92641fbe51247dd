package mysql

// waitList is a queue of waiters.
type waitList struct {
	of          *connSet
	first, last *waiter
	n           int
}

func (l *waitList) push(w *waiter) {
	w.prev, w.next = l.last, nil
	w.in.Store(l.of)
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
	l.n++
}

func (l *waitList) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next = nil, nil
	w.in.Store(nil)
	l.n--
}

// connList is a list of idle conns.
type connList struct{ first, last *backendConn }

func (l *connList) pushFront(b *backendConn) {
	b.in, b.prev, b.next = l, nil, l.first
	if l.first != nil {
		l.first.prev = b
	} else {
		l.last = b
	}
	l.first = b
}

func (l *connList) pushBack(b *backendConn) {
	b.in, b.prev, b.next = l, l.last, nil
	if l.last != nil {
		l.last.next = b
	} else {
		l.first = b
	}
	l.last = b
}

func (l *connList) remove(b *backendConn) {
	if b.prev != nil {
		b.prev.next = b.next
	} else {
		l.first = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	} else {
		l.last = b.prev
	}
	b.in, b.prev, b.next = nil, nil, nil
}
