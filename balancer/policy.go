package balancer

import (
	"math/rand/v2"
	"slices"
)

// Pick says what a backend is being chosen for.
type Pick struct {
	// Key places the work for Hash; the other policies ignore it.
	Key uint64
	// Skip lists backends that must not be chosen, for instance because they
	// have just failed.
	Skip []*Backend
	// Panic lets what is Down be chosen too: for when everything is, and
	// trying costs nothing.
	Panic bool
}

// Fits says whether the backend may be chosen: it is available and not to be
// skipped.
func (p Pick) Fits(b *Backend) bool {
	return (b.Available() || p.Panic && b.State() == Down && b.belowLimit()) && !slices.Contains(p.Skip, b)
}

// Policy chooses one of the candidates that fit, or nil when there is none. It
// is called on the data path by many goroutines at once: it takes no lock,
// allocates nothing and keeps nothing of the slice.
type Policy func(candidates []*Backend, p Pick) *Backend

// First chooses the first candidate that fits: the order is the preference.
func First(candidates []*Backend, p Pick) *Backend {
	for _, b := range candidates {
		if p.Fits(b) {
			return b
		}
	}
	return nil
}

// LeastLoaded chooses the candidate with the least load for its weight and
// share. Those that are less than one piece of work above the least count as
// equal, and one of them is drawn at random in proportion to weight and share:
// idle backends that are equal get equal parts, and noise in what they report
// does not turn all work to one of them. Weight or share zero means never.
//
// All candidates are looked at: a cluster has few nodes, so drawing two at
// random and taking the better one would save nothing.
func LeastLoaded(candidates []*Backend, p Pick) *Backend {
	least := -1.0
	var best *Backend
	for _, b := range candidates {
		if c := b.capacity(); c > 0 && p.Fits(b) {
			if cost := b.Load() / c; least < 0 || cost < least {
				least, best = cost, b
			}
		}
	}
	if best == nil {
		return nil
	}
	chosen, sum := best, 0.0
	for _, b := range candidates {
		c := b.capacity()
		if c <= 0 || (b != best && (b.Load()-least*c >= 1 || !p.Fits(b))) {
			continue
		}
		// The chance of the last of n equal ones to replace what was chosen
		// before is its part of the sum so far: one walk, no list.
		sum += c
		if rand.Float64()*sum < c { //nolint:gosec // spreads load, guards nothing
			chosen = b
		}
	}
	return chosen
}

// TwoChoices draws two of the candidates that fit, in proportion to weight and
// share, and chooses the one with the less load for them. Several galleys that
// look at the same reports do not all turn to the same backend, as they would
// with LeastLoaded. Weight or share zero means never.
func TwoChoices(candidates []*Backend, p Pick) *Backend {
	one := draw(candidates, p, nil)
	if one == nil {
		return nil
	}
	two := draw(candidates, p, one)
	if two == nil || one.Load()*two.capacity() <= two.Load()*one.capacity() {
		return one
	}
	return two
}

// draw chooses by chance, in proportion to capacity, and not the one that was
// drawn before.
func draw(candidates []*Backend, p Pick, before *Backend) (chosen *Backend) {
	sum := 0.0
	for _, b := range candidates {
		c := b.capacity()
		if c <= 0 || b == before || !p.Fits(b) {
			continue
		}
		sum += c
		if rand.Float64()*sum < c { //nolint:gosec // spreads load, guards nothing
			chosen = b
		}
	}
	return chosen
}

// Hash chooses by Pick.Key so that the same key meets the same backend while
// that backend is available, and only the keys of a lost backend move
// (rendezvous hashing). Weight or share zero means never; otherwise they do
// not matter.
func Hash(candidates []*Backend, p Pick) *Backend {
	var best *Backend
	var top uint64
	for _, b := range candidates {
		if b.capacity() <= 0 || !p.Fits(b) {
			continue
		}
		if h := mix(b.hash ^ p.Key); best == nil || h > top {
			best, top = b, h
		}
	}
	return best
}

// Key turns a text into a key for Hash (FNV-1a, 64 bit).
func Key(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return mix(h)
}

// mix spreads each bit of x over the whole word (the finaliser of
// SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
