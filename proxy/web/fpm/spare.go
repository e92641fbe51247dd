package fpm

import "galley/balancer"

// spare says whether a member is given nothing because one of a better priority of the same SRV records lives (RFC 2782: of the priorities a client can reach, the best).
// One that lives and has no worker free is no reason to go to a worse one. The caller holds mu.
func (p *Pool) spare(m *member) bool {
	if m.level == 0 {
		return false
	}
	for b, o := range p.members {
		if o.level < m.level && o.source == m.source && b.State() == balancer.Up {
			return true
		}
	}
	return false
}
