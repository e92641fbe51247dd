package config

// validateSocket finds galley's sockets at the same place, and galley as its own node.
func (r *reader) validateSocket() {
	m := r.cfg.MySQL
	if m.Socket == "" || !r.sound("mysql.socket") {
		if at, given := r.origin["mysql.socket_group"]; given && r.sound("mysql.socket", "mysql.socket_group") {
			r.report.warn(at, "mysql.socket_group", &mistake{what: "this has no effect, as there is no mysql.socket", remedy: "Give mysql.socket, or take this out."})
		}
		return
	}
	if r.sound("admin.socket") && m.Socket == r.cfg.Admin.Socket {
		r.report.add(r.at("admin.socket"), "admin.socket", &mistake{what: "this is the path of mysql.socket", remedy: "Choose another path, for example /run/galley/admin.sock."})
	}
	if !r.sound("cluster.nodes") {
		return
	}
	for i, node := range r.cfg.Cluster.Nodes {
		if node.Address == unixPrefix+m.Socket {
			r.report.add(r.at("cluster.nodes"), itemPath("cluster.nodes", i), &mistake{
				echo: node.Address, what: "{} is galley's own socket (mysql.socket): it would connect to itself", remedy: "Choose another path for galley, or correct the node.",
			})
		}
	}
}

// validateTLS finds modes without what they need, and files that no mode uses.
func (r *reader) validateTLS() {
	m, c := r.cfg.MySQL.TLS, r.cfg.Cluster.TLS
	if r.sound("mysql.tls.mode", "mysql.tls.cert_file") && m.Effective() != TLSOff && m.CertFile == "" {
		r.report.add(r.at("mysql.tls.mode"), "mysql.tls.mode", &mistake{what: "TLS towards clients needs a certificate", remedy: "Give mysql.tls.cert_file (and key_file), or take the mode out."})
	}
	if r.sound("mysql.tls.mode", "mysql.tls.cert_file") && m.Effective() == TLSOff {
		r.unusedFiles("as TLS towards clients is off", "mysql.tls.cert_file", "mysql.tls.key_file", "mysql.tls.ca_file")
	}
	if !r.sound("cluster.tls.mode") {
		return
	}
	switch c.Mode {
	case TLSOff:
		r.unusedFiles("as cluster.tls.mode is off", "cluster.tls.ca_file", "cluster.tls.cert_file", "cluster.tls.key_file", "cluster.tls.server_name")
	case TLSPreferred, TLSRequired:
		r.unusedFiles("as cluster.tls.mode "+c.Mode+" verifies nothing", "cluster.tls.ca_file", "cluster.tls.server_name")
	case TLSVerifyCA:
		r.unusedFiles("as only verify_identity looks at names", "cluster.tls.server_name")
	}
	if c.Mode != TLSOff && c.CertFile == "" {
		r.unusedFiles("as there is no cluster.tls.cert_file", "cluster.tls.key_file")
	}
}

// unusedFiles warns of settings that are given and have no effect.
func (r *reader) unusedFiles(why string, paths ...string) {
	for _, path := range paths {
		if at, given := r.origin[path]; given && r.sound(path) {
			r.report.warn(at, path, &mistake{what: "this has no effect, " + why, remedy: "Take it out, or correct the mode."})
		}
	}
}
