package mysql

// WordCount is how often something has happened, by a word of a closed list.
type WordCount struct {
	Word string
	N    uint64
}

// Again is what was run again so far, and how that has ended.
type Again struct {
	Retries         uint64      // Commands run again on another node.
	DeadlockRetries uint64      // Autocommit statements run again because they were rolled back in favour of others.
	Replays         []WordCount // Transactions run again, by result.
	Refused         []WordCount // Transactions that were lost and not run again, by reason; those that have happened.
}

// Again tells of what was run again.
func (s *Server) Again() Again {
	m := &s.metrics
	a := Again{Retries: m.retries.Load(), DeadlockRetries: m.conflicts.Load()}
	for r := range replayResults {
		a.Replays = append(a.Replays, WordCount{r.String(), m.replays[r].Load()})
	}
	for r := hinderedNot + 1; r < hindrances; r++ {
		if n := m.refused[r].Load(); n > 0 {
			a.Refused = append(a.Refused, WordCount{r.String(), n})
		}
	}
	return a
}
