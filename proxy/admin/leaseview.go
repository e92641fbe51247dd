package admin

import "fmt"

// Lease is how galleys agree on one writer. State is a word of a closed list: off, missing, starting, kept, moving, stalled.
type Lease struct {
	State   string
	Epoch   int64
	Writer  string // node ID
	Target  string // where the writer moves to; empty while it does not
	Holder  string // the galley that made the last change
	Own     bool   // that was this one
	Galleys int    // that are known, this one among them; 0 where nobody can tell
}

type leaseDoc struct {
	State   string `json:"state"`
	Epoch   int64  `json:"epoch"`
	Writer  string `json:"writer"`
	Target  string `json:"target"`
	Holder  string `json:"holder"`
	Own     bool   `json:"own"`
	Galleys int    `json:"galleys"`
}

// leaseView is the lease among the page's facts.
type leaseView struct {
	Text, Title string
	Bad         bool
}

func newLeaseView(s Snapshot) leaseView {
	l := s.Lease
	v := leaseView{Text: l.State, Bad: l.State == "stalled"}
	if l.Galleys == 0 {
		return v
	}
	v.Text = fmt.Sprintf("%s by %s", l.State, plural(l.Galleys, "galley"))
	who := "another galley (" + l.Holder + ")"
	if l.Own {
		who = "this galley"
	}
	v.Title = fmt.Sprintf("Epoch %d, writer %s, last changed by %s", l.Epoch, firstOf(nodeName(s, l.Writer), "none"), who)
	if l.Target != "" {
		v.Title += ", moving to " + nodeName(s, l.Target)
	}
	return v
}
