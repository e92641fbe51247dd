package web

import (
	"net/http"
	"strconv"

	"galley/proxy/web/static"
)

// fail answers with an error page: the site's own, or a plain one.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, v *visit, status int, reason string) {
	v.because(reason)
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Type", "Etag", "Last-Modified", "Cache-Control"} {
		delete(h, name)
	}
	h["Cache-Control"] = []string{"no-store"}
	if v.host != nil && v.host.errors != nil && s.ownPage(w, r, v.host.errors, status) {
		return
	}
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	text := strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
	if status >= http.StatusInternalServerError {
		text += "request " + v.id + "\n"
	}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text))
	}
}

// ownPage answers with a page of the site: 404.html, else 4xx.html; of 500 and more 50x.html too.
func (s *Server) ownPage(w http.ResponseWriter, r *http.Request, pages *static.Root, status int) bool {
	names := []string{strconv.Itoa(status), strconv.Itoa(status/100) + "xx"}
	if status >= http.StatusInternalServerError {
		names = append(names, "50x")
	}
	plain := r.Clone(r.Context())
	plain.Header = http.Header{}
	if plain.Method != http.MethodHead {
		plain.Method = http.MethodGet
	}
	for _, name := range names {
		if pages.Serve(&withStatus{ResponseWriter: w, status: status}, plain, "/"+name+".html", &static.Options{Keep: true}) == nil {
			return true
		}
	}
	return false
}

// withStatus answers with another status than it is told.
type withStatus struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *withStatus) WriteHeader(int) {
	delete(w.Header(), "Etag")
	delete(w.Header(), "Last-Modified")
	delete(w.Header(), "Accept-Ranges")
	w.ResponseWriter.WriteHeader(w.status)
}
