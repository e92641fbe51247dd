package admin

import "fmt"

// trafficView is one tile: a title, the figures of this moment, and their graph.
type trafficView struct {
	ID, Title string
	Figures   []figure
	Chart     chart
}

type figure struct {
	Class, Name, Value string
}

func trafficViews(s Snapshot, h *history) []trafficView {
	reads, writes, active, sessions := h.reads.series(), h.writes.series(), h.active.series(), h.sessions.series()
	p50, p99, waiting, errs := h.p50.series(), h.p99.series(), h.waiting.series(), h.errors.series()
	return []trafficView{
		{
			ID: "queries", Title: "Queries a second",
			Figures: []figure{
				{"main", "all", count(h.queries.last())},
				{"reads", "reads", count(h.reads.last())},
				{"writes", "writes", count(h.writes.last())},
			},
			Chart: newChart(plot{
				label:  fmt.Sprintf("Queries a second over five minutes: highest %s reads, %s writes", count(maxOf(reads)), count(maxOf(writes))),
				format: count, least: 10,
				lines: []plotLine{{"reads", reads, true}, {"writes", writes, false}},
			}),
		},
		{
			ID: "latency", Title: "Latency",
			Figures: []figure{{"p99", "p99", seconds(h.p99.last())}, {"p50", "p50", seconds(h.p50.last())}},
			Chart: newChart(plot{
				label:  fmt.Sprintf("Latency over five minutes: highest p99 %s, highest p50 %s", seconds(maxOf(p99)), seconds(maxOf(p50))),
				format: seconds, least: 1e-3,
				lines: []plotLine{{"p99", p99, true}, {"p50", p50, false}},
			}),
		},
		{
			ID: "sessions", Title: "Sessions",
			Figures: []figure{
				{"open", "open", count(float64(s.MySQL.Sessions))},
				{"active", "active", count(float64(s.MySQL.ActiveSessions))},
				{"limit", "at most", count(float64(s.MySQL.MaxSessions))},
			},
			Chart: newChart(plot{
				label:  fmt.Sprintf("Sessions over five minutes: highest %s open, %s active", count(maxOf(sessions)), count(maxOf(active))),
				format: count, least: 10,
				lines: []plotLine{{"open", sessions, true}, {"active", active, false}},
			}),
		},
		{
			ID: "trouble", Title: "Waiting and errors",
			Figures: []figure{{"waiting", "waiting", count(float64(waitingAtAll(s.MySQL)))}, {"errors", "errors a second", count(h.errors.last())}},
			Chart: newChart(plot{
				label:  fmt.Sprintf("Trouble over five minutes: highest %s sessions waiting, %s errors a second", count(maxOf(waiting)), count(maxOf(errs))),
				format: count, least: 5,
				lines: []plotLine{{"waiting", waiting, true}, {"errors", errs, false}},
			}),
		},
	}
}
