package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// longWait is from when on waiting for a connection is worth a headline: statements that have to queue for a moment are what pools are for.
	longWait = time.Second
	// timeoutEcho is how long the headline tells that statements got no connection in time, and timeoutFresh how long that is going on.
	timeoutEcho  = time.Minute
	timeoutFresh = 15 * time.Second
	// shownPools bounds the table of pools, shownKeepers that of the sessions others wait for.
	shownPools   = 30
	shownKeepers = 8
)

// waitingAtAll is how many sessions wait for a node, or for a connection to one.
func waitingAtAll(m MySQL) int64 { return m.Waiting + m.WaitingForConn }

// starved are the nodes to which sessions get no connection for long, the one they have waited for longest first.
func starved(s Snapshot) []NodeRow {
	var rows []NodeRow
	for _, n := range s.Nodes {
		if n.Pool.Waiting > 0 && n.Pool.LongestWait >= longWait || lately(s, n.Pool) {
			rows = append(rows, n)
		}
	}
	slices.SortStableFunc(rows, func(a, b NodeRow) int {
		return cmp.Or(cmp.Compare(b.Pool.LongestWait, a.Pool.LongestWait), cmp.Compare(b.Pool.Waiting, a.Pool.Waiting))
	})
	return rows
}

// lately says whether statements have got no connection in time not long ago.
func lately(s Snapshot, p NodePool) bool {
	return !p.LastTimeout.IsZero() && s.At.Sub(p.LastTimeout) < timeoutEcho
}

// starvedHeadline says who waits for a connection, and who has them.
func starvedHeadline(s Snapshot) headline {
	rows := starved(s)
	n := rows[0]
	name := firstOf(n.Name, n.Addr, n.ID)
	h := headline{Level: levelWarn, Call: "Sessions wait for a connection to " + name}
	if n.Pool.Waiting > 0 {
		h.Text = fmt.Sprintf("%s for a connection to %s, the longest for %s", waits(n.Pool.Waiting), name, seconds(n.Pool.LongestWait.Seconds()))
	} else {
		h.Text = "Statements found no connection to " + name + " in time"
	}
	if len(rows) > 1 {
		h.Text += ", and to " + plural(len(rows)-1, "more node")
	}
	said := []string{heldBy(n.Pool) + ".", poolAdvice(n.Pool)}
	if n.Pool.Waiting == 0 {
		said = []string{"Nobody waits any more: " + heldBy(n.Pool) + ".", "See mysql.pool.max_per_node."}
	}
	for _, n := range rows {
		if !lately(s, n.Pool) {
			continue
		}
		ago := s.At.Sub(n.Pool.LastTimeout)
		if ago < timeoutFresh {
			h.Level = levelBad
		}
		said = append(said, "The last client got error 1040 "+age(ago)+" ago.")
		break
	}
	h.Detail = strings.Join(said, " ")
	return h
}

// heldBy says how many connections there are and what keeps them.
func heldBy(p NodePool) string {
	text := fmt.Sprintf("%d of %d in use", p.InUse, p.Limit)
	if kept := keptBy(p); kept != "" {
		text += ": " + kept
	}
	return text
}

// keptBy says what keeps those in use: "2 pinned (user lock 2), 1 in a transaction, 1 running a statement".
func keptBy(p NodePool) string {
	var parts []string
	add := func(n int64, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	pins := make([]string, 0, len(p.PinnedBy))
	for _, c := range p.PinnedBy {
		pins = append(pins, fmt.Sprintf("%s %d", humanReason(c.Reason), c.Count))
	}
	pinned := "pinned (" + strings.Join(pins, ", ") + ")"
	add(p.Pinned, pinned, pinned)
	add(p.InTransaction, "in a transaction", "in transactions")
	add(p.Running, "running a statement", "running statements")
	add(p.Kept, "kept between statements", "kept between statements")
	return strings.Join(parts, ", ")
}

// poolAdvice says what to do about sessions that wait.
func poolAdvice(p NodePool) string {
	for _, u := range p.Users {
		if u.Waiting > 0 && u.Limit > 0 && u.InUse+u.Idle+u.Opening >= u.Limit {
			return fmt.Sprintf("User %s has all %d that mysql.pool.max_per_user lets it have.", u.User, u.Limit)
		}
	}
	switch kept := p.Pinned + p.InTransaction + p.Kept; {
	case p.InUse+p.Idle+p.Opening < p.Limit && p.Waiting > 0:
		return "Opening more is slow: look at the load of the node, and at mysql.pool.opening."
	case 2*kept >= p.InUse && kept > 0:
		return "KILL the sessions that should not keep one, or raise mysql.pool.max_per_node."
	}
	return "Look for slow statements, or raise mysql.pool.max_per_node."
}

// queueLine says how long sessions wait where that is no trouble.
func queueLine(s Snapshot) string {
	longest := time.Duration(0)
	for _, n := range s.Nodes {
		longest = max(longest, n.Pool.LongestWait)
	}
	return fmt.Sprintf("%s for a connection, none longer than %s.", waits(s.MySQL.WaitingForConn), seconds(max(longest, time.Millisecond).Seconds()))
}

// poolView is a node's connections on its card: a bar and its words.
type poolView struct {
	Text           string // "3 in use, 1 idle"
	Limit, Waiting string
	Held           string // What keeps those in use, where that matters.
	Full           bool
	Slow           bool    // Sessions wait for long.
	UseWidth       float64 // of 100
	IdleWidth      float64
}

func newPoolView(p NodePool) poolView {
	v := poolView{Text: fmt.Sprintf("%s in use, %s idle", count(float64(p.InUse)), count(float64(p.Idle))), Limit: count(float64(p.Limit))}
	if p.Opening > 0 {
		v.Text += fmt.Sprintf(", %d opening", p.Opening)
	}
	if p.Limit > 0 {
		v.UseWidth = min(float64(p.InUse)/float64(p.Limit), 1) * 100
		v.IdleWidth = min(float64(p.Idle)/float64(p.Limit)*100, 100-v.UseWidth)
	}
	v.Full = p.Limit > 0 && p.InUse >= p.Limit
	if p.Waiting > 0 {
		v.Waiting = fmt.Sprintf("%s, the longest for %s", waits(p.Waiting), seconds(p.LongestWait.Seconds()))
	}
	v.Slow = p.Waiting > 0 && p.LongestWait >= longWait
	if v.Slow || v.Full {
		v.Held = keptBy(p)
	}
	return v
}

// poolsView is the table of pools.
type poolsView struct {
	Total   string
	Waiting string
	Hidden  int
	Rows    []poolRow
	Keepers []sessionView // Where sessions wait for long, those that have the connections.
}

type poolRow struct {
	ID                                                     string
	Node, User, Open, InUse, Idle, Opening, Waiting, Limit string
	Waits                                                  bool
}

func newPoolsView(s Snapshot) poolsView {
	type one struct {
		node string
		of   UserPool
		all  int64 // The limit of the node.
	}
	var all []one
	open := int64(0)
	for _, n := range s.Nodes {
		open += n.Pool.InUse + n.Pool.Idle
		for _, u := range n.Pool.Users {
			all = append(all, one{firstOf(n.Name, n.Addr, n.ID), u, n.Pool.Limit})
		}
	}
	slices.SortStableFunc(all, func(a, b one) int {
		return cmp.Or(cmp.Compare(b.of.Waiting, a.of.Waiting), cmp.Compare(b.of.InUse, a.of.InUse), cmp.Compare(a.of.User, b.of.User))
	})
	v := poolsView{Total: count(float64(open)) + " open"}
	if w := s.MySQL.WaitingForConn; w > 0 {
		v.Waiting = waits(w)
	}
	for _, p := range all[:min(len(all), shownPools)] {
		limit := count(float64(p.all)) + " in all"
		if p.of.Limit > 0 {
			limit = count(float64(min(p.of.Limit, p.all)))
		}
		v.Rows = append(v.Rows, poolRow{
			ID: p.node + "-" + p.of.User, Node: p.node, User: p.of.User, Open: count(float64(p.of.InUse + p.of.Idle)), InUse: count(float64(p.of.InUse)), Idle: count(float64(p.of.Idle)),
			Opening: count(float64(p.of.Opening)), Waiting: count(float64(p.of.Waiting)), Limit: limit, Waits: p.of.Waiting > 0,
		})
	}
	v.Hidden = len(all) - len(v.Rows)
	for _, r := range keepers(s) {
		v.Keepers = append(v.Keepers, newSessionView(s, r))
	}
	return v
}

// keepers are the sessions that have the connections for which others wait for long: those that do the same for longest first.
func keepers(s Snapshot) []SessionRow {
	waited := map[string]bool{}
	for _, n := range starved(s) {
		if n.Pool.Waiting > 0 {
			waited[n.ID] = true
		}
	}
	var rows []SessionRow
	for _, r := range s.MySQL.SessionRows {
		if slices.ContainsFunc(r.Holds, func(id string) bool { return waited[id] }) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b SessionRow) int { return cmp.Compare(b.StateAge, a.StateAge) })
	return rows[:min(len(rows), shownKeepers)]
}

// holdWords names the nodes to which a session has a connection.
func holdWords(s Snapshot, ids []string) string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, nodeName(s, id))
	}
	return firstOf(strings.Join(names, ", "), none)
}
