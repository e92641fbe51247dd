package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"galley/cluster/clusterlab/wordpress"
)

// Shopper is somebody with a browser on the demo's WordPress: logged in, reading pages and sending forms, over kills of nodes and of php-fpm. Each comment that
// WordPress took must be on the page that follows, and in the end there once.
type Shopper struct {
	base, user, password string
	tally                *tally

	mu   sync.Mutex
	told map[string]bool // Comments by their text: taken, or with an answer that was lost.
	seq  int
}

// The two things that a shopper does, as clients of the tally.
const (
	shopperReads  = 0
	shopperWrites = 1
	// shopperPause lies between two pages.
	shopperPause = 150 * time.Millisecond
)

// NewShopper makes one for the WordPress at base; it does no I/O.
func NewShopper(base, user, password string) *Shopper {
	return &Shopper{base: base, user: user, password: password, tally: newTally(), told: map[string]bool{}}
}

// Run shops until ctx ends.
func (s *Shopper) Run(ctx context.Context) {
	v := wordpress.NewVisitor(s.base)
	defer v.Close()
	s.tally.begin(shopperReads, false)
	s.tally.begin(shopperWrites, true)
	loggedIn := false
	var article *wordpress.Article
	for n := 0; ctx.Err() == nil; n++ {
		// What was begun is finished: a form that is broken off says nothing.
		op, cancel := context.WithTimeout(context.WithoutCancel(ctx), opLimit)
		switch {
		case !loggedIn:
			loggedIn = s.noted(shopperReads, v.Login(op, s.user, s.password))
		case article == nil:
			a, err := v.Publish(op, "Oars for sale", "<p>Ash, twelve metres.</p>")
			if s.noted(shopperWrites, err) {
				article = a
			}
		case n%3 == 0:
			s.comment(op, v, article)
		case n%3 == 1:
			_, err := v.Get(op, "/")
			s.noted(shopperReads, err)
		default:
			_, err := v.Get(op, article.Link)
			s.noted(shopperReads, err)
		}
		cancel()
		_ = pause(ctx, shopperPause)
	}
}

func (s *Shopper) comment(ctx context.Context, v *wordpress.Visitor, a *wordpress.Article) {
	s.mu.Lock()
	s.seq++
	text := fmt.Sprintf("A pair of oars, please, number %d", s.seq)
	s.told[text] = false
	s.mu.Unlock()
	if s.noted(shopperWrites, v.Comment(ctx, a, s.user, text)) {
		s.mu.Lock()
		s.told[text] = true
		s.mu.Unlock()
	}
}

func (s *Shopper) noted(what int, err error) bool {
	if err != nil {
		s.tally.failed(what, shopKind(err))
		return false
	}
	s.tally.succeeded(what)
	return true
}

// shopKind names an error of a page for people.
func shopKind(err error) string {
	text := err.Error()
	if len(text) > 100 {
		text = text[:100] + "…"
	}
	return text
}

// All is what was noticed so far.
func (s *Shopper) All() Noticed { return s.tally.all() }

// Verify compares what the shopper was told with the comments that are there, each with how often.
func (s *Shopper) Verify(there map[string]int) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	var v Verdict
	for text, taken := range s.told {
		n := there[text]
		v.Found += n
		switch {
		case taken:
			v.Acknowledged++
		default:
			v.Unknown++
		}
		switch {
		case taken && n == 0:
			v.Wrong = append(v.Wrong, fmt.Sprintf("the comment %q was taken and is lost", text))
		case n > 1:
			v.Wrong = append(v.Wrong, fmt.Sprintf("the comment %q is there %d times", text, n))
		}
	}
	return v
}
