package fpm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"galley/config"
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
		places, err := p.places(ctx, &b)
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
				if m.source == b.Address && !slices.ContainsFunc(places, func(at place) bool { return at.address == m.Addr() }) {
					places = append(places, place{m.Addr(), m.config.Weight, m.level})
				}
			}
			slices.SortFunc(places, place.compare)
		} else {
			delete(p.resolveErrors, b.Address)
		}
		p.mu.Unlock()
		for _, at := range places {
			if slices.ContainsFunc(wanted, func(f found) bool { return f.address == at.address }) {
				continue
			}
			f := found{address: at.address, source: b.Address, config: b, level: at.level}
			f.config.Weight = at.weight
			wanted = append(wanted, f)
		}
	}
	p.set(wanted)
}

// place is where a backend is, with the share of requests that it is to get there, and how many priorities of SRV records are better than its own.
type place struct {
	address string
	weight  int
	level   int
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.level, b.level), strings.Compare(a.address, b.address))
}

// places are all that a configured backend stands for, in order; with an error, those that are known all the same.
func (p *Pool) places(ctx context.Context, b *config.FPMBackend) ([]place, error) {
	if !b.IsName() || strings.HasPrefix(b.Address, "localhost:") {
		// localhost is one machine, not two, although it has two addresses.
		return []place{{address: b.Address, weight: b.Weight}}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if srv, ok := strings.CutPrefix(b.Address, "srv:"); ok {
		return p.records(ctx, srv, b.Weight)
	}
	host, port, err := net.SplitHostPort(b.Address)
	if err != nil {
		return nil, err
	}
	addresses, err := p.hosts(ctx, host, port)
	if err != nil {
		return nil, err
	}
	out := make([]place, 0, len(addresses))
	for _, address := range addresses {
		out = append(out, place{address: address, weight: b.Weight})
	}
	return out, nil
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

// records are the addresses of SRV records, with their weights among those of the same priority. Of targets that cannot be looked up the error tells.
func (p *Pool) records(ctx context.Context, name string, weight int) ([]place, error) {
	_, records, err := p.resolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, err
	}
	var out []place
	for level := 0; len(records) > 0; level++ {
		of := 1 // LookupSRV sorts by priority.
		for of < len(records) && records[of].Priority == records[0].Priority {
			of++
		}
		some, failed := p.targets(ctx, records[:of], out)
		err = errors.Join(err, failed)
		weights := make([]int, len(some))
		for i := range some {
			weights[i] = some[i].weight
		}
		for i, w := range shares(weights) {
			some[i].weight, some[i].level = w*weight, level
		}
		out, records = append(out, some...), records[of:]
	}
	slices.SortFunc(out, place.compare)
	if len(out) == 0 && err == nil {
		err = fmt.Errorf("look up %s: no SRV records", name)
	}
	return out, err
}

// targets are the addresses of records, with the weights that these have, but for those that are there already.
func (p *Pool) targets(ctx context.Context, records []*net.SRV, there []place) (out []place, err error) {
	for _, r := range records {
		if r.Target == "." {
			continue // There is no such service (RFC 2782).
		}
		some, failed := p.hosts(ctx, strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		err = errors.Join(err, failed)
		for _, address := range some {
			same := func(at place) bool { return at.address == address }
			if !slices.ContainsFunc(out, same) && !slices.ContainsFunc(there, same) {
				out = append(out, place{address: address, weight: int(r.Weight)})
			}
		}
	}
	return out, err
}

// heaviest is the largest share of one record in that of the lightest.
const heaviest = 100

// shares makes weights of SRV records small, the lightest being 1, as other backends of a pool usually have 1. A record of weight 0 is to get next to nothing beside others
// (RFC 2782), and as much as they where all have 0.
func shares(weights []int) []int {
	lightest := 0
	for _, w := range weights {
		if w > 0 && (lightest == 0 || w < lightest) {
			lightest = w
		}
	}
	out := make([]int, len(weights))
	for i, w := range weights {
		out[i] = 1
		if lightest > 0 {
			out[i] = min(max(1, (w+lightest/2)/lightest), heaviest)
		}
	}
	return out
}
