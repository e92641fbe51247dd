package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxLive bounds the live pages; more poll.
	maxLive = 64
	// liveBacklog is how many events a page may lag behind before it is dropped; it comes back by itself.
	liveBacklog = 4
	// liveWrite is how long one event may take to be written.
	liveWrite = 5 * time.Second
)

// live hands each event to every listening page and never waits for one. Safe for use from any goroutine.
type live struct {
	mu     sync.Mutex
	pages  map[chan []byte]struct{}
	sent   map[string]string // the sections as last published
	closed bool
}

func newLive() *live { return &live{pages: make(map[chan []byte]struct{})} }

func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pages)
}

// join adds a page; not ok when there are too many or the server ends. The channel is closed when the page is dropped.
func (l *live) join() (chan []byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.pages) >= maxLive {
		return nil, false
	}
	l.sent = nil // the next event has everything: what the new page shows first is of no published moment
	page := make(chan []byte, liveBacklog)
	l.pages[page] = struct{}{}
	return page, true
}

func (l *live) leave(page chan []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(page)
}

func (l *live) drop(page chan []byte) {
	if _, ok := l.pages[page]; ok {
		delete(l.pages, page)
		close(page)
	}
}

// publish sends what changed since the last time, or everything if a page has joined since.
func (l *live) publish(sections map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := make(map[string]string, len(sections))
	for name, html := range sections {
		if before, ok := l.sent[name]; !ok || before != html {
			changed[name] = html
		}
	}
	event, err := sectionsEvent(changed)
	if err != nil {
		return err
	}
	l.sent = sections
	for page := range l.pages {
		select {
		case page <- event:
		default:
			l.drop(page)
		}
	}
	return nil
}

// close drops all pages and takes no more.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for page := range l.pages {
		l.drop(page)
	}
}

// sectionsEvent writes one server-sent event (HTML standard, section 9.2). JSON has no line ends in it.
func sectionsEvent(sections map[string]string) ([]byte, error) {
	data, err := json.Marshal(sections)
	if err != nil {
		return nil, fmt.Errorf("encoding the sections: %w", err)
	}
	return fmt.Appendf(nil, "event: sections\ndata: %s\n\n", data), nil
}

// publish renders the page once for all who listen.
func (s *Server) publish() {
	sections, err := s.pages.renderSections(s.board.view())
	if err == nil {
		err = s.live.publish(sections)
	}
	if err != nil {
		s.log.Error("the live page cannot be rendered", "error", err)
	}
}

// serveEvents streams to one page until it goes, lags or the server ends.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	page, ok := s.live.join()
	if !ok {
		w.Header().Set("Retry-After", "15")
		refuse(w, r, http.StatusServiceUnavailable, "too many live pages: poll /sections")
		return
	}
	defer s.live.leave(page)
	sections, err := s.pages.renderSections(s.board.view())
	if err != nil {
		s.log.Error("the live page cannot be rendered", "error", err)
		refuse(w, r, http.StatusInternalServerError, "the page cannot be rendered; the log says why")
		return
	}
	first, err := sectionsEvent(sections)
	if err != nil {
		s.log.Error("the live page cannot be encoded", "error", err)
		refuse(w, r, http.StatusInternalServerError, "the page cannot be encoded; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	event := append([]byte("retry: 2000\n"), first...)
	for {
		_ = control.SetWriteDeadline(time.Now().Add(liveWrite))
		if _, err := w.Write(event); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case event, ok = <-page:
			if !ok {
				return
			}
		}
	}
}
