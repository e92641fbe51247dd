package mysqltest

import (
	"net/netip"
	"slices"
	"sync"

	"galley/cluster"
)

// Cluster is a view that tests set. It is safe for use by many goroutines.
type Cluster struct {
	mu      sync.Mutex
	view    *cluster.View
	changed chan struct{}
	probes  []string
}

// NewCluster makes a cluster of nodes: the first is the writer, the others are readers; one that is alone is both.
func NewCluster(nodes ...*Node) *Cluster {
	c := &Cluster{changed: make(chan struct{})}
	v := &cluster.View{Writer: -1, WriterReason: cluster.NoNodes, Server: Facts()}
	for _, n := range nodes {
		v.Nodes = append(v.Nodes, cluster.Node{
			ID: n.Name, Addr: n.Addr, Name: n.Name, Configured: true, SeenAs: netip.MustParseAddr("127.0.0.1"), Backend: n.Backend, Share: 1,
		})
	}
	c.view = v
	switch len(nodes) {
	case 0:
	case 1:
		c.Set(nodes[0], nodes[0])
	default:
		c.Set(nodes[0], nodes[1:]...)
	}
	return c
}

// Facts are those of a server like Node.
func Facts() cluster.ServerFacts {
	return cluster.ServerFacts{
		Greeting: Version, Version: "10.11.19-MariaDB", Capabilities: Capabilities, ExtendedCaps: ExtendedCaps, Collation: 45, SkipNameResolve: true,
		SQLMode: "STRICT_TRANS_TABLES", Autocommit: true,
	}
}

// View implements the door's Cluster.
func (c *Cluster) View() *cluster.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Changed implements the door's Cluster.
func (c *Cluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// ProbeNow implements the door's Cluster.
func (c *Cluster) ProbeNow(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probes = append(c.probes, addr)
}

// Probes gives the nodes for which a probe was asked.
func (c *Cluster) Probes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.probes)
}

// Update publishes a copy of the view with changes.
func (c *Cluster) Update(change func(v *cluster.View)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.view
	next.Nodes = slices.Clone(next.Nodes)
	next.Readers = slices.Clone(next.Readers)
	next.Version++
	change(&next)
	c.view = &next
	close(c.changed)
	c.changed = make(chan struct{})
}

// Set publishes a view with this writer, which may be nil, and these readers.
func (c *Cluster) Set(writer *Node, readers ...*Node) {
	c.Update(func(v *cluster.View) {
		v.Writer, v.WriterReason, v.Readers = -1, cluster.NonPrimary, nil
		for i := range v.Nodes {
			n := &v.Nodes[i]
			n.Role, n.WriteGrade, n.ReadGrade, n.Reason = cluster.RoleNone, cluster.Never, cluster.Never, cluster.Unreachable
			if slices.ContainsFunc(readers, func(r *Node) bool { return r.Name == n.Name }) {
				n.Role, n.ReadGrade, n.Reason = cluster.RoleReader, cluster.Usable, cluster.OK
				v.Readers = append(v.Readers, i)
			}
			if writer != nil && writer.Name == n.Name {
				n.Role, n.ReadGrade, n.WriteGrade, n.Reason = cluster.RoleWriter, cluster.Usable, cluster.Usable, cluster.OK
				v.Writer, v.WriterReason = i, cluster.OK
			}
		}
	})
}
