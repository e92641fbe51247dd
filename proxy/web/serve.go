package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"galley/proxy/web/site"
)

// serve answers one request.
func (s *Server) serve(rw http.ResponseWriter, r *http.Request) {
	use := s.settings()
	v := s.newVisit(r, use)
	w := &writer{ResponseWriter: rw}
	defer s.finish(w, r, v)
	if r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0) {
		// A Transfer-Encoding means nothing in HTTP/1.0, and in HTTP/1.1 it may have stood beside a Content-Length (RFC 9112, section 6.1; net/http drops that). A proxy on the
		// way may have believed the other one: what follows must not be taken for a request.
		rw.Header()["Connection"] = []string{"close"}
	}
	status, reason := s.admit(r, v, use)
	v.sign(rw.Header())
	if status != 0 {
		s.fail(w, r, v, status, reason)
		return
	}
	if s.certs.Solve(w, r, v.name) {
		return
	}
	s.offerHTTP3(rw.Header(), r, v)
	h := v.host
	if h.conf.RedirectToHTTPS && !v.secure {
		s.toHTTPS(w, r, v, use)
		return
	}
	if s.purges(w, r, v, use) {
		return
	}
	v.route = h.rules.Route(v.path, h.filesOf())
	s.follow(w, r, v)
}

// sign sets the headers that every answer has.
func (v *visit) sign(h http.Header) {
	h["X-Request-Id"] = []string{v.id}
	if v.host != nil && v.secure && v.host.hsts != "" {
		h["Strict-Transport-Security"] = []string{v.host.hsts}
	}
}

// The reasons for which a request is refused before it is known what it is for.
const (
	reasonMethod   = "method"
	reasonURI      = "bad_uri"
	reasonLongURI  = "uri_too_long"
	reasonHost     = "bad_host"
	reasonNoSite   = "no_site"
	reasonTwice    = "header_twice"
	reasonNoFile   = "file_gone"
	reasonNoAccess = "file_not_readable"
	reasonPurge    = "purge_not_allowed"
)

// admit judges a request by its first lines, and finds its site. The status is 0 where it may go on.
func (s *Server) admit(r *http.Request, v *visit, use *settings) (status int, reason string) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return http.StatusMethodNotAllowed, reasonMethod
	}
	if len(r.RequestURI) > int(use.conf.MaxURI) {
		return http.StatusRequestURITooLong, reasonLongURI
	}
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	path, err := site.Clean(raw)
	if err != nil || strings.IndexByte(r.RequestURI, '#') >= 0 || hasControl(r.RequestURI) {
		return http.StatusBadRequest, reasonURI
	}
	v.path = path
	if v.name, v.hport, err = site.ParseHost(r.Host); err != nil {
		return http.StatusBadRequest, reasonHost
	}
	if len(r.Header["Authorization"]) > 1 {
		return http.StatusBadRequest, reasonTwice
	}
	h, ok := use.sites.Find(v.name)
	if !ok {
		return http.StatusMisdirectedRequest, reasonNoSite
	}
	v.host = h
	return 0, ""
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// toHTTPS sends a client to the same address by HTTPS. A method that is not to be repeated as a GET gets a status that says so.
func (s *Server) toHTTPS(w *writer, r *http.Request, v *visit, use *settings) {
	if v.name == "" {
		s.fail(w, r, v, http.StatusBadRequest, reasonHost)
		return
	}
	to := url.URL{Scheme: "https", Host: bracketed(v.name)}
	if port := portOf(use.conf.TLS.Listen); port != "" && port != "443" && port != "0" && v.hport != "" {
		to.Host += ":" + port // Galley's own ports are what the client sees, as its Host has one.
	}
	w.Header()["Location"] = []string{to.String() + r.RequestURI}
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusPermanentRedirect
	}
	w.WriteHeader(status)
}

func bracketed(name string) string {
	if strings.IndexByte(name, ':') >= 0 {
		return "[" + name + "]"
	}
	return name
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// follow does what a route says.
func (s *Server) follow(w *writer, r *http.Request, v *visit) {
	switch v.route.Action {
	case site.Refuse:
		status := http.StatusForbidden
		if v.route.Missing() {
			status = http.StatusNotFound
		}
		s.fail(w, r, v, status, string(v.route.Reason))
	case site.Redirect:
		to := (&url.URL{Path: v.route.Path}).EscapedPath()
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		w.Header()["Location"] = []string{to}
		w.WriteHeader(http.StatusMovedPermanently)
	case site.Serve:
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header()["Allow"] = []string{"GET, HEAD"}
			s.fail(w, r, v, http.StatusMethodNotAllowed, reasonMethod)
			return
		}
		if err := v.host.root.Serve(w, r, v.route.Path, &v.host.files); err != nil {
			s.failFile(w, r, v, err)
		}
	case site.Run:
		s.runScript(w, r, v)
	}
}

// failFile answers where a file that was there cannot be given out.
func (s *Server) failFile(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if errors.Is(err, fs.ErrPermission) {
		s.fail(w, r, v, http.StatusForbidden, reasonNoAccess)
		return
	}
	s.fail(w, r, v, http.StatusNotFound, reasonNoFile)
}

// finish counts and logs a request that has been answered, or whose answer was broken off.
func (s *Server) finish(w *writer, r *http.Request, v *visit) {
	broken := recover()
	if err, ok := broken.(error); broken != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
		s.log.Error("a request could not be answered", "id", v.id, "uri", r.RequestURI, "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
		v.because("panic")
		if w.status == 0 {
			s.fail(w, r, v, http.StatusInternalServerError, "panic")
			broken = nil
		}
	}
	if w.status == 0 {
		w.status = statusClientGone
		if r.Context().Err() == nil && broken == nil {
			w.status = http.StatusOK
		}
	}
	s.metrics.observe(w, v)
	s.access.write(w, r, v)
	if broken != nil {
		panic(http.ErrAbortHandler) // net/http cuts the connection, or the stream: the client must not take half an answer for the whole.
	}
}

// statusClientGone is what nginx' logs have for a client that did not wait for its answer; nobody gets it.
const statusClientGone = 499
