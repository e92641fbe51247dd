package admin

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Wrong tokens: a handful at once, then one every few seconds. At this pace a 16-byte token is not found by guessing,
// and a person who mistypes does not notice.
const (
	guessBurst  = 8
	guessRefill = 3 * time.Second
	maxGuessers = 1024
)

// guesses limits wrong tokens per address. Safe for use from any goroutine.
type guesses struct {
	mu     sync.Mutex
	wrong  map[netip.Addr]guesser
	others guesser // shared by all addresses when the table is full
}

type guesser struct {
	used float64 // wrong guesses not yet forgiven at the time at
	at   time.Time
}

func newGuesses() *guesses { return &guesses{wrong: make(map[netip.Addr]guesser)} }

func (g guesser) now(t time.Time) float64 {
	return max(0, g.used-t.Sub(g.at).Seconds()/guessRefill.Seconds())
}

// mayGuess tells whether this address has a guess left.
func (g *guesses) mayGuess(remote string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	who, known := g.wrong[guessKey(remote)]
	if !known && len(g.wrong) >= maxGuessers {
		who = g.others
	}
	return who.now(time.Now()) <= guessBurst-1
}

// wrongGuess counts one.
func (g *guesses) wrongGuess(remote string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := time.Now(), guessKey(remote)
	who, known := g.wrong[key]
	if !known && len(g.wrong) >= maxGuessers {
		g.forget(now)
		if len(g.wrong) >= maxGuessers {
			g.others = guesser{used: g.others.now(now) + 1, at: now}
			return
		}
	}
	g.wrong[key] = guesser{used: who.now(now) + 1, at: now}
}

func (g *guesses) forget(now time.Time) {
	for key, who := range g.wrong {
		if who.now(now) == 0 {
			delete(g.wrong, key)
		}
	}
}

// guessKey is the address without port; for IPv6 the /64, of which one machine has them all.
func guessKey(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	ip = ip.Unmap()
	if ip.Is6() {
		if net64, err := ip.Prefix(64); err == nil {
			return net64.Addr()
		}
	}
	return ip
}
