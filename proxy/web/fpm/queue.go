package fpm

import (
	"container/list"
	"time"
)

// waiter is a request that waits for a worker.
type waiter struct {
	site  string
	since time.Time
	again bool // it may be sent on a connection that is used again
	// got carries the worker; it is closed when the waiter is sent away.
	got  chan *worker
	line *line
	at   *list.Element
}

// line is the waiters of one site.
type line struct {
	site    string
	waiters list.List
}

// queue is the requests that wait, in order within a site and in turn between
// sites. It has no lock of its own.
type queue struct {
	lines map[string]*line
	turn  list.List // of *line, none empty
	n     int
}

func newQueue() *queue { return &queue{lines: map[string]*line{}} }

// push puts a waiter at the end of its site's line, or at the begin.
func (q *queue) push(w *waiter, first bool) {
	l := q.lines[w.site]
	if l == nil {
		l = &line{site: w.site}
		q.lines[w.site] = l
		q.turn.PushBack(l)
	}
	w.line = l
	if first {
		w.at = l.waiters.PushFront(w)
	} else {
		w.at = l.waiters.PushBack(w)
	}
	q.n++
}

// first is the waiter that pop would take; nil for none.
func (q *queue) first() *waiter {
	front := q.turn.Front()
	if front == nil {
		return nil
	}
	l, _ := front.Value.(*line)
	w, _ := l.waiters.Front().Value.(*waiter)
	return w
}

// pop takes the first waiter of the site whose turn it is.
func (q *queue) pop() *waiter {
	front := q.turn.Front()
	if front == nil {
		return nil
	}
	l, _ := front.Value.(*line)
	w, _ := l.waiters.Front().Value.(*waiter)
	q.turn.MoveToBack(front)
	q.remove(w)
	return w
}

// remove takes a waiter out and says whether it was in.
func (q *queue) remove(w *waiter) bool {
	if w.line == nil {
		return false
	}
	l := w.line
	l.waiters.Remove(w.at)
	w.line, w.at = nil, nil
	q.n--
	if l.waiters.Len() == 0 {
		delete(q.lines, l.site)
		for e := q.turn.Front(); e != nil; e = e.Next() {
			if e.Value == l {
				q.turn.Remove(e)
				break
			}
		}
	}
	return true
}

// room makes room for one of a site in a queue that is full: the newest of the
// site with the most waiters has to go, if that site has at least two more.
// It returns whom it took out, or nil where there is no room.
func (q *queue) room(site string) *waiter {
	var longest *line
	for e := q.turn.Front(); e != nil; e = e.Next() {
		if l, _ := e.Value.(*line); longest == nil || l.waiters.Len() > longest.waiters.Len() {
			longest = l
		}
	}
	own := 0
	if l := q.lines[site]; l != nil {
		own = l.waiters.Len()
	}
	if longest == nil || longest.waiters.Len() < own+2 {
		return nil
	}
	w, _ := longest.waiters.Back().Value.(*waiter)
	q.remove(w)
	return w
}
