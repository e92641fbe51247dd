package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// loginLife is how long a browser stays signed in; maxLogins bounds how many are.
const (
	loginLife = 12 * time.Hour
	maxLogins = 64
)

// logins remembers who signed in with the form. A cookie carries a random word, never the token; here only the word's
// hash is kept. Safe for use from any goroutine.
type logins struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time
}

func newLogins() *logins { return &logins{until: make(map[[sha256.Size]byte]time.Time)} }

// open returns the word for a new cookie. When too many are signed in, the one that would end first goes.
func (l *logins) open() string {
	word := rand.Text()
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.until) >= maxLogins {
		first, end := [sha256.Size]byte{}, time.Time{}
		for key, until := range l.until {
			if end.IsZero() || until.Before(end) {
				first, end = key, until
			}
		}
		delete(l.until, first)
	}
	l.until[sha256.Sum256([]byte(word))] = now.Add(loginLife)
	return word
}

func (l *logins) valid(word string) bool {
	key := sha256.Sum256([]byte(word))
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[key]
	if ok && !time.Now().Before(until) {
		delete(l.until, key)
		return false
	}
	return ok
}

func (l *logins) close(word string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.until, sha256.Sum256([]byte(word)))
}
