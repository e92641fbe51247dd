package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// maxBody is more than any request of this API needs.
const maxBody = 64 << 10

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	_, err := r.Cookie(s.cookieName())
	body, renderErr := s.pages.renderPage(s.board.view(), err == nil && s.opts.Token != "")
	s.writeHTML(w, http.StatusOK, body, renderErr)
}

// serveSections is the live page's second best, where server-sent events do not come through.
func (s *Server) serveSections(w http.ResponseWriter, _ *http.Request) {
	sections, err := s.pages.renderSections(s.board.view())
	if err != nil {
		s.log.Error("the status page cannot be rendered", "error", err)
		writeJSON(w, http.StatusInternalServerError, errorDoc{"the page cannot be rendered; the log says why"})
		return
	}
	writeJSON(w, http.StatusOK, sections)
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.board.status())
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok")
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if snapshot := s.opts.Source.Snapshot(); !snapshot.Ready {
		writeText(w, http.StatusServiceUnavailable, "not ready: "+firstOf(snapshot.NotReady, "starting"))
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.pages.assets[r.PathValue("name")]
	if !ok {
		serveNothing(w, r)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // the name changes with the content
	_, _ = w.Write(a.body)
}

type errorDoc struct {
	Error string `json:"error"`
}

// refuse answers with an error: JSON under /api, one line of text elsewhere.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, status, errorDoc{text})
		return
	}
	writeText(w, status, text)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) //nolint:gosec // plain text, and nosniff is set
}

func writeJSON(w http.ResponseWriter, status int, doc any) {
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil { // every document is made of plain finite values
		writeText(w, http.StatusInternalServerError, "the answer cannot be written as JSON")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func (s *Server) writeHTML(w http.ResponseWriter, status int, body []byte, err error) {
	if err != nil {
		s.log.Error("the page cannot be rendered", "error", err)
		writeText(w, http.StatusInternalServerError, "the page cannot be rendered; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// metricsLog gives promhttp's errors to the log.
type metricsLog struct{ log hclog.Logger }

// Println is what promhttp.Logger asks for.
func (l metricsLog) Println(v ...any) { l.log.Warn("metrics cannot be gathered in full", "error", v) }
