package fpm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resolver looks names up; *net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// lookupTime bounds one look-up.
const lookupTime = 5 * time.Second

// named says whether any backend is a name.
func (p *Pool) named() bool {
	for _, b := range p.settings().Backends {
		if b.IsName() {
			return true
		}
	}
	return false
}

// resolve makes the members anew from the settings. What a name stood for is
// kept when it cannot be looked up.
func (p *Pool) resolve(ctx context.Context) {
	var wanted []found
	for _, b := range p.settings().Backends {
		addresses, err := p.addresses(ctx, b.Address, b.IsName())
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		if err != nil {
			if p.resolveErrors[b.Address] != err.Error() {
				p.log.Warn("fpm backends cannot be looked up, those known are kept", "pool", p.name, "name", b.Address, "error", err)
			}
			p.resolveErrors[b.Address] = err.Error()
			for _, m := range p.members {
				if m.source == b.Address {
					addresses = append(addresses, m.Addr())
				}
			}
			slices.Sort(addresses)
		} else {
			delete(p.resolveErrors, b.Address)
		}
		p.mu.Unlock()
		for _, address := range addresses {
			if !slices.ContainsFunc(wanted, func(f found) bool { return f.address == address }) {
				wanted = append(wanted, found{address: address, source: b.Address, config: b})
			}
		}
	}
	p.set(wanted)
}

// addresses are all that a configured backend stands for, in order.
func (p *Pool) addresses(ctx context.Context, address string, name bool) ([]string, error) {
	if !name || strings.HasPrefix(address, "localhost:") {
		// localhost is one machine, not two, although it has two addresses.
		return []string{address}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if srv, ok := strings.CutPrefix(address, "srv:"); ok {
		return p.records(ctx, srv)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return p.hosts(ctx, host, port)
}

// hosts are the addresses of a name.
func (p *Pool) hosts(ctx context.Context, host, port string) ([]string, error) {
	ips, err := p.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, 0, len(ips))
	for _, ip := range ips {
		addresses = append(addresses, net.JoinHostPort(ip.Unmap().String(), port))
	}
	slices.Sort(addresses)
	if addresses = slices.Compact(addresses); len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: no addresses", host)
	}
	return addresses, nil
}

// records are the addresses of the SRV records with the best priority.
func (p *Pool) records(ctx context.Context, name string) ([]string, error) {
	_, records, err := p.resolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, r := range records {
		if r.Priority != records[0].Priority {
			continue // LookupSRV sorts by priority
		}
		some, err := p.hosts(ctx, strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, some...)
	}
	slices.Sort(addresses)
	if addresses = slices.Compact(addresses); len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: no SRV records", name)
	}
	return addresses, nil
}
