package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"galley/config"
)

// dialLimit bounds the look at one php-fpm.
const dialLimit = 2 * time.Second

// web looks at what the web tier needs: directories that can be read, and a php-fpm that listens.
func (r *report) web(ctx context.Context, c *config.Config) {
	r.webTLS(ctx, c, time.Now())
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
