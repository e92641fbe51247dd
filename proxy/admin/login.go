package admin

import (
	"net/http"
	"time"
)

const retryAfterGuess = "3"

func (s *Server) serveLoginForm(w http.ResponseWriter, r *http.Request) {
	if s.opts.Token == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.writeLogin(w, http.StatusOK, "")
}

// serveLogin takes the form. The token travels in the body only, so that no log of addresses has it.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if s.opts.Token == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	switch s.checkToken(r, r.PostFormValue("token")) {
	case proofToken:
		s.setCookie(w, r, s.logins.open(), loginLife)
		s.log.Info("signed in to the admin page", "client", r.RemoteAddr)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case proofLimited:
		w.Header().Set("Retry-After", retryAfterGuess)
		s.writeLogin(w, http.StatusTooManyRequests, "Too many wrong tokens. Wait a little, then try again.")
	case proofNone, proofSocket, proofCookie:
		s.writeLogin(w, http.StatusUnauthorized, "This is not the admin token.")
	}
}

func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(s.cookieName()); err == nil {
		s.logins.close(c.Value)
	}
	s.setCookie(w, r, "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// setCookie is Secure where the browser came by TLS; without TLS a Secure cookie would be thrown away.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, word string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set where it can be
		Name: s.cookieName(), Value: word, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
}

func (s *Server) writeLogin(w http.ResponseWriter, status int, message string) {
	body, err := s.pages.renderLogin(message)
	s.writeHTML(w, status, body, err)
}
