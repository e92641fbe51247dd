package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostGuard knows by which names the TCP listener may be addressed. A page elsewhere whose name was made to point at
// this machine (DNS rebinding) sends its own name as Host, and is refused. Addresses cannot be rebound, yet only those
// that are surely this machine are taken.
type hostGuard struct {
	names map[string]bool // lower case, without port
}

func newHostGuard(listen string, allowed []string) hostGuard {
	g := hostGuard{names: make(map[string]bool, len(allowed)+1)}
	for _, host := range append([]string{listen}, allowed...) {
		name := hostOnly(host)
		if ip, err := netip.ParseAddr(name); name == "" || err == nil && ip.IsUnspecified() {
			continue // listening everywhere is no name
		}
		g.names[name] = true
	}
	return g
}

// allows tells whether a Host header may address the connection that arrived at the address local (which may be nil).
func (g hostGuard) allows(host string, local net.Addr) bool {
	name := hostOnly(host)
	switch {
	case name == "":
		return false
	case g.names[name] || loopbackHost(name):
		return true
	}
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap() == tcp.AddrPort().Addr().Unmap()
}

// hostOnly takes the name or address out of a Host header (RFC 9110 section 7.2): no port, no brackets, no final dot,
// lower case. It is empty for what is neither.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.ContainsAny(host, "[]/@ \t\r\n%") {
		return ""
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return ""
		}
	}
	return host
}

// foreignRead tells whether a request that changes nothing was made by another site's page. Following a link to
// here is fine; embedding or fetching from elsewhere is not (Fetch Metadata, W3C).
func foreignRead(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// guard is the outer chain of the TCP and the unix listener: what a request must be before anybody looks who sent it.
func (s *Server) guard(next http.Handler, overSocket bool) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !overSocket && !s.hosts.allows(r.Host, local) {
			refuse(w, r, http.StatusMisdirectedRequest, "this name is not galley's: use 127.0.0.1, or add it to admin.allowed_hosts")
			return
		}
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead
		if safe && foreignRead(r) || !safe && crossOrigin.Check(r) != nil {
			refuse(w, r, http.StatusForbidden, "requests from other sites are refused")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}
