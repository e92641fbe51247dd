package mysql

import (
	"context"
	"errors"
	"sync/atomic"

	"galley/balancer"
	"galley/cluster"
)

// readIndex asks the writer up to which number it has committed. One answer serves all who ask meanwhile: those who come while a question is under way wait together for the next.
// An answer to a question that began when the number of acknowledged writes was n covers all n of them, on whatever node they were made, for the writer is known to have those of
// others. It serves everybody who needs no more than n. Safe for use by many goroutines.
type readIndex struct {
	srv   *Server
	queue waitQueue
	known atomic.Pointer[indexPoint] // The newest answer.

	asked  atomic.Uint64 // Questions.
	served atomic.Uint64 // Waits that got their number from them.
	failed atomic.Uint64
}

// indexPoint is one answer: a node where the group's write committed can be seen has all writes up to the number upTo.
type indexPoint struct {
	epoch     epoch
	upTo      uint64
	committed uint64
	seq       uint64    // What a node waits for before it is asked: no less than the number of that write.
	how       numbering // Where it was asked for.
}

// point gives an answer that covers all writes up to the number need. fresh wants one to a question that begins now; how, the writer's numbering besides.
func (r *readIndex) point(ctx context.Context, need uint64, fresh, how bool) (indexPoint, error) {
	for {
		if p := r.known.Load(); !fresh && !how && p != nil && p.upTo >= need && p.epoch == epochOf(r.srv.cluster.View()) {
			r.served.Add(1)
			return *p, nil
		}
		batch, first := r.queue.join(how)
		if first {
			r.serve(r.queue.take()) // It is this batch.
			if next := r.queue.take(); next != nil {
				r.srv.openers.Add(1)
				go r.run(next)
			}
		}
		select {
		case <-batch.done:
		case <-ctx.Done():
			return indexPoint{}, context.Cause(ctx)
		}
		if batch.err != nil {
			return indexPoint{}, batch.err
		}
		if batch.point.upTo >= need {
			r.served.Add(1)
			return batch.point, nil
		}
	}
}

// run asks until nobody waits.
func (r *readIndex) run(batch *waitBatch) {
	defer r.srv.openers.Done()
	for ; batch != nil; batch = r.queue.take() {
		r.serve(batch)
	}
}

func (r *readIndex) serve(batch *waitBatch) {
	if batch.point, batch.err = r.ask(batch.more); batch.err != nil {
		r.failed.Add(1)
	} else {
		r.known.Store(&batch.point)
	}
	r.queue.answered(batch)
}

// ask asks the writer, or another where that is replaced meanwhile.
func (r *readIndex) ask(how bool) (p indexPoint, err error) {
	for {
		view := r.srv.cluster.View()
		w := view.WriterNode()
		if w == nil {
			return p, errNoIndex
		}
		if p, err = r.askWriter(epochOf(view), w, how); err == nil {
			return p, nil
		}
		if next := r.srv.cluster.View().WriterNode(); next == nil || next.Backend == w.Backend || r.srv.life.Err() != nil {
			return p, err
		}
	}
}

func (r *readIndex) askWriter(e epoch, w *cluster.Node, how bool) (indexPoint, error) {
	upTo, need := r.srv.causal.covers(w.Backend)
	p := indexPoint{epoch: e, upTo: upTo}
	set := r.srv.conns.of(w)
	usable := r.writes(w.Backend)
	if set.applied.Load() < need || r.srv.peers() && !r.srv.leads(set) { // It has just become the writer; other galleys may have acknowledged more than this one knows.
		if err := set.await(r.srv.life, w, waitFor{what: awaitGroup, usable: usable}); err != nil {
			return p, err
		}
	}
	if set.plain.Load() {
		return p, errNoFunctions
	}
	r.asked.Add(1)
	var g gtid
	err := set.indexing.on(r.srv, w, usable, func(b *backendConn) (err error) {
		if how {
			p.how, g, err = b.numbering()
			p.committed = p.how.committed
		} else {
			g, p.committed, err = b.standing(lastSeenQuery)
		}
		return err
	})
	switch {
	case errors.Is(err, errNoFunctions):
		set.plain.Store(true)
		return p, err
	case err != nil:
		return p, err
	case g.seq == 0:
		return p, errNoIndex // Nothing was committed since it was started: what it has it tells by no number.
	}
	p.seq = g.seq
	return p, nil
}

// writes says whether node is the writer still.
func (r *readIndex) writes(node *balancer.Backend) func() bool {
	return func() bool {
		w := r.srv.cluster.View().WriterNode()
		return w != nil && w.Backend == node && r.srv.life.Err() == nil
	}
}

// follow takes note of another view: a node that writes no more is asked no more, and what was known of another cluster is forgotten.
func (s *Server) follow(before, now epoch) {
	if now.restarted(before) {
		s.causal.forget()
		s.index.known.Store(nil)
		s.log.Warn("the cluster has been started anew: no node is taken to have any write until it says so", "uuid", now.uuid, "was", before.uuid)
	}
	if now.writer == before.writer {
		return
	}
	for _, set := range s.conns.all() {
		if set.node != now.writer {
			set.indexing.cut()
		}
	}
}
