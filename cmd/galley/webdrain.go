package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"galley/proxy/admin"
	"galley/proxy/web/fpm"
)

// onBackends has actions that are for nodes done for php-fpm backends too, which are named POOL/ADDRESS, and adds those that there are not.
func (t *webTier) onBackends(actions []admin.Action) []admin.Action {
	if t == nil {
		return actions
	}
	for _, a := range []admin.Action{
		{
			Name: "drain", Label: "Drain", Run: t.drain,
			OnBackend: func(_ *admin.WebPool, b *admin.WebBackend) (string, bool) {
				return "Nothing new is given to this backend, and the requests that it has go on to their end.", b.State != admin.BackendDraining
			},
		}, {
			Name: "undrain", Label: "Put it back", Run: t.undrain,
			OnBackend: func(_ *admin.WebPool, b *admin.WebBackend) (string, bool) {
				return "This backend is given requests again as soon as it is seen alive.", b.State == admin.BackendDraining
			},
		},
	} {
		actions = withBackends(actions, a)
	}
	return actions
}

// withBackends has the action of the same name leave backends to this one, or adds it.
func withBackends(actions []admin.Action, own admin.Action) []admin.Action {
	for i := range actions {
		a := &actions[i]
		if a.Name != own.Name {
			continue
		}
		onNodes := a.Run
		a.OnBackend = own.OnBackend
		a.Run = func(ctx context.Context, params map[string]string) (string, error) {
			if isBackend(params["node"]) {
				return own.Run(ctx, params)
			}
			return onNodes(ctx, params)
		}
		return actions
	}
	return append(actions, own)
}

// isBackend tells whether what is to be drained is a backend of a pool: nodes have no slash in their names.
func isBackend(key string) bool { return strings.Contains(key, "/") }

// backend finds what POOL/ADDRESS names. The address is left to the pool.
func (t *webTier) backend(key string) (*fpm.Pool, string, error) {
	name, address, ok := strings.Cut(key, "/")
	if !ok {
		return nil, "", fmt.Errorf("%q names no php-fpm backend: write POOL/ADDRESS", key)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pools[name]
	if p == nil {
		return nil, "", fmt.Errorf("there is no pool %q of php-fpm backends; there are %s", name, strings.Join(slices.Sorted(maps.Keys(t.pools)), ", "))
	}
	return p.Pool, address, nil
}

// drain takes a backend out. The last one that is in use is taken out by force only.
func (t *webTier) drain(_ context.Context, params map[string]string) (string, error) {
	p, address, err := t.backend(params["node"])
	if err != nil {
		return "", err
	}
	s := p.Snapshot()
	if allAre(&s, address, true) {
		return params["node"] + " is drained already: nothing is changed.", nil
	}
	if others := lastInUse(&s, address); others && params["force"] != "true" {
		return "", fmt.Errorf("no other backend of the pool %s is in use: without it pages are answered with 503; --force drains it all the same", p.Name())
	}
	if err := p.Drain(address); err != nil {
		return "", err
	}
	text := params["node"] + " is drained: it is given nothing new."
	if n := runningOn(&s, address); n > 0 {
		text += " " + requests(n) + " there."
	}
	return text, nil
}

// lastInUse says whether what an address stands for is all that is in use of a pool.
func lastInUse(s *fpm.Snapshot, address string) bool {
	own, others := 0, 0
	for i := range s.Backends {
		switch b := &s.Backends[i]; {
		case b.State != admin.BackendUp:
		case b.Address == address || b.Source == address:
			own++
		default:
			others++
		}
	}
	return own > 0 && others == 0
}

// allAre says whether there are backends of an address, and all of them are drained, or none.
func allAre(s *fpm.Snapshot, address string, drained bool) bool {
	known := false
	for i := range s.Backends {
		b := &s.Backends[i]
		if b.Address != address && b.Source != address {
			continue
		}
		if known = true; (b.State == admin.BackendDraining) != drained {
			return false
		}
	}
	return known
}

func runningOn(s *fpm.Snapshot, address string) int {
	n := 0
	for i := range s.Backends {
		if b := &s.Backends[i]; b.Address == address || b.Source == address {
			n += b.Running
		}
	}
	return n
}

func requests(n int) string {
	if n == 1 {
		return "1 request still runs"
	}
	return fmt.Sprintf("%d requests still run", n)
}

// undrain puts a backend back.
func (t *webTier) undrain(_ context.Context, params map[string]string) (string, error) {
	p, address, err := t.backend(params["node"])
	if err != nil {
		return "", err
	}
	s := p.Snapshot()
	if allAre(&s, address, false) {
		return params["node"] + " is not drained: nothing is changed.", nil
	}
	if err := p.Undrain(address); err != nil {
		return "", err
	}
	return params["node"] + " is put back, as soon as it is seen alive.", nil
}
