package config

import (
	"strings"
)

// suggest returns the candidate that a misspelt word most likely means, or "".
func suggest(word string, candidates []string) string {
	word = plainWord(word)
	best, bestDistance := "", len(word)/3+1
	for _, candidate := range candidates {
		target := plainWord(candidate)
		if target == word || target == synonym(word) {
			return candidate
		}
		if d := distance(word, target); d < bestDistance || (d == bestDistance && best == "" && d <= 1) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// plainWord takes out what people vary without meaning anything by it: case, hyphens, underscores.
func plainWord(word string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(word))
}

// synonym is galley's word for a word that other programs use for the same thing.
func synonym(word string) string {
	switch word {
	case "bind", "bindaddress", "addr":
		return "listen"
	case "servers", "hosts", "members", "backends", "endpoints":
		return "nodes"
	case "username", "login":
		return "user"
	case "pass", "pwd":
		return "password"
	case "host", "server", "endpoint":
		return "address"
	case "warning":
		return "warn"
	case "loglevel", "verbosity":
		return "level"
	case "gracetimeout", "shutdowntimeout":
		return "grace"
	}
	return ""
}

// maxWord bounds the work on absurdly long words; no setting is that long.
const maxWord = 64

// distance is the number of insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return max(len(a), len(b))
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}

// didYouMean is a sentence, or nothing.
func didYouMean(word string, candidates []string) string {
	if s := suggest(word, candidates); s != "" {
		return "Did you mean " + s + "?"
	}
	return ""
}
