package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Times of a switchover that are no settings, each with its reason.
const (
	// firstHold is how long writes are held at first: a pause that nobody
	// notices. Each further attempt holds twice as long.
	firstHold = 200 * time.Millisecond
	// holdTick is how often it is looked, while writes are held, whether all
	// that was under way has ended.
	holdTick = time.Millisecond
	// openTick is how often that is looked at while nothing is held.
	openTick = 20 * time.Millisecond
	// leaveLimit is how long what is under way may take on a writer that has
	// become a last resort: it is slower than others, and may soon refuse.
	leaveLimit = time.Second
	// lingerLimit is how long such a writer stays if nobody has taken the role
	// from it: longer than leaveLimit and the last hold together.
	lingerLimit = 3 * time.Second
	// applyLimit is how long the new writer may take to apply what the others
	// have, once nothing is written any more.
	applyLimit = 5 * time.Second
)

// verdictOfSwitch is what a switchover does next.
type verdictOfSwitch uint8

const (
	keepOn   verdictOfSwitch = iota // wait a little more
	goOn                            // move the role
	letGo                           // let writes go on, and try again later
	tryAgain                        // hold writes again
	endThem                         // end what is under way, and move the role
	giveUp
)

// progress is what the next step of a switchover is decided by.
type progress struct {
	force  bool
	limit  time.Duration // of all
	waited time.Duration // since the begin
	held   time.Duration // in this attempt
	tries  int           // attempts begun
	open   int           // sessions whose transactions or writes are under way
}

// window is how long the present attempt holds writes.
func (p *progress) window() time.Duration {
	return min(firstHold<<min(p.tries-1, 16), max(p.limit, firstHold))
}

// whileHeld decides with writes held.
func (p *progress) whileHeld() verdictOfSwitch {
	switch {
	case p.open == 0:
		return goOn
	case p.held < p.window() && (p.waited < p.limit || p.held < firstHold):
		return keepOn
	case p.waited < p.limit:
		return letGo
	case p.force:
		return endThem
	}
	return giveUp
}

// whileOpen decides with nothing held; open are those that the last attempt
// waited for in vain.
func (p *progress) whileOpen() verdictOfSwitch {
	switch {
	case p.open == 0:
		return tryAgain
	case p.waited < p.limit:
		return keepOn
	case p.force:
		return tryAgain // the last time
	}
	return giveUp
}

// stillThere are those of before that are at the same transaction or write.
func stillThere(before, now []WritingSession) []WritingSession {
	var out []WritingSession
	for _, w := range now {
		if slices.ContainsFunc(before, func(b WritingSession) bool { return b.ID == w.ID && b.Serial == w.Serial }) {
			out = append(out, w)
		}
	}
	return out
}

// SwitchTimeout says that a switchover was given up, and who held it up.
// Everything is as it was.
type SwitchTimeout struct {
	To       string
	After    time.Duration
	Sessions []WritingSession
}

// namedSessions is how many sessions an error names.
const namedSessions = 5

// Error names the sessions.
func (e *SwitchTimeout) Error() string {
	sessions := slices.Clone(e.Sessions)
	slices.SortFunc(sessions, func(a, b WritingSession) int { return cmp.Compare(b.For, a.For) })
	named := make([]string, 0, namedSessions)
	for _, w := range sessions[:min(len(sessions), namedSessions)] {
		named = append(named, w.String())
	}
	if more := len(sessions) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("given up after %.1f s, and nothing is changed: held up by %s; --force has their transactions run again on the new writer, or ended with a deadlock error where that cannot be", e.After.Seconds(), strings.Join(named, "; "))
}

// successor finds the node that is to be the writer: the one that is meant by
// its address or name, or the best one.
func successor(v *View, key string) (*Node, error) {
	if key != "" {
		n := v.Node(key)
		switch {
		case n == nil:
			return nil, unknownNode(v, key)
		case n.Role == RoleWriter:
			return nil, fmt.Errorf("node %s is the writer already: %w", n.title(), ErrUnchanged)
		case n.WriteGrade != Usable:
			return nil, fmt.Errorf("node %s cannot be the writer: %s", n.title(), n.Reason)
		}
		return n, nil
	}
	var best *Node
	for i := range v.Nodes {
		n := &v.Nodes[i]
		// In the configured order, but for one whose applying lags.
		if i != v.Writer && n.WriteGrade == Usable && (best == nil || n.Share > best.Share) {
			best = n
		}
	}
	if best == nil {
		return nil, errors.New("there is no other node that can be the writer: " + reasons(v))
	}
	return best, nil
}

// reasons tells of each node what it is.
func reasons(v *View) string {
	var all []string
	for i := range v.Nodes {
		if i != v.Writer {
			all = append(all, v.Nodes[i].title()+" is "+v.Nodes[i].Reason.String())
		}
	}
	if len(all) == 0 {
		return "it is the only one"
	}
	return strings.Join(all, ", ")
}

// title names the node for people.
func (n *Node) title() string {
	if n.Name == "" || n.Name == n.Addr {
		return n.Addr
	}
	return n.Name + " (" + n.Addr + ")"
}

func unknownNode(v *View, key string) error {
	var all []string
	for i := range v.Nodes {
		all = append(all, v.Nodes[i].title())
	}
	return fmt.Errorf("there is no node %q; there are %s", key, strings.Join(all, ", "))
}

// mayDrain says whether the node can be taken out, and whether another one must
// become the writer first.
func mayDrain(v *View, n *Node) (switchFirst bool, err error) {
	for i := range v.Nodes {
		if o := &v.Nodes[i]; o.Addr != n.Addr && o.WriteGrade == Usable {
			return n.Role == RoleWriter, nil
		}
	}
	if !n.usable() {
		return false, nil
	}
	return false, fmt.Errorf("node %s cannot be taken out, as no other one could take its work: %s", n.title(), reasons(v))
}
