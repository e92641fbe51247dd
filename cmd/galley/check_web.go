package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"galley/config"
)

// dialLimit bounds the look at one php-fpm.
const dialLimit = 2 * time.Second

// web looks at what the web tier needs: directories that can be read, and a php-fpm that listens.
func (r *report) web(ctx context.Context, c *config.Config) {
	r.webTLS(ctx, c, time.Now())
	if at := purgedByAnybody(&c.Web); at != "" {
		r.warn(fmt.Sprintf("Who comes from this machine may purge pages of the page cache, and at %s everybody does.", at),
			"Name the proxy in front of galley in web.trusted_networks (127.0.0.0/8, ::1/128), so that its clients are told apart, or have it refuse PURGE and /purge/.")
	}
	for i := range c.Web.Sites {
		s := &c.Web.Sites[i]
		for _, dir := range []string{s.Root, s.ErrorPages, s.AccelRoot} {
			if dir == "" {
				continue
			}
			if st, err := os.Stat(dir); err != nil {
				r.fail(fmt.Sprintf("The site %s cannot use %s: %v.", s.Hosts[0], dir, err), "Make the directory, or let the user that galley runs as read it.")
			} else if !st.IsDir() {
				r.fail(fmt.Sprintf("The site %s: %s is no directory.", s.Hosts[0], dir), "")
			}
		}
	}
	for i := range c.Web.Pools {
		p := &c.Web.Pools[i]
		for _, b := range p.Backends {
			r.Backends = append(r.Backends, r.backend(ctx, p.Name, b.Address))
		}
	}
}

// purgedByAnybody is where all clients seem to be on this machine, which may always purge, as a proxy there hands them on and is not trusted to say who they are. It is
// empty where that is not so, or nothing is cached.
func purgedByAnybody(w *config.Web) string {
	if !slices.ContainsFunc(w.Sites, func(s config.Site) bool { return s.Cache != 0 }) {
		return ""
	}
	for _, listen := range []string{w.Listen, w.TLS.Listen} {
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			continue
		}
		ip, err := netip.ParseAddr(host)
		if host == "localhost" {
			ip, err = netip.MustParseAddr("127.0.0.1"), nil
		}
		here := func(n netip.Prefix) bool { return n.Contains(ip) }
		if err == nil && ip.IsLoopback() && !slices.ContainsFunc(w.TrustedNetworks, here) && !slices.ContainsFunc(w.ProxyNetworks, here) {
			return listen
		}
	}
	return ""
}

// backend says whether a php-fpm takes connections. A name of SRV records is left to the running galley.
func (r *report) backend(ctx context.Context, pool, address string) backendLine {
	line := backendLine{Pool: pool, Addr: address, State: "listens"}
	network, target := "tcp", address
	switch {
	case strings.HasPrefix(address, "srv:"):
		line.State = "looked up when galley runs"
		return line
	case strings.HasPrefix(address, "unix:"):
		network, target = "unix", strings.TrimPrefix(address, "unix:")
	}
	nc, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, network, target)
	if err != nil {
		line.State = "does not answer"
		r.fail(fmt.Sprintf("php-fpm at %s (pool %s) does not take connections: %v.", address, pool, err), "Start it, and see listen and listen.allowed_clients in its pool's configuration.")
		return line
	}
	_ = nc.Close()
	return line
}

// backendLine is one row of the table of php-fpm backends.
type backendLine struct{ Pool, Addr, State string }
