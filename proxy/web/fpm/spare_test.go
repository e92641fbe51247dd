package fpm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"galley/proxy/web/fcgi/fcgitest"
)

// srvNames is a resolver of SRV records, whose targets are addresses.
type srvNames []*net.SRV

func (srvNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{a}, nil
}

func (n srvNames) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	return name, n, nil
}

func TestPrioritiesOfRecords(t *testing.T) {
	for _, tt := range []struct {
		title   string
		records srvNames
		want    []place
		fails   bool
	}{
		{"weights within each", srvNames{
			{Target: "10.0.0.2.", Port: 9000, Priority: 1, Weight: 30},
			{Target: "10.0.0.1.", Port: 9000, Priority: 1, Weight: 10},
			{Target: "10.0.0.3.", Port: 9000, Priority: 5, Weight: 7},
			{Target: "10.0.0.4.", Port: 9000, Priority: 5, Weight: 14},
			{Target: "10.0.0.5.", Port: 9000, Priority: 9},
		}, []place{{"10.0.0.1:9000", 2, 0}, {"10.0.0.2:9000", 6, 0}, {"10.0.0.3:9000", 2, 1}, {"10.0.0.4:9000", 4, 1}, {"10.0.0.5:9000", 2, 2}}, false},
		{"the best place of an address", srvNames{
			{Target: "10.0.0.1.", Port: 9000, Priority: 1}, {Target: "10.0.0.1.", Port: 9000, Priority: 2}, {Target: "10.0.0.2.", Port: 9000, Priority: 2},
		}, []place{{"10.0.0.1:9000", 2, 0}, {"10.0.0.2:9000", 2, 1}}, false},
		{"one that cannot be looked up", srvNames{
			{Target: "10.0.0.1.", Port: 9000, Priority: 1}, {Target: "nowhere.", Port: 9000, Priority: 2}, {Target: "10.0.0.3.", Port: 9000, Priority: 3},
		}, []place{{"10.0.0.1:9000", 2, 0}, {"10.0.0.3:9000", 2, 2}}, true},
		{"no such service", srvNames{{Target: ".", Priority: 0}}, nil, true},
	} {
		p, err := New(Options{Config: settings("srv:_php._tcp.x"), Resolver: tt.records})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.records(t.Context(), "_php._tcp.x", 2)
		if !slices.Equal(got, tt.want) || (err != nil) != tt.fails {
			t.Errorf("%s: %v %v", tt.title, got, err)
		}
		p.stop()
	}
}

// TestSpareServesWhereNoBetterOneLives: the backends of a worse priority serve for as long as no one of the best lives.
func TestSpareServesWhereNoBetterOneLives(t *testing.T) {
	best, spare := fcgitest.Start(t, fcgitest.Options{Network: "tcp"}, page("best")), fcgitest.Start(t, fcgitest.Options{Network: "tcp"}, page("spare"))
	record := func(address string, priority uint16) *net.SRV {
		at := netip.MustParseAddrPort(address)
		return &net.SRV{Target: at.Addr().String() + ".", Port: at.Port(), Priority: priority}
	}
	c := settings("srv:_php._tcp.x")
	c.SlowStart = 0
	p := run(t, Options{Config: c, Resolver: srvNames{record(best.Addr(), 10), record(spare.Addr(), 20)}})
	until(t, "both are up", p.allUp)
	served := func(by *fcgitest.Peer) {
		t.Helper()
		for range 20 {
			if _, backend, err := do(t.Context(), p, &Request{Repeatable: true}); err != nil || backend != by.Addr() {
				t.Fatalf("%s: %v", backend, err)
			}
		}
	}
	served(best)
	if s := p.backend(spare.Addr()); s.Reason != reasonSpare || s.Share != 0 || s.State != "up" {
		t.Errorf("got %+v", s)
	}
	best.Stop()
	until(t, "the best is known to be down", func() bool { return p.backend(best.Addr()).State == "down" })
	served(spare)
	if s := p.backend(spare.Addr()); s.Reason != reasonOK || s.Share != 1 {
		t.Errorf("got %+v", s)
	}
	best = fcgitest.Start(t, fcgitest.Options{Network: "tcp", Address: best.Addr()}, page("best"))
	until(t, "the best is back", p.allUp)
	served(best)
	if err := p.Drain(best.Addr()); err != nil {
		t.Fatal(err)
	}
	served(spare)
}
