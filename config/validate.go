package config

import (
	"net"
	"strings"
)

// missing reports required settings that no source gives, at the section where they would stand.
func (r *reader) missing() {
	if !r.understood {
		return
	}
	webOnly := r.webOnly()
	for _, s := range r.settings {
		if _, given := r.origin[s.Path]; given || !s.Required || webOnly {
			continue
		}
		at := place{doc: r.doc}
		for section := s.section(); section != ""; section, _, _ = cutLast(section) {
			if p, ok := r.sections[section]; ok {
				at = p
				break
			}
		}
		r.report.add(at, s.Path, &mistake{what: "this setting is required, but it is given nowhere", remedy: "Write " + exampleOf(s) + " in the section " + s.section() + ", set " + s.Env() + ", or give " + s.Flag() + "."})
	}
}

// exampleOf shows a required setting as it would stand in the file.
func exampleOf(s Setting) string {
	switch s.Path {
	case "mysql.listen":
		return "listen: 127.0.0.1:3306"
	case "cluster.nodes":
		return "nodes: [10.0.0.1:3306, 10.0.0.2:3306]"
	case "cluster.monitor.user":
		return "user: monitor"
	}
	return s.key() + ":"
}

// validate checks what only several settings together show.
func (r *reader) validate() {
	r.validateCluster()
	r.validateListen()
	r.validateSocket()
	r.validateTLS()
	r.validateAdmin()
	r.validateWeb()
}

func (r *reader) sound(paths ...string) bool {
	for _, path := range paths {
		if r.failed[path] {
			return false
		}
	}
	return true
}

// at returns the place of the first of these settings that is given.
func (r *reader) at(paths ...string) place {
	for _, path := range paths {
		if p, ok := r.origin[path]; ok {
			return p
		}
	}
	return place{}
}

func (r *reader) validateCluster() {
	c := r.cfg.Cluster
	if at, given := r.origin["cluster.nodes"]; given && r.sound("cluster.nodes") && len(c.Nodes) == 0 {
		r.fail(at, "cluster.nodes", &mistake{what: "the list is empty", remedy: "Write at least one node, for example [10.0.0.1:3306]."})
	}
	if r.sound("cluster.recv_queue.low", "cluster.recv_queue.high") && c.QueueLow >= c.QueueHigh {
		r.report.add(r.at("cluster.recv_queue.high", "cluster.recv_queue.low"), "cluster.recv_queue", &mistake{
			what:   "low (" + showFraction(c.QueueLow) + ") must be less than high (" + showFraction(c.QueueHigh) + ")",
			remedy: "Reads begin to leave a reader at low and are all gone at high; the defaults are 0.2 and 0.8.",
		})
	}
	if r.sound("cluster.load.in_flight", "cluster.load.threads_running", "cluster.load.recv_queue") &&
		c.WeightInFlight == 0 && c.WeightRunning == 0 && c.WeightQueue == 0 {
		r.report.add(r.at("cluster.load.in_flight", "cluster.load.threads_running", "cluster.load.recv_queue"), "cluster.load", &mistake{
			what: "all weights are 0, so that every node always has the same load", remedy: "Give at least one of them a value above 0; the defaults are 1, 1 and 2.",
		})
	}
	if at, given := r.origin["cluster.discover_networks"]; given && !c.Discover {
		r.report.warn(at, "cluster.discover_networks", &mistake{what: "this has no effect, as cluster.discover is false", remedy: "Take one of the two out."})
	}
}

// validateListen finds addresses that are taken twice, and galley as its own node.
func (r *reader) validateListen() {
	m, a := r.cfg.MySQL, r.cfg.Admin
	if m.Listen == "" || !r.sound("mysql.listen") {
		return
	}
	if r.sound("admin.listen") && overlap(m.Listen, a.Listen) {
		r.report.add(r.at("admin.listen"), "admin.listen", &mistake{what: "this is the address of mysql.listen", remedy: "Choose another port, for example 9306."})
	}
	if !r.sound("cluster.nodes") {
		return
	}
	for i, node := range r.cfg.Cluster.Nodes {
		if overlap(m.Listen, node.Address) {
			r.report.add(r.at("cluster.nodes"), itemPath("cluster.nodes", i), &mistake{
				echo: node.Address, what: "{} is galley's own address (mysql.listen): it would connect to itself", remedy: "Choose another port for galley, or correct the node.",
			})
		}
	}
}

// overlap reports whether an address is one that listen takes: the same port, and the same host or both on this machine.
func overlap(listen, address string) bool {
	host, port, err := net.SplitHostPort(listen)
	otherHost, otherPort, otherErr := net.SplitHostPort(address)
	if err != nil || otherErr != nil || port != otherPort || port == "0" {
		return false
	}
	if host == otherHost || isEverywhere(address) {
		return true
	}
	return isEverywhere(listen) && (isLoopback(address) || otherHost == "") || host == "localhost" && isLoopback(address) && otherHost == "127.0.0.1" ||
		host == "127.0.0.1" && otherHost == "localhost"
}

// shortestToken is below what anybody should rely on outside of this machine: 16 characters of hex are 64 bits.
const shortestToken = 16

func (r *reader) validateAdmin() {
	a := r.cfg.Admin
	token := r.at("admin.token", "admin.token_file")
	if n := len(a.Token.Reveal()); n > 0 && n < shortestToken && r.sound("admin.token", "admin.token_file") {
		r.report.warn(token, "admin.token", &mistake{what: "the token is short and can be guessed", remedy: "Make one with: openssl rand -hex 32."})
	}
	if at, given := r.origin["admin.token"]; given && a.Token.IsZero() && r.sound("admin.token") {
		r.fail(at, "admin.token", &mistake{what: "the token is empty", remedy: "Make one with: openssl rand -hex 32, or take the key out."})
		return
	}
	if a.Listen == "" || !r.sound("admin.listen", "admin.token", "admin.token_file") || isLoopback(a.Listen) || !a.Token.IsZero() {
		return
	}
	r.report.add(r.at("admin.listen"), "admin.listen", &mistake{
		echo: a.Listen, what: "{} can be reached from other machines, and there is no token",
		remedy: "Give admin.token_file (make the token with: openssl rand -hex 32), or listen on 127.0.0.1:" + a.Listen[strings.LastIndexByte(a.Listen, ':')+1:] + ".",
	})
}
