package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"galley/proxy/web/site"
)

// visit is a client's request: who sent it and by what name, as far as that can be believed. It is not changed once it is routed, but for its times.
type visit struct {
	start   time.Time
	id      string
	remote  string // The client's address; empty where it has none.
	port    string // The client's port; empty where a proxy told of the client.
	trusted bool   // It came by a proxy whose headers are believed.
	secure  bool
	name    string // Of the host, in normal form.
	hport   string // The port in Host; empty where there is none.
	path    string // Clean.
	host    *host
	route   site.Route

	queue, accept, script atomic.Int64 // Nanoseconds.
	backend               atomic.Pointer[string]
	reason                atomic.Pointer[string]
}

// because notes why a request was not answered as asked for; the first reason stays.
func (v *visit) because(reason string) { v.reason.CompareAndSwap(nil, &reason) }

func textOf(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

// ids makes names for requests: eight random bytes of this process and a number.
type ids struct {
	prefix string
	last   *atomic.Uint64
}

func newIDs() ids {
	var b [8]byte
	_, _ = rand.Read(b[:]) // It never fails (crypto/rand).
	return ids{prefix: hex.EncodeToString(b[:]) + "-", last: new(atomic.Uint64)}
}

func (i ids) next() string {
	var b [40]byte
	return string(strconv.AppendUint(append(b[:0], i.prefix...), i.last.Add(1), 36))
}

// longestID is more than a UUID and the ids of tracing need.
const longestID = 128

// idOf is the id that a trusted proxy gave a request; empty where it is none that can stand in a log.
func idOf(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > longestID {
		return ""
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:=+/", rune(c)) {
			return ""
		}
	}
	return id
}

// newVisit says who sent a request.
func (s *Server) newVisit(r *http.Request, use *settings) *visit {
	v := &visit{start: time.Now(), secure: r.TLS != nil}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		ip := addr.Addr().Unmap()
		v.remote, v.port = ip.String(), strconv.Itoa(int(addr.Port()))
		if nets := use.conf.TrustedNetworks; len(nets) > 0 && within(ip, nets) {
			v.trusted = true
			v.believe(r.Header, nets)
		}
	}
	if v.trusted {
		v.id = idOf(r.Header)
	}
	if v.id == "" {
		v.id = s.ids.next()
	}
	return v
}

func within(ip netip.Addr, nets []netip.Prefix) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// believe takes from a trusted proxy's headers who its client is, and how that came to it.
func (v *visit) believe(h http.Header, nets []netip.Prefix) {
	if client := clientOf(h.Values("X-Forwarded-For"), nets); client.IsValid() {
		v.remote, v.port = client.String(), ""
	}
	if proto := lastOf(h.Values("X-Forwarded-Proto")); proto != "" {
		v.secure = strings.EqualFold(proto, "https")
	}
}

// clientOf is the rightmost address that is not itself a trusted proxy's; what stands to its left anybody can have written. Where all are trusted it is the first.
func clientOf(values []string, nets []netip.Prefix) netip.Addr {
	var found netip.Addr
	for _, line := range slices.Backward(values) {
		for _, item := range slices.Backward(strings.Split(line, ",")) {
			ip, ok := addressOf(strings.TrimSpace(item))
			if !ok {
				return found
			}
			found = ip
			if !within(ip, nets) {
				return found
			}
		}
	}
	return found
}

// addressOf reads an address, which some proxies write with a port.
func addressOf(text string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// lastOf is what the proxy next to galley said, where others said something before it.
func lastOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v := values[len(values)-1]
	return strings.TrimSpace(v[strings.LastIndexByte(v, ',')+1:])
}

// serverPort is the port by which the client came, as it knows it.
func (v *visit) serverPort() string {
	switch {
	case v.hport != "":
		return v.hport
	case v.secure:
		return "443"
	}
	return "80"
}

func (v *visit) scheme() string {
	if v.secure {
		return "https"
	}
	return "http"
}

// localHost is the address at which a request came in.
func localHost(ctx context.Context) string {
	addr, ok := ctx.Value(http.LocalAddrContextKey).(interface{ AddrPort() netip.AddrPort }) // TCP's or UDP's.
	if !ok {
		return ""
	}
	return addr.AddrPort().Addr().Unmap().String()
}
