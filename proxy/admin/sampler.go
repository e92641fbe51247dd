package admin

import (
	"context"
	"sync"
	"time"
)

// sampleInterval is the resolution of the graphs and the beat of the live page.
const sampleInterval = time.Second

// board joins the source with the history of what it said. Safe for use from any goroutine.
type board struct {
	source Source

	mu      sync.Mutex
	history *history
}

func newBoard(source Source) *board {
	return &board{source: source, history: newHistory()}
}

// view is the picture of this moment, with the graphs up to the last sample.
func (b *board) view() pageView {
	s := b.source.Snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	return newPageView(s, b.history)
}

// status is what /api/status answers.
func (b *board) status() statusDoc {
	s := b.source.Snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	return newStatusDoc(s, b.history)
}

func (b *board) sample() {
	s := b.source.Snapshot()
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
