package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"galley/cluster"
	"galley/proxy/admin"
)

// actions are what operators may have done at the admin door: galley switch-writer, drain and undrain ask for them, and the page has buttons for them.
func (g *galley) actions() []admin.Action {
	return []admin.Action{
		{
			Name: "switch-writer", Label: "Make it the writer",
			Confirm: "Writes are held for a moment, transactions that have begun end first, and then this node is the writer.",
			OnNode: func(n *admin.NodeRow) bool {
				return !n.Drained && (n.Role == admin.RoleReader || n.Role == admin.RoleIdle)
			},
			Run: func(ctx context.Context, params map[string]string) (string, error) {
				done, err := g.switcher.Switch(ctx, params["node"], params["force"] == "true")
				if err != nil {
					return unchanged(err)
				}
				return g.switched(&done), nil
			},
		}, {
			Name: "drain", Label: "Drain",
			Confirm: "Nothing new is sent to this node, and what is there ends. If it is the writer, another node becomes it first.",
			OnNode:  func(n *admin.NodeRow) bool { return !n.Drained && n.Role != admin.RoleOut },
			Run: func(ctx context.Context, params map[string]string) (string, error) {
				if params["node"] == "" {
					return "", errors.New("which node? Name it by its address or its name")
				}
				done, err := g.switcher.Drain(ctx, params["node"], params["force"] == "true")
				if err != nil {
					return "", err
				}
				return g.drained(&done), nil
			},
		}, {
			Name: "undrain", Label: "Put it back",
			Confirm: "This node is used again as soon as it is synced.",
			OnNode:  func(n *admin.NodeRow) bool { return n.Drained },
			Run: func(ctx context.Context, params map[string]string) (string, error) {
				addr, err := g.switcher.Undrain(ctx, params["node"])
				if err != nil {
					return unchanged(err)
				}
				text := g.title(addr) + " is put back."
				if n := g.monitor.View().Node(addr); n != nil && n.Reason != cluster.OK {
					text += " It is not used yet: " + words(n.Reason) + "."
				}
				return text, nil
			},
		},
	}
}

// unchanged makes a word of an error that says that all is as it was asked for: what is done twice, by a script for example, is no failure.
func unchanged(err error) (string, error) {
	if !errors.Is(err, cluster.ErrUnchanged) {
		return "", err
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + ".", nil
}

// title is what people call the node at an address.
func (g *galley) title(addr string) string {
	if n := g.monitor.View().Node(addr); n != nil && n.Name != "" && n.Name != addr {
		return n.Name + " (" + addr + ")"
	}
	return addr
}

// switched tells of a switchover that is done.
func (g *galley) switched(s *cluster.Switched) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s is the writer. Writes were held for %s.", g.title(s.To), s.Held.Round(time.Millisecond))
	if n := len(s.Ended); n > 0 {
		fmt.Fprintf(&text, " The transactions of %s took too long: they are run again on the new writer when they go on, or end with a deadlock error.", sessions(n))
	}
	if s.Pinned > 0 {
		fmt.Fprintf(&text, " Left on %s for as long as they keep what only that node has (temporary tables, locks): %s.", g.title(s.From), sessions(s.Pinned))
	}
	return text.String()
}

func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return fmt.Sprintf("%d sessions", n)
}

// drained tells of a drain that has begun.
func (g *galley) drained(d *cluster.DrainOutcome) string {
	switch {
	case d.Already:
		return g.title(d.Addr) + " is drained already."
	case d.Switched != nil:
		return g.switched(d.Switched) + " " + g.title(d.Addr) + " is drained: nothing new is sent there."
	}
	return g.title(d.Addr) + " is drained: nothing new is sent there."
}

// underWay is the problem, if it is one, of a switchover that is under way.
func (g *galley) underWay() []admin.Problem {
	s := g.switcher.State()
	if s == nil {
		return nil
	}
	text := fmt.Sprintf("A switchover to %s is under way", g.title(s.To))
	switch {
	case s.Waiting > 0:
		text += ": it waits for " + sessions(s.Waiting) + " to end transactions or writes."
	default:
		text += "."
	}
	return []admin.Problem{{Severity: admin.SeverityNote, Text: text}}
}
