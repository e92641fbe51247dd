package cluster

import (
	"context"
	"errors"
	"time"

	"galley/cluster/lease"
)

// Run keeps the lease until the context ends, and gives it back then.
func (l *Lease) Run(ctx context.Context) error {
	defer l.unlink()
	if l.opts.Mode == LeaseOff {
		<-ctx.Done()
		return ctx.Err()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := l.monitor.Changed()
		view := l.monitor.View()
		wait, err := l.turn(ctx, view)
		if ctx.Err() != nil {
			l.bye(context.WithoutCancel(ctx))
			return ctx.Err()
		}
		if err != nil {
			wait = leaseRetry
		}
		l.tell(view, err)
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		case <-l.kick:
		}
	}
}

// bye takes this galley's row away, so that nobody waits for it.
func (l *Lease) bye(ctx context.Context) {
	if l.phase != leaseKept || l.link == nil {
		return
	}
	l.rules.Stop()
	l.publish(nil)
	ctx, cancel := context.WithTimeout(ctx, leaseBye)
	defer cancel()
	_ = l.store.leave(ctx, l.self) // It is silent soon, if this does not work.
}

// turn does one thing, and says how long there is nothing else to do.
func (l *Lease) turn(ctx context.Context, view *View) (time.Duration, error) {
	n := l.desk(view)
	if n == nil || view.WriterReason == Starting {
		l.publish(view)
		return l.opts.Term, nil
	}
	l.sit(n)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := l.watch(ctx, cancel, n.Addr)
	defer stop()
	if l.phase != leaseKept {
		return l.found(ctx, view)
	}
	l.showDrains(view)
	if err := l.carryOut(ctx, view); err != nil {
		return 0, err
	}
	wish := l.wish(view)
	step := l.rules.Next(l.now(), wish)
	l.publish(view)
	if step.Do == lease.Wait {
		l.tidy(ctx)
		wait := step.At - l.now()
		if quiet := l.still - l.now(); quiet > 0 {
			wait = min(wait, quiet)
		}
		return max(wait, time.Millisecond), nil
	}
	err := l.do(ctx, view, step, wish)
	l.publish(view)
	return 0, err
}

// found finds out whether there is a lease, and makes one if it may.
func (l *Lease) found(ctx context.Context, view *View) (time.Duration, error) {
	sight, drained, err := l.store.look(ctx)
	if noTables(err) {
		if made := l.store.create(ctx); made == nil {
			sight, drained, err = l.store.look(ctx)
		} else if err = made; noTables(made) {
			return l.without(ctx, view, made)
		}
	}
	if err != nil {
		return 0, err
	}
	if len(l.shared.Drained()) > 0 {
		if drained, err = l.shareLocal(ctx, view); err != nil {
			return 0, err
		}
	}
	l.phase = leaseKept
	l.rules.Saw(l.now(), sight)
	l.drained = drained
	l.mu.Lock()
	l.state.Missing = nil
	l.mu.Unlock()
	l.publish(view)
	return 0, nil
}

// without goes on without a lease, for now.
func (l *Lease) without(ctx context.Context, view *View, missing error) (time.Duration, error) {
	g, err := l.store.grantFor(ctx, l.opts.Schema, missing)
	if err != nil {
		return 0, err
	}
	l.phase = leaseMissing
	l.mu.Lock()
	l.state.Missing = g
	l.mu.Unlock()
	l.publish(view)
	return leaseAgain, nil
}

// wish says what this galley sees and wants.
func (l *Lease) wish(view *View) lease.Wish {
	var w lease.Wish
	for _, grade := range []Grade{Usable, LastResort} {
		for i := range view.Nodes {
			if n := &view.Nodes[i]; n.WriteGrade == grade && n.ID != "" {
				w.Sees = append(w.Sees, n.ID)
			}
		}
		if len(w.Sees) > 0 {
			break
		}
	}
	row := l.rules.Row()
	w.Quiet = true
	if i := view.byID(row.Writer); i >= 0 {
		n := &view.Nodes[i]
		alive := n.WriteGrade != Never || n.Reason == Draining
		w.Quiet = !alive && n.Evicted || l.opts.Quiet(n, row.Soft)
		w.Soft = alive
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.order; o != nil {
		w.Switch, w.Abort, w.Force = o.target, o.abort, o.force
		if o.abort {
			w.Switch = ""
		}
	} else if row.Soft && row.Holder == l.self && l.now() > l.rules.Entered()+min(l.opts.Term, leaveLimit) {
		w.Force = true // Nobody has asked for it: the writer is a last resort.
	}
	return w
}

// do takes one step.
func (l *Lease) do(ctx context.Context, view *View, step lease.Step, wish lease.Wish) error {
	sent := l.now()
	var err error
	switch step.Do {
	case lease.Wait:
		return nil
	case lease.Read:
		return l.look(ctx, view)
	case lease.Join:
		err = l.store.join(ctx, &lease.Peer{ID: l.self, Epoch: step.Epoch, Term: l.opts.Term, Sees: wish.Sees}, l.name)
		l.rules.Stale()
		l.joined, l.still = l.now(), 0
	case lease.Confirm:
		l.waiting.Store(true)
		err = l.store.beat(ctx, l.self, step, wish.Sees)
		l.waiting.Store(false)
		if err == nil {
			l.rules.Confirmed(sent, step.Epoch, wish.Sees)
			return l.look(ctx, view) // For peers and drains.
		}
	case lease.Ack:
		l.rules.Stop()
		l.publish(view)
		if err = l.store.beat(ctx, l.self, step, wish.Sees); err == nil {
			l.rules.Confirmed(sent, step.Epoch, wish.Sees)
			l.rules.Stale()
		}
	case lease.Begin, lease.End, lease.Undo:
		row := step.After(l.rules.Row(), l.self)
		err = l.store.change(ctx, step, row, address(view, row.Writer))
		l.rules.Stale()
	}
	if lostRace(err) {
		l.rules.Stale()
		return nil
	}
	if noTables(err) {
		l.gone()
	}
	return err
}

// look reads the rows.
func (l *Lease) look(ctx context.Context, view *View) error {
	asked := l.now()
	sight, drained, err := l.store.look(ctx)
	if err != nil {
		if noTables(err) {
			l.gone()
		}
		return err
	}
	l.rules.Saw(l.now(), sight)
	l.looked = asked
	if l.joined != 0 && l.rules.Live(asked) > 0 {
		_, still := news(l.rules.Longest(asked))
		l.still = l.joined + still
	}
	l.joined = 0
	l.drained = drained
	l.showDrains(view)
	return nil
}

// gone is called when the tables, or the right to them, have been taken away.
// A galley that is alone begins anew; one that has peers holds its writes, as
// they may go on with what they have.
func (l *Lease) gone() {
	if l.rules.Live(l.now()) == 0 && l.now() >= l.rules.Until() {
		l.phase = leaseUnknown
		l.rules = lease.State{Self: l.self, Times: l.rules.Times}
	}
}

// tidy deletes rows of galleys that are gone for good.
func (l *Lease) tidy(ctx context.Context) {
	if time.Since(l.tidied) < leaseForget {
		return
	}
	l.tidied = time.Now()
	_ = l.store.leave(ctx, l.rules.Gone(l.now(), leaseForget)...) // Others may; there is time.
}

// address is how galley dials a node, for people who read the row.
func address(view *View, id string) string {
	if i := view.byID(id); i >= 0 {
		return view.Nodes[i].Addr
	}
	return ""
}

// desk gives the node to ask: the writer, if it can be asked, else one that
// could be the writer.
func (l *Lease) desk(view *View) *Node {
	if i := view.byID(l.rules.Row().Writer); i >= 0 && view.Nodes[i].usable() {
		return &view.Nodes[i]
	}
	var best *Node
	for i := range view.Nodes {
		n := &view.Nodes[i]
		if n.WriteGrade == Never {
			continue
		}
		if best == nil || n.WriteGrade > best.WriteGrade || n.WriteGrade == best.WriteGrade && n.Addr == l.at && best.Addr != l.at {
			best = n
		}
	}
	return best
}

// sit makes the link to a node, if it is not there yet.
func (l *Lease) sit(n *Node) {
	l.monitor.mu.Lock()
	s := l.monitor.settings
	l.monitor.mu.Unlock()
	login := credentials{s.User, s.Password}
	if l.link != nil && l.at == n.Addr && l.login == login {
		return
	}
	l.unlink()
	l.link = newLink(linkOptions{
		addr: n.Addr, credentials: login, dialTimeout: s.ProbeTimeout, dial: l.monitor.dial, tls: l.monitor.tls,
		// The row of this galley is nobody else's but for a moment.
		set: map[string]string{"autocommit": "1", "innodb_lock_wait_timeout": "3"},
	})
	l.store.db, l.at, l.login = l.link.db, n.Addr, login
}

// unlink closes the link.
func (l *Lease) unlink() {
	if l.link != nil {
		l.link.close()
		l.link = nil
	}
}

// watch ends a step whose node cannot be used any more: what is stalled in
// flight on a node that is well is waited for.
func (l *Lease) watch(ctx context.Context, cancel context.CancelFunc, addr string) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			changed := l.monitor.Changed()
			if n := l.monitor.View().at(addr); n == nil || !n.usable() {
				cancel()
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// publish brings what may be sent into effect, and answers an operator.
func (l *Lease) publish(view *View) {
	g := &leaseGrant{off: l.phase == leaseMissing && l.opts.Mode == LeaseAuto}
	row, now := l.rules.Row(), l.now()
	if l.phase == leaseKept {
		g.writer, g.moving, g.permit = row.Writer, row.Moving(), l.rules.Permit(now)
		g.until = l.origin.Add(l.rules.Until())
		if row.Moving() && !row.Soft {
			l.hard = row.Epoch
		}
		g.cut = row.Epoch-l.hard <= 1
		if now < l.still {
			g.permit = lease.Nothing // The others do not know of this one yet, and would read what they have.
		}
		if old, _ := news(l.opts.Term); l.rules.Live(now) == 0 && l.looked != 0 {
			g.alone = l.looked + old
		}
	}
	was := l.grant.Swap(g)
	l.mu.Lock()
	s := &l.state
	s.Kept, s.Epoch, s.Until, s.Peers = l.phase == leaseKept, row.Epoch, g.until, l.rules.Live(now)
	s.Holder, s.Own = row.Holder, row.Holder == l.self
	if view != nil {
		s.Writer, s.Target = address(view, row.Writer), address(view, row.Target)
	}
	if o := l.order; o != nil && l.phase == leaseKept {
		l.answer(o, row)
	}
	l.mu.Unlock()
	at := time.Now()
	if was.off != g.off || was.writer != g.writer || was.permit != g.permit || was.moving != g.moving || at.Before(was.until) != at.Before(g.until) {
		l.monitor.notify()
	}
}

// answer ends an operator's order that is carried out or taken back; l.mu is
// held.
func (l *Lease) answer(o *switchOrder, row lease.Row) {
	switch {
	case !row.Moving() && row.Writer == o.target && l.rules.Permit(l.now()) == lease.All:
		o.done <- nil
	case o.abort && !row.Moving():
		o.done <- errAborted
	default:
		return
	}
	l.order = nil
}

// tell logs what is new, once, and keeps the error for the page.
func (l *Lease) tell(view *View, err error) {
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	l.mu.Lock()
	l.state.Err = err
	s := l.state
	l.mu.Unlock()
	row := l.rules.Row()
	text := "unknown"
	switch {
	case err != nil:
		text = err.Error()
	case s.Missing != nil && !s.Kept:
		text = "missing"
	case s.Kept && row.Moving():
		text = "moving " + row.Writer + " " + row.Target
	case s.Kept:
		text = "kept " + row.Writer
	}
	if text == l.reported || text == "unknown" {
		return
	}
	l.reported = text
	switch {
	case err != nil:
		l.log.Warn("the lease of the writer cannot be confirmed", "node", l.at, "error", err)
	case s.Missing != nil && !s.Kept:
		l.log.Warn("the monitor user may not keep a lease of the writer: only one galley may be in front of this cluster", "run", s.Missing.Statements())
	case row.Moving():
		l.log.Info("the writer moves", "epoch", row.Epoch, "from", address(view, row.Writer), "to", address(view, row.Target), "own", row.Holder == l.self, "soft", row.Soft)
	default:
		l.log.Info("the lease of the writer is kept", "epoch", row.Epoch, "writer", address(view, row.Writer), "galleys", s.Peers+1)
	}
}
