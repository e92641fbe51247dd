package balancer

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// CheckerOptions say what a Checker does and how often.
type CheckerOptions struct {
	// Interval is the time from the begin of one probe to the begin of the
	// next; each is moved by up to a tenth at random, so that probes of many
	// backends, by many galleys, do not fall together.
	Interval time.Duration
	// Timeout bounds one probe through its context.
	Timeout time.Duration
	// Backoff, if set, lets the timeout of a probe that follows timeouts
	// double up to this bound, so that a hung backend is not met with one
	// broken-off connection per interval.
	Backoff time.Duration
	// MinGap is the least time between the begins of two probes, however
	// often Trigger is called.
	MinGap time.Duration
	// Rise is how many good probes in a row bring the backend up, Fall how
	// many bad ones bring it down; zero counts as one.
	Rise, Fall int
	// Probe looks at the backend once. It returns when its context ends.
	Probe func(ctx context.Context) error
	// Changed hears of each change of state, from the goroutine of Run. It
	// may be nil.
	Changed func(s State, cause error)
}

// Checker probes one backend again and again, one probe at a time, and says
// when enough probes agree that it is up or down. Run owns the loop; Trigger
// may be called from any goroutine.
type Checker struct {
	opts    CheckerOptions
	trigger chan struct{}
	state   State
	streak  int
	misses  int
}

// NewChecker checks the options; it does no I/O.
func NewChecker(opts CheckerOptions) (*Checker, error) {
	switch {
	case opts.Probe == nil:
		return nil, errors.New("checker: no probe given")
	case opts.Interval <= 0:
		return nil, errors.New("checker: the interval must be positive")
	case opts.Timeout <= 0:
		return nil, errors.New("checker: the timeout must be positive")
	}
	opts.Rise = max(opts.Rise, 1)
	opts.Fall = max(opts.Fall, 1)
	return &Checker{opts: opts, trigger: make(chan struct{}, 1)}, nil
}

// Trigger asks for a probe at once. Calls that come before it has begun are
// one; a call while a probe is in flight brings another one after it, because
// what made the caller ask may have happened after that probe looked.
func (c *Checker) Trigger() {
	select {
	case c.trigger <- struct{}{}:
	default:
	}
}

// Run probes until the context ends. The first probe begins at once.
func (c *Checker) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var began time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.trigger:
			if gap := c.opts.MinGap - time.Since(began); !began.IsZero() && gap > 0 {
				timer.Reset(gap)
				continue
			}
		case <-timer.C:
		}
		began = time.Now()
		c.once(ctx)
		timer.Reset(max(time.Until(began.Add(c.wait())), c.opts.MinGap-time.Since(began), 0))
	}
}

// once runs one probe and counts its result.
func (c *Checker) once(ctx context.Context) {
	probe, cancel := context.WithTimeout(ctx, c.timeout())
	err := c.opts.Probe(probe)
	timedOut := probe.Err() != nil
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil && timedOut {
		c.misses++
	} else {
		c.misses = 0
	}
	c.count(err)
}

// count moves the state when enough results in a row ask for it.
func (c *Checker) count(err error) {
	want, need := Up, c.opts.Rise
	if err != nil {
		want, need = Down, c.opts.Fall
	}
	if want == c.state {
		c.streak = 0
		return
	}
	c.streak++
	if c.streak < need {
		return
	}
	c.state, c.streak = want, 0
	if c.opts.Changed != nil {
		c.opts.Changed(want, err)
	}
}

// timeout is the bound of the next probe.
func (c *Checker) timeout() time.Duration {
	d := c.opts.Timeout
	for range min(c.misses, 16) {
		d = max(d, min(2*d, c.opts.Backoff))
	}
	return d
}

// wait is the time until the next probe, a tenth more or less than the
// interval.
func (c *Checker) wait() time.Duration {
	return time.Duration(float64(c.opts.Interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // jitter
}
