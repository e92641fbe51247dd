package mysql

import (
	"errors"
	"time"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// position is what is known of a node's numbers. It belongs to whoever runs the batches that wait for one.
type position struct {
	epoch     epoch
	at        gtid   // Domain and server id are the node's own.
	committed uint64 // The last write of the group that can be seen there.
	checked   time.Time
	differs   bool // It numbers in another way than the writer.
	reported  bool
}

// has says whether the node has all that point is about. Both numbers must say so: the one given out last is ahead of what can be seen, and on a busy writer the provider's number was
// seen behind it by as many writes as there were clients, so that it alone does not prove that it covers what clients were told.
func (p *position) has(point indexPoint) bool {
	return p.committed >= point.committed && p.at.seq >= point.seq
}

// fallback is why a node was waited for by wsrep_sync_wait, which asks the group, or not any longer: a closed list, the label of the metric.
type fallback byte

// The reasons.
const (
	fallbackNoFunctions fallback = iota // One of the nodes has no GTID functions.
	fallbackIsWriter                    // The node has just become the writer itself.
	fallbackNoIndex                     // The writer has committed nothing since it was started, or there is none.
	fallbackWriterLost                  // The writer did not answer.
	fallbackUnverified                  // The node has waited and does not say that it has the number.
	fallbackDiffers                     // It numbers in another way.
	fallbackTooLate                     // It did not apply in time: the writer answers.
	fallbackNodeLost                    // It did not answer: the writer does.
	fallbackReasons
)

// String gives the reason's word.
func (f fallback) String() string {
	switch f {
	case fallbackNoFunctions:
		return "no_functions"
	case fallbackIsWriter:
		return "is_writer"
	case fallbackNoIndex:
		return "no_index"
	case fallbackWriterLost:
		return "writer_lost"
	case fallbackUnverified:
		return "unverified"
	case fallbackDiffers:
		return "numbers_differ"
	case fallbackTooLate:
		return "too_late"
	case fallbackNodeLost, fallbackReasons:
	}
	return "node_lost"
}

// tooLate puts errNotApplied in the place of the server's way to say it.
func tooLate(err error) error {
	if refused, ok := errors.AsType[*wire.ServerError](err); ok && refused.Code == codeLockWaitTimeout {
		return errNotApplied
	}
	return err
}

// errUntold says that a number does not tell whether the node has what is waited for.
var errUntold = errors.New("no number tells what the node has")

// runNumbers has the node wait for numbers until nobody wants it.
func (c *connSet) runNumbers(node *cluster.Node) {
	defer c.srv.openers.Done()
	for batch := c.numbers.take(); batch != nil; batch = c.numbers.take() {
		batch.err = c.waitNumber(node, batch.more)
		c.numbered.Add(1)
		c.numbers.answered(batch)
		if p := &c.position; (batch.err == nil || errors.Is(batch.err, errNotApplied)) && !c.plain.Load() && time.Since(p.checked) > checkEvery {
			_ = c.check(node)
		}
	}
}

// waitNumber waits until the node has all writes that were acknowledged before now. Its error is errUntold where numbers do not tell.
func (c *connSet) waitNumber(node *cluster.Node, fresh bool) error {
	why, err := c.tryNumber(node, c.srv.causal.need(node.Backend), fresh)
	if err == nil {
		return nil
	}
	c.fallbacks[why].Add(1)
	if why == fallbackTooLate || why == fallbackNodeLost {
		return err
	}
	return errUntold
}

func (c *connSet) tryNumber(node *cluster.Node, need uint64, fresh bool) (fallback, error) {
	if c.plain.Load() {
		return fallbackNoFunctions, errNoFunctions
	}
	if w := c.srv.cluster.View().WriterNode(); w != nil && w.Backend == node.Backend {
		return fallbackIsWriter, errNoIndex // Nobody else knows what it lacks.
	}
	p := &c.position
	if e := epochOf(c.srv.cluster.View()); p.epoch != e {
		*p = position{epoch: e, reported: p.reported}
		if err := c.check(node); err != nil {
			return c.reason(err), err
		}
	}
	if p.differs {
		return fallbackDiffers, errUnverified
	}
	point, err := c.srv.index.point(c.srv.life, need, fresh, false)
	if err != nil {
		return indexReason(err), err
	}
	if point.epoch != p.epoch {
		return fallbackUnverified, errUnverified // Views are changing.
	}
	if !p.has(point) {
		if err := c.reach(node, point); err != nil {
			return c.reason(err), err
		}
	}
	raise(&c.applied, point.upTo)
	return 0, nil
}

// reason says why the node itself did not tell.
func (c *connSet) reason(err error) fallback {
	switch {
	case errors.Is(err, errNoFunctions):
		c.plain.Store(true)
		return fallbackNoFunctions
	case errors.Is(err, errUnverified):
		return fallbackUnverified
	case errors.Is(err, errNotApplied):
		return fallbackTooLate
	}
	return fallbackNodeLost
}

// indexReason says why the writer did not tell.
func indexReason(err error) fallback {
	switch {
	case errors.Is(err, errNoFunctions):
		return fallbackNoFunctions
	case errors.Is(err, errNoIndex):
		return fallbackNoIndex
	}
	return fallbackWriterLost
}

const (
	// reachTries bounds the looks at a write that should be there: between the end of the server's wait and its being seen there is nothing but the commit itself.
	reachTries = 12
	// reachPause is the pause after the first look; each is longer by half.
	reachPause = 50 * time.Microsecond
)

// reach waits until the node says that what point is about can be seen there.
func (c *connSet) reach(node *cluster.Node, point indexPoint) error {
	p := &c.position
	pause := reachPause
	for range reachTries {
		var g gtid
		var committed uint64
		err := c.numbering.on(c.srv, node, always, func(b *backendConn) (err error) {
			g, committed, err = b.standing(waitForQuery(gtid{p.at.domain, p.at.server, point.seq}, c.srv.config().CausalWait))
			return err
		})
		if err != nil {
			return tooLate(err)
		}
		p.at, p.committed = g, committed // Also where domain or server id are others than was thought, so that it was not waited for.
		if p.has(point) {
			return nil
		}
		if !c.srv.pauseFor(pause) {
			return errUnverified
		}
		pause += pause / 2
	}
	return errUnverified
}

// pauseFor waits a little; it is false where the server ends.
func (s *Server) pauseFor(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.life.Done():
		return false
	}
}

// checkEvery is how often it is looked at whether a node numbers as the writer does.
const checkEvery = 2 * time.Second

const (
	// checkTries is how often in a row the numbers must be seen to differ.
	checkTries = 4
	// checkLooks bounds the looks for one of them.
	checkLooks = 4
	checkPause = 2 * time.Millisecond
)

// check learns the node's domain and server id, and whether it numbers as the writer does. Its error is the node's own.
func (c *connSet) check(node *cluster.Node) error {
	p := &c.position
	p.checked = time.Now()
	for range checkTries {
		differs, err := c.numbersDiffer(node)
		if err != nil {
			return err
		}
		if p.differs = differs; !differs {
			return nil
		}
	}
	if !p.reported {
		p.reported = true
		c.srv.log.Warn("a node numbers the cluster's writes in another way than the writer: it is waited for by wsrep_sync_wait", "node", node.Addr)
	}
	return nil
}

// numbersDiffer looks at the writer's numbering, and then at the node's until that has come as far, best while no write comes in between.
func (c *connSet) numbersDiffer(node *cluster.Node) (bool, error) {
	p := &c.position
	point, indexErr := c.srv.index.point(c.srv.life, 0, true, true)
	for range checkLooks {
		var own numbering
		var g gtid
		if err := c.numbering.on(c.srv, node, always, func(b *backendConn) (err error) {
			own, g, err = b.numbering()
			return err
		}); err != nil {
			return false, err
		}
		p.at, p.committed = g, own.committed
		switch {
		case indexErr != nil || point.epoch != p.epoch:
			return false, nil // Without a number of the writer's nothing is taken for applied.
		case ahead(point.how, own), tooLow(point.how, own):
			return true, nil
		case own.tight() && own.committed >= point.how.committed || !c.srv.pauseFor(checkPause):
			return false, nil
		}
	}
	return false, nil
}
