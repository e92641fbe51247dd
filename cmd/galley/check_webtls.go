package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"galley/config"
	"galley/proxy"
	"galley/proxy/web/certs"
)

// reachLimit bounds the look at a certificate authority.
const reachLimit = 10 * time.Second

// webTLS looks at the certificates of sites, and at what ACME needs.
func (r *report) webTLS(ctx context.Context, c *config.Config, now time.Time) {
	w := &c.Web
	if w.TLS.Listen == "" {
		return
	}
	if w.TLS.CertFile != "" {
		r.files("web.tls", proxy.Files{Cert: w.TLS.CertFile, Key: w.TLS.KeyFile}, now)
	}
	var asked []string
	for i := range w.Sites {
		s := &w.Sites[i]
		asked = append(asked, w.ACMEHosts(s)...)
		if s.CertFile != "" {
			files := proxy.Files{Cert: s.CertFile, Key: s.KeyFile}
			r.files("the site "+s.Hosts[0], files, now)
			r.covers(s, files)
		}
	}
	if w.ACME.Agree {
		r.acme(ctx, w, asked)
	}
}

// covers says for which hosts of a site its certificate is not good.
func (r *report) covers(s *config.Site, files proxy.Files) {
	loaded, err := files.Load()
	if err != nil {
		return // That was said.
	}
	if bad := certs.Uncovered(loaded.Cert.Leaf, s.Hosts); len(bad) > 0 {
		r.warn(fmt.Sprintf("The certificate of the site %s (%s) is not for %s: browsers will not believe it.", s.Hosts[0], s.CertFile, strings.Join(bad, ", ")), "")
	}
}

// acme looks whether certificates could be asked for.
func (r *report) acme(ctx context.Context, w *config.Web, hosts []string) {
	if len(hosts) == 0 {
		return // That was said.
	}
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	if err := certs.Reach(ctx, &w.ACME); err != nil {
		r.fail("The certificate authority "+certs.Directory(&w.ACME)+" cannot be used: "+err.Error()+".", "Galley starts nevertheless and serves what it has. See web.acme.directory, web.acme.ca_file, and whether this machine may connect there.")
	}
	if st, err := os.Stat(w.ACME.Storage); err == nil && !st.IsDir() {
		r.fail("web.acme.storage ("+w.ACME.Storage+") is no directory.", "")
	}
	for _, door := range []struct{ name, addr, port string }{{"web.listen", w.Listen, "80"}, {"web.tls.listen", w.TLS.Listen, "443"}} {
		if _, port, err := net.SplitHostPort(door.addr); err == nil && port == door.port {
			return
		}
	}
	r.warn("The certificate authority connects to port 80 or 443 of "+hosts[0]+", and galley listens at neither.", "Lead port 80 to web.listen, or 443 to web.tls.listen.")
}
