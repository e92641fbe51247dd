package main

import (
	"slices"

	"galley/proxy/admin"
	"galley/proxy/mysql"
)

// carePart is what was waited for and run again for clients.
func (g *galley) carePart() admin.Care {
	again := g.mysql.Again()
	c := admin.Care{Retries: again.Retries, DeadlockRetries: again.DeadlockRetries, Replays: wordCounts(again.Replays), Refused: wordCounts(again.Refused)}
	view := g.monitor.View()
	for i := range view.Nodes {
		stats := g.mysql.NodeStats(&view.Nodes[i])
		c.Waits += stats.ApplyWaits
		c.Waited += stats.ApplyWaited
		c.GivenUp += stats.ApplyGivenUp
		c.ByNumber += stats.ApplyByNumber
		for _, f := range stats.Fallbacks {
			c.Fallbacks = addCount(c.Fallbacks, f.Reason, f.N)
		}
	}
	return c
}

func wordCounts(of []mysql.WordCount) (out []admin.WordCount) {
	for _, w := range of {
		out = append(out, admin.WordCount{Word: w.Word, Count: w.N})
	}
	return out
}

// addCount adds what one node has counted.
func addCount(all []admin.WordCount, word string, n uint64) []admin.WordCount {
	if i := slices.IndexFunc(all, func(w admin.WordCount) bool { return w.Word == word }); i >= 0 {
		all[i].Count += n
		return all
	}
	if n == 0 {
		return all
	}
	return append(all, admin.WordCount{Word: word, Count: n})
}
