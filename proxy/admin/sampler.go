package admin

import (
	"context"
	"slices"
	"sync"
	"time"
)

// sampleInterval is the resolution of the graphs and the beat of the live page.
const sampleInterval = time.Second

// board joins the source with the history of what it said. Safe for use from any goroutine.
type board struct {
	source  Source
	buttons buttons

	mu      sync.Mutex
	history *history
}

func newBoard(source Source, b buttons) *board {
	return &board{source: source, buttons: b, history: newHistory()}
}

// snapshot asks the source, and takes the word for "nothing to say" out of nodes' reasons: a reason here is a reason.
func (b *board) snapshot() Snapshot {
	s := b.source.Snapshot()
	s.Nodes = slices.Clone(s.Nodes)
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Reason == reasonOK {
			n.Reason, n.ReasonText = "", ""
		}
	}
	return s
}

// view is the picture of this moment, with the graphs up to the last sample.
func (b *board) view() pageView {
	s := b.snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	return newPageView(s, b.history, b.buttons)
}

// status is what /api/status answers.
func (b *board) status() statusDoc {
	s := b.snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	return newStatusDoc(s, b.history)
}

func (b *board) sample() {
	s := b.snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history.add(time.Now(), s)
}

// runSampler takes a sample a second until ctx ends, and tells the live pages.
func (s *Server) runSampler(ctx context.Context) {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	s.board.sample()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.board.sample()
			if s.live.count() > 0 {
				s.publish()
			}
		}
	}
}
