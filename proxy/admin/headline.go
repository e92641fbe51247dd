package admin

import (
	"fmt"
	"strings"
)

// level is how bad something is. The words are used as CSS classes and in the API.
type level string

const (
	levelOK   level = "ok"
	levelWarn level = "warn"
	levelBad  level = "bad"
	levelIdle level = "idle" // nothing to say yet
)

// headline is the cluster at one glance. Call is the same without figures that flicker, for screen readers.
type headline struct {
	Level  level
	Text   string
	Detail string
	Call   string
}

// newHeadline decides what is the most important thing to say, worst first.
func newHeadline(s Snapshot) headline {
	h := headline{Level: levelWarn, Text: "Galley is stopping", Detail: "It takes no new clients; what has begun may end."}
	if !s.Stopping {
		h = joined(s, mainHeadline(s))
	}
	if h.Call == "" {
		h.Call = h.Text
	}
	return h
}

func mainHeadline(s Snapshot) headline {
	used, spare := splitNodes(s.Nodes)
	writer := nodeName(s, s.Cluster.Writer)
	switch {
	case len(s.Nodes) == 0:
		return headline{Level: levelIdle, Text: "No node seen yet", Detail: lookingFor(s.NotReady)}
	case s.Cluster.Degraded:
		return headline{Level: levelBad, Text: "Read-only: no primary component", Detail: s.Cluster.Outage}
	case s.Cluster.Writer == "":
		why := firstOf(humanReason(s.Cluster.NoWriter), s.NotReady, "no node is usable for writes")
		return headline{Level: levelBad, Text: "No writer: " + why, Detail: noWriterDetail(s, used), Call: "No writer: " + why}
	case s.Cluster.SplitBrain != "":
		return splitHeadline(s, writer)
	case !s.Cluster.Primary:
		return headline{Level: levelBad, Text: "No primary component", Detail: "The nodes that galley sees do not form a majority, so they refuse statements."}
	case !s.Ready:
		return headline{Level: levelWarn, Text: "Not ready: " + firstOf(s.NotReady, "starting"), Detail: fmt.Sprintf("The cluster itself works: %s, writer %s.", nodes(len(s.Nodes)), writer)}
	case len(starved(s)) > 0:
		return starvedHeadline(s)
	case len(spare) > 0:
		text := fmt.Sprintf("%d of %s usable: %s", len(s.Nodes)-len(spare), nodes(len(s.Nodes)), describe(spare))
		return headline{Level: levelWarn, Text: text, Detail: fmt.Sprintf("Writer %s, %d waiting. Clients are served by the others.", writer, s.MySQL.Waiting), Call: text}
	case len(odd(used)) > 0:
		text := fmt.Sprintf("%s, writer %s: %s", nodes(len(s.Nodes)), writer, describe(odd(used)))
		return headline{Level: levelWarn, Text: text, Detail: fmt.Sprintf("It is used for what it is good for. %d waiting.", s.MySQL.Waiting)}
	}
	return calmHeadline(s, writer)
}

// calmHeadline is for a cluster of which every node is used.
func calmHeadline(s Snapshot, writer string) headline {
	errs := errorsOf(s)
	all := fmt.Sprintf("%s, writer %s", nodes(len(s.Nodes)), writer)
	switch {
	case errs > 0:
		return headline{Level: levelWarn, Text: fmt.Sprintf("%s: %s to look at", all, plural(errs, "problem")), Detail: "The cluster is healthy; see below what is not."}
	case s.MySQL.Waiting > 0:
		return headline{Level: levelWarn, Text: fmt.Sprintf("%s: %s for a node", all, waits(s.MySQL.Waiting)), Detail: "Every node is usable.", Call: all + ": sessions wait for a node"}
	}
	h := headline{Level: levelOK, Text: fmt.Sprintf("All good: %s, %d waiting", all, s.MySQL.WaitingForConn), Detail: clusterLine(s.Cluster), Call: "All good: " + all}
	if len(s.Nodes) == 1 {
		h.Detail = "With one node there is none to fail over to."
	}
	if s.MySQL.WaitingForConn > 0 {
		h.Detail += " " + queueLine(s)
	}
	return h
}

// errorsOf counts the problems that are errors.
func errorsOf(s Snapshot) int {
	n := 0
	for _, p := range s.Problems {
		if p.Severity == SeverityError {
			n++
		}
	}
	return n
}

// splitHeadline says that there are two clusters where there should be one.
func splitHeadline(s Snapshot, writer string) headline {
	return headline{Level: levelBad, Text: "Split brain: there are two primary components", Detail: fmt.Sprintf("Clients are served by the one with writer %s. Nodes are %s.", writer, s.Cluster.SplitBrain)}
}

func lookingFor(why string) string {
	if why == "" {
		return "Galley is looking for the cluster."
	}
	return "Galley is looking for the cluster: " + why + "."
}

func noWriterDetail(s Snapshot, used []NodeRow) string {
	waiting := "Nobody waits."
	if s.MySQL.Waiting > 0 {
		waiting = fmt.Sprintf("%s.", waits(s.MySQL.Waiting))
	}
	if len(used) == 0 {
		return "No node can be read either. " + waiting
	}
	return fmt.Sprintf("Reads go on at %s, but may have to wait where they must see the newest writes. %s", nodes(len(used)), waiting)
}

func clusterLine(c Cluster) string {
	if c.Name == "" {
		return "Every node is synced and in use."
	}
	return fmt.Sprintf("Every node of %s is in use.", c.Name)
}

// splitNodes parts the nodes in those in use and those that are out or held back for a reason.
func splitNodes(rows []NodeRow) (used, spare []NodeRow) {
	for _, n := range rows {
		if n.Role == RoleOut || n.Reason != "" && n.Role == RoleIdle {
			spare = append(spare, n)
			continue
		}
		if n.Role != RoleIdle {
			used = append(used, n)
		}
	}
	return used, spare
}

// odd picks those that are in use in spite of a reason: a donor when nothing better is left, a read-only reader.
func odd(used []NodeRow) []NodeRow {
	var out []NodeRow
	for _, n := range used {
		if n.Reason != "" {
			out = append(out, n)
		}
	}
	return out
}

// describe names up to two nodes and why they are not used: "node3 is donor".
func describe(rows []NodeRow) string {
	const named = 2
	parts := make([]string, 0, named+1)
	for i, n := range rows {
		if i == named {
			parts = append(parts, fmt.Sprintf("%d more", len(rows)-named))
			break
		}
		parts = append(parts, firstOf(n.Name, n.Addr, n.ID)+" "+reasonPhrase(n.Reason))
	}
	return strings.Join(parts, ", ")
}

// nodeName is how to call the node with this ID.
func nodeName(s Snapshot, id string) string {
	for _, n := range s.Nodes {
		if n.ID == id {
			return firstOf(n.Name, n.Addr, n.ID)
		}
	}
	return id
}

// nodeLevel is the colour of a node. One that is busy with a state transfer is on its way, not lost.
func nodeLevel(n NodeRow) level {
	transfer := strings.HasPrefix(n.State, "Donor") || strings.HasPrefix(n.State, "Join")
	switch {
	case n.Role == RoleOut && !transfer:
		return levelBad
	case n.Role == RoleOut || n.Reason != "":
		return levelWarn
	case n.Role == RoleIdle:
		return levelIdle
	}
	return levelOK
}

func nodes(n int) string { return plural(n, "node") }

func waits(n int64) string {
	if n == 1 {
		return "1 session waits"
	}
	return fmt.Sprintf("%d sessions wait", n)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
