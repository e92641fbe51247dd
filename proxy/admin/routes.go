package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// route is one thing that can be asked for. Everything the server answers is in this list.
type route struct {
	method string
	path   string // http.ServeMux pattern
	need   access
	serve  http.HandlerFunc
}

func (s *Server) routes() []route {
	metrics := promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{
		ErrorLog: metricsLog{s.log}, ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second, EnableOpenMetrics: true,
	})
	return []route{
		{http.MethodGet, "/healthz", accessOpen, s.serveHealth},
		{http.MethodGet, "/readyz", accessOpen, s.serveReady},
		{http.MethodGet, "/assets/{name}", accessOpen, s.serveAsset}, // the sign-in form needs them; they are galley's own
		{http.MethodGet, "/login", accessOpen, s.serveLoginForm},
		{http.MethodPost, "/login", accessOpen, s.serveLogin},
		{http.MethodPost, "/logout", accessOpen, s.serveLogout},
		{http.MethodGet, "/{$}", accessRead, s.servePage},
		{http.MethodGet, "/sections", accessRead, s.serveSections},
		{http.MethodGet, "/events", accessRead, s.serveEvents},
		{http.MethodGet, "/metrics", accessRead, metrics.ServeHTTP},
		{http.MethodGet, "/api/status", accessRead, s.serveStatus},
		{http.MethodGet, "/api/actions", accessRead, s.serveActions},
		{http.MethodPost, "/api/actions/{name}", accessChange, s.serveAction},
	}
}

// handler is everything for one listener. What is in no route, or not by this method, is answered to those who may
// read and nobody else.
func (s *Server) handler(overSocket bool) http.Handler {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range s.routes() {
		mux.HandleFunc(r.method+" "+r.path, s.guarded(r.need, r.serve, overSocket))
		methods[r.path] = append(methods[r.path], r.method)
		if r.method == http.MethodGet { // ServeMux answers HEAD by it too
			methods[r.path] = append(methods[r.path], http.MethodHead)
		}
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		mux.HandleFunc(path, s.guarded(accessRead, wrongMethod(strings.Join(allowed, ", ")), overSocket))
	}
	mux.HandleFunc("/", s.guarded(accessRead, serveNothing, overSocket))
	return s.guard(mux, overSocket)
}

func wrongMethod(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		refuse(w, r, http.StatusMethodNotAllowed, "method "+r.Method+" is not for this path; allowed: "+allowed)
	}
}

func serveNothing(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusNotFound, "nothing is served at this path")
}
