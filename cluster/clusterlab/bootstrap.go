package clusterlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// position is how far a stopped node's data goes.
type position struct {
	uuid  string
	seqno int64
	safe  bool // The node left last and knows it.
}

const noSeqno = -1

// Bootstrap makes a new primary component after all nodes were stopped, from the given node, or from the one with the newest
// data if it is nil (grastate.dat tells; after a crash the server is asked to recover its position). The other nodes are
// then started by [Node.Start].
func (l *Lab) Bootstrap(ctx context.Context, from *Node) error {
	nodes := l.Nodes()
	for _, n := range nodes {
		if n.running() {
			return fmt.Errorf("bootstrap: %s is running; stop it first, or start the others beside it", n.name)
		}
	}
	if from == nil {
		positions := make([]position, len(nodes))
		for i, n := range nodes {
			p, err := n.position(ctx)
			if err != nil {
				return fmt.Errorf("bootstrap: %w", err)
			}
			positions[i] = p
		}
		best, err := newest(positions)
		if err != nil {
			return fmt.Errorf("bootstrap: %w", err)
		}
		from = nodes[best]
	}
	for _, n := range nodes {
		// With this file the node would wait for the primary component of old (pc.recovery).
		if err := os.Remove(filepath.Join(n.dataDir(), "gvwstate.dat")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("bootstrap: %w", err)
		}
	}
	if err := from.allowBootstrap(); err != nil {
		return fmt.Errorf("bootstrap: %s: %w", from.name, err)
	}
	l.progress("%s: starting as the first node of the cluster…", from.name)
	return from.launch(ctx, true)
}

// newest chooses the node to bootstrap from: the one that left last, else the one with the highest position.
func newest(positions []position) (int, error) {
	best := -1
	for i, p := range positions {
		switch {
		case p.safe:
			return i, nil
		case p.seqno == noSeqno:
		case best < 0 || p.seqno > positions[best].seqno:
			best = i
		}
	}
	if best < 0 {
		return 0, errors.New("no node knows its position")
	}
	for _, p := range positions {
		if p.seqno != noSeqno && p.uuid != positions[best].uuid {
			return 0, fmt.Errorf("the nodes' data is of different clusters, %s and %s; name the node", p.uuid, positions[best].uuid)
		}
	}
	return best, nil
}

func (n *Node) position(ctx context.Context) (position, error) {
	text, err := os.ReadFile(n.grastate())
	if errors.Is(err, os.ErrNotExist) {
		return position{seqno: noSeqno}, nil // It never joined.
	}
	if err != nil {
		return position{}, fmt.Errorf("%s: %w", n.name, err)
	}
	p := parseGrastate(string(text))
	if p.safe || p.seqno != noSeqno {
		return p, nil
	}
	out, err := n.lab.run(ctx, n.lab.tools.server, "--defaults-file="+n.cnf(), "--wsrep-recover")
	if err != nil {
		return position{}, fmt.Errorf("%s: recover the position: %w", n.name, err)
	}
	return parseRecovered(out)
}

// parseGrastate reads Galera's saved state (galera/src/saved_state.cpp).
func parseGrastate(text string) position {
	p := position{seqno: noSeqno}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "uuid":
			p.uuid = value
		case "seqno":
			if seqno, err := strconv.ParseInt(value, 10, 64); err == nil {
				p.seqno = seqno
			}
		case "safe_to_bootstrap":
			p.safe = value == "1"
		}
	}
	return p
}

// parseRecovered finds what mariadbd --wsrep-recover logs.
func parseRecovered(log string) (position, error) {
	found := regexp.MustCompile(`WSREP: Recovered position: ([0-9a-f-]{36}):(-?\d+)`).FindStringSubmatch(log)
	if found == nil {
		return position{}, errors.New("recover the position: the server did not log one")
	}
	seqno, err := strconv.ParseInt(found[2], 10, 64)
	if err != nil {
		return position{}, fmt.Errorf("recover the position: %w", err)
	}
	return position{uuid: found[1], seqno: seqno}, nil
}

// allowBootstrap writes what Galera wants to see in the file of a node that did not leave last.
func (n *Node) allowBootstrap() error {
	text, err := os.ReadFile(n.grastate())
	if err != nil {
		return err
	}
	allowed := regexp.MustCompile(`(?m)^safe_to_bootstrap:.*$`).ReplaceAllString(string(text), "safe_to_bootstrap: 1")
	return os.WriteFile(n.grastate(), []byte(allowed), 0o600) //nolint:gosec // a path below the lab's own directory
}
