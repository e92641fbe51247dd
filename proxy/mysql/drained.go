package mysql

import (
	"galley/balancer"
	"galley/cluster"
)

// drained says whether an operator has taken the node out: nothing new is begun there, and conns that nobody needs are closed. The backend is told before the view is published.
func drained(node *cluster.Node) bool { return node.Backend.State() == balancer.Draining }

// leaveDrained closes the conns to drained nodes that no session has. The others are closed when they are given back.
func (s *Server) leaveDrained(view *cluster.View) {
	for i := range view.Nodes {
		if node := &view.Nodes[i]; node.Drained {
			s.conns.of(node).empty()
		}
	}
}

// empty closes the idle conns, and galley's own.
func (c *connSet) empty() {
	c.cutWait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pools {
		for _, l := range p.lists() {
			for l.first != nil {
				c.discard(l.first)
			}
		}
	}
}
