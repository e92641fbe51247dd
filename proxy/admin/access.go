package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// access is what a route demands of its caller.
type access int

const (
	accessOpen   access = iota // anybody who reaches the listener
	accessRead                 // the token, where one is set
	accessChange               // the token or the unix socket, always
)

// proof is what a caller has shown.
type proof int

const (
	proofNone    proof = iota
	proofSocket        // came over the unix socket, whose mode is 0600
	proofToken         // Authorization: Bearer
	proofCookie        // signed in by the form
	proofLimited       // too many wrong tokens: not looked at
)

// verdict is what becomes of a request.
type verdict int

const (
	verdictAllow verdict = iota
	verdictSignIn
	verdictNeedsToken // no token is set, and the caller is not on the socket
	verdictLimited
)

// judge decides. tokenSet tells whether the server has a token.
func judge(need access, shown proof, tokenSet bool) verdict {
	switch {
	case need == accessOpen || shown == proofSocket:
		return verdictAllow
	case shown == proofLimited:
		return verdictLimited
	case tokenSet && (shown == proofToken || shown == proofCookie):
		return verdictAllow
	case tokenSet:
		return verdictSignIn
	case need == accessChange:
		return verdictNeedsToken
	}
	return verdictAllow
}

// prove finds out what the caller has shown.
func (s *Server) prove(r *http.Request, overSocket bool) proof {
	if overSocket {
		return proofSocket
	}
	if s.opts.Token == "" {
		return proofNone
	}
	if c, err := r.Cookie(s.cookieName()); err == nil && s.logins.valid(c.Value) {
		return proofCookie
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return proofNone
	}
	return s.checkToken(r, strings.TrimSpace(token))
}

// checkToken compares in a time that does not depend on where they differ, and counts wrong ones.
func (s *Server) checkToken(r *http.Request, token string) proof {
	if !s.guesses.mayGuess(r.RemoteAddr) {
		return proofLimited
	}
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.opts.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
		return proofToken
	}
	s.guesses.wrongGuess(r.RemoteAddr)
	s.log.Warn("wrong admin token", "client", r.RemoteAddr, "path", r.URL.Path)
	return proofNone
}

// cookieName has the port in it, since cookies do not tell ports of one host apart (RFC 6265 section 8.5).
func (s *Server) cookieName() string {
	return "galley_admin_" + s.port()
}

// guarded lets through who may and answers the others.
func (s *Server) guarded(need access, next http.HandlerFunc, overSocket bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch judge(need, s.prove(r, overSocket), s.opts.Token != "") {
		case verdictAllow:
			next(w, r)
		case verdictLimited:
			w.Header().Set("Retry-After", retryAfterGuess)
			refuse(w, r, http.StatusTooManyRequests, "too many wrong tokens: wait a little")
		case verdictNeedsToken:
			refuse(w, r, http.StatusForbidden, "changes need admin.token, admin.token_file or admin.socket in the configuration that galley was started with")
		case verdictSignIn:
			if r.Method == http.MethodGet && r.URL.Path == "/" {
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="galley"`)
			refuse(w, r, http.StatusUnauthorized, "sign in, or send the admin token as Authorization: Bearer")
		}
	}
}
