package config

// webOnly says that there is a front door for browsers and not a word of a cluster: galley is then a web tier alone.
func (r *reader) webOnly() bool {
	if !r.cfg.Web.On() && !r.failed["web.listen"] && !r.failed["web.tls.listen"] {
		return false
	}
	for _, s := range r.settings {
		if _, given := r.origin[s.Path]; given && (inSection(s.Path, "mysql") || inSection(s.Path, "cluster")) {
			return false
		}
	}
	_, mysql := r.sections["mysql"]
	_, cluster := r.sections["cluster"]
	return !mysql && !cluster
}

func inSection(path, section string) bool {
	return len(path) > len(section) && path[:len(section)] == section && path[len(section)] == '.'
}

// validateWeb checks the web tier as a whole.
func (r *reader) validateWeb() {
	w := &r.cfg.Web
	if !r.sound("web.listen", "web.tls.listen", "web.sites") {
		return
	}
	sites, given := r.origin["web.sites"]
	switch {
	case !w.On() && given && len(w.Sites) > 0:
		r.report.add(sites, "web.listen", &mistake{what: "there are sites, but no address where browsers connect", remedy: "Write listen: 127.0.0.1:8080 in the section web."})
	case w.On() && len(w.Sites) == 0:
		r.report.warn(r.at("web.listen", "web.tls.listen"), "web.sites", &mistake{what: "there is an address for browsers, but no site: every request is answered with 421", remedy: siteExample})
	}
	r.validateWebTLS()
	for _, other := range []struct{ path, addr string }{{"mysql.listen", r.cfg.MySQL.Listen}, {"admin.listen", r.cfg.Admin.Listen}, {"web.tls.listen", w.TLS.Listen}} {
		if w.Listen != "" && r.sound(other.path) && other.addr != "" && overlap(other.addr, w.Listen) {
			r.report.add(r.at("web.listen"), "web.listen", &mistake{what: "this is the address of " + other.path, remedy: "Choose another port, for example 8080."})
		}
	}
	r.validateSites()
}

// validateSites finds sites of pools that are not there, and those that lead nowhere.
func (r *reader) validateSites() {
	if !r.sound("web.pools") {
		return
	}
	for i := range r.cfg.Web.Sites {
		s := &r.cfg.Web.Sites[i]
		if s.Pool != "" && r.cfg.Web.PoolOf(s) == nil {
			var names []string
			for j := range r.cfg.Web.Pools {
				names = append(names, r.cfg.Web.Pools[j].Name)
			}
			remedy := didYouMean(s.Pool, names)
			if remedy == "" {
				remedy = "Give it in web.pools, with its backends."
			}
			r.report.add(r.siteAt(i), itemPath("web.sites", i)+".pool", &mistake{echo: s.Pool, what: "there is no pool {}", remedy: remedy})
		}
		if pool := r.cfg.Web.PoolOf(s); s.Root == "" && s.ScriptRoot == "" && (pool == nil || pool.ScriptRoot == "") {
			r.report.add(r.siteAt(i), itemPath("web.sites", i), &mistake{
				what: "galley has no root of this site, and it is not said where php-fpm has it", remedy: "Give root, or script_root in the site or in its pool.",
			})
		}
		if s.RedirectToHTTPS && r.cfg.Web.TLS.Listen == "" && len(r.cfg.Web.TrustedNetworks) == 0 {
			r.report.add(r.siteAt(i), itemPath("web.sites", i), &mistake{
				what: "redirect_to_https leads nowhere, as there is neither web.tls.listen nor a proxy in web.trusted_networks that speaks HTTPS", remedy: "Give web.tls.listen, or take it out.",
			})
		}
	}
}

// siteAt is where a site stands, if it is in the file.
func (r *reader) siteAt(i int) place {
	if at, ok := r.sections[itemPath("web.sites", i)]; ok && at.doc == r.origin["web.sites"].doc {
		return at
	}
	return r.origin["web.sites"]
}
