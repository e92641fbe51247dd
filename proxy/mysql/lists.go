package mysql

// links are the neighbours of an item in a chain, kept in the item itself.
type links[T any] struct{ prev, next *T }

func (l *links[T]) neighbours() *links[T] { return l }

// linked is an item that has links.
type linked[T any] interface {
	*T
	neighbours() *links[T]
}

// chain is a list of items that keep their own links: it allocates nothing, and an item is taken out without being looked for.
type chain[T any, P linked[T]] struct{ first, last P }

// insert puts p behind prev, or in front of all where that is nil.
func (l *chain[T, P]) insert(p, prev P) {
	next := l.first
	if prev != nil {
		next = prev.neighbours().next
		prev.neighbours().next = p
	} else {
		l.first = p
	}
	if next != nil {
		next.neighbours().prev = p
	} else {
		l.last = p
	}
	*p.neighbours() = links[T]{prev, next}
}

// cut takes p out.
func (l *chain[T, P]) cut(p P) {
	at := p.neighbours()
	if at.prev != nil {
		P(at.prev).neighbours().next = at.next
	} else {
		l.first = at.next
	}
	if at.next != nil {
		P(at.next).neighbours().prev = at.prev
	} else {
		l.last = at.prev
	}
	*at = links[T]{}
}

// waitList is a queue of waiters.
type waitList struct {
	chain[waiter, *waiter]

	of *connSet
	n  int
}

func (l *waitList) push(w *waiter) {
	l.insert(w, l.last)
	w.in.Store(l.of)
	l.n++
}

func (l *waitList) remove(w *waiter) {
	l.cut(w)
	w.in.Store(nil)
	l.n--
}

// connList is a list of idle conns.
type connList struct {
	chain[backendConn, *backendConn]
}

func (l *connList) pushFront(b *backendConn) {
	b.in = l
	l.insert(b, nil)
}

func (l *connList) pushBack(b *backendConn) {
	b.in = l
	l.insert(b, l.last)
}

func (l *connList) remove(b *backendConn) {
	b.in = nil
	l.cut(b)
}

// idleConns are idle conns of one kind.
type idleConns struct {
	plain connList // The one used last is taken first.
	left  connList // Those on which another session has left what it may ask for, the oldest first.
}

func (i *idleConns) any() bool { return i.plain.first != nil || i.left.first != nil }

// lists are all idle conns of p.
func (p *connPool) lists() [4]*connList {
	return [...]*connList{&p.chosen.plain, &p.chosen.left, &p.bare.plain, &p.bare.left}
}

// idleList is among which b is idle.
func (b *backendConn) idleList() *idleConns {
	if b.schema == "" {
		return &b.pool.bare
	}
	return &b.pool.chosen
}

// pop takes an idle conn. Those that broke meanwhile are dropped.
func (c *connSet) pop(i *idleConns) *backendConn {
	for _, l := range []*connList{&i.plain, &i.left} {
		for l.first != nil {
			b := l.first
			c.unlink(b)
			if !b.lost.Load() {
				return b
			}
			c.forgetConn(b)
		}
	}
	return nil
}

// popFor takes an idle conn that w may use. One that has no schema yet is left to those who can use no other.
func (c *connSet) popFor(w *waiter) *backendConn {
	p := c.pool(w.key)
	if !w.bare {
		if b := c.pop(&p.chosen); b != nil {
			return b
		}
	}
	return c.pop(&p.bare)
}
