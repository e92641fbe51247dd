package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAccessMatrix asks for each kind of thing in each way, with and without a token set.
func TestAccessMatrix(t *testing.T) {
	const ok, unauth, forbidden, login = http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusSeeOther
	things := []struct {
		method, path string
		// The answer: without a token set (TCP, socket), with one set (nothing shown, wrong, right, cookie, socket).
		free, freeSocket, nothing, wrong, right, cookie, socket int
	}{
		{"GET", "/healthz", ok, ok, ok, ok, ok, ok, ok},
		{"GET", "/readyz", ok, ok, ok, ok, ok, ok, ok},
		{"GET", "/", ok, ok, login, login, ok, ok, ok},
		{"GET", "/sections", ok, ok, unauth, unauth, ok, ok, ok},
		{"HEAD", "/events", ok, ok, unauth, unauth, ok, ok, ok},
		{"GET", "/metrics", ok, ok, unauth, unauth, ok, ok, ok},
		{"GET", "/api/status", ok, ok, unauth, unauth, ok, ok, ok},
		{"GET", "/api/actions", ok, ok, unauth, unauth, ok, ok, ok},
		{"POST", "/api/actions/touch", forbidden, ok, unauth, unauth, ok, ok, ok},
		{"GET", "/api/nothing", 404, 404, unauth, unauth, 404, 404, 404},
		{"DELETE", "/api/status", 405, 405, unauth, unauth, 405, 405, 405},
		{"GET", "/assets/../api/status", 307, 307, 307, 307, 307, 307, 307}, // ServeMux cleans the path first
	}
	touched := 0
	withToken := func(token string) *Server {
		return newTestServer(t, func(o *Options) {
			o.Token = token
			o.Actions = []Action{{Name: "touch", Run: func(context.Context, map[string]string) (string, error) { touched++; return "done", nil }}}
		})
	}
	for _, th := range things {
		check := func(what string, s *Server, overSocket bool, prepare func(*http.Request), want int) {
			t.Helper()
			r := request(th.method, th.path)
			r.Header.Set("Content-Type", "application/json")
			if prepare != nil {
				prepare(r)
			}
			before := touched
			w := ask(s, overSocket, r)
			if w.Code != want {
				t.Errorf("%s %s, %s: %d, want %d", th.method, th.path, what, w.Code, want)
			}
			if w.Code != http.StatusOK && touched != before {
				t.Errorf("%s %s, %s: refused, yet done", th.method, th.path, what)
			}
			if strings.HasPrefix(th.path, "/api/") && w.Code >= 400 && w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s %s, %s: an error under /api that is not JSON", th.method, th.path, what)
			}
		}
		free, guarded := withToken(""), withToken(testToken)
		check("no token set", free, false, nil, th.free)
		check("no token set, something shown", free, false, bearer("x"), th.free)
		check("no token set, socket", free, true, nil, th.freeSocket)
		check("nothing shown", guarded, false, nil, th.nothing)
		check("wrong token", guarded, false, bearer("wrong"), th.wrong)
		check("empty token", guarded, false, bearer(""), th.wrong)
		check("right token", guarded, false, bearer(testToken), th.right)
		check("token as cookie", guarded, false, cookie(guarded, testToken), th.wrong)
		check("signed in", guarded, false, cookie(guarded, guarded.logins.open()), th.cookie)
		check("socket", guarded, true, nil, th.socket)
	}
}

// Each route must say who may use it; what changes something is never open or readable.
func TestRoutesThatChangeNeedProof(t *testing.T) {
	open := map[string]bool{"/login": true, "/logout": true}
	for _, r := range newTestServer(t, nil).routes() {
		if r.method != http.MethodGet && r.need != accessChange && !open[r.path] {
			t.Errorf("%s %s changes something and needs no proof", r.method, r.path)
		}
	}
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func cookie(s *Server, word string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: s.cookieName(), Value: word}) }
}

func signIn(s *Server, token string) *httptest.ResponseRecorder {
	r := request(http.MethodPost, "/login")
	r.Body = http.NoBody
	r.PostForm = url.Values{"token": {token}}
	r.Form = r.PostForm
	return ask(s, false, r)
}

func TestSignInAndOut(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Token = testToken })
	if w := signIn(s, "wrong"); w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) != 0 {
		t.Fatalf("wrong token: %d with %d cookies", w.Code, len(w.Result().Cookies()))
	}
	w := signIn(s, testToken)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" || len(w.Result().Cookies()) != 1 {
		t.Fatalf("right token: %d to %q", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, testToken) || c.Path != "/" || c.MaxAge != int(loginLife.Seconds()) {
		t.Errorf("cookie %+v", c)
	}
	page := request(http.MethodGet, "/")
	page.AddCookie(c)
	if w := ask(s, false, page); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Sign out") || strings.Contains(w.Body.String(), testToken) {
		t.Errorf("signed in, the page is %d or lacks the way out, or has the token", w.Code)
	}
	out := request(http.MethodPost, "/logout")
	out.AddCookie(c)
	if w := ask(s, false, out); w.Code != http.StatusSeeOther || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %d, %v", w.Code, w.Result().Cookies())
	}
	if w := ask(s, false, page); w.Code != http.StatusSeeOther {
		t.Errorf("the cookie still works after signing out: %d", w.Code)
	}
}

func TestGuessesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.Token = testToken })
		for i := range guessBurst {
			if w := signIn(s, "wrong"); w.Code != http.StatusUnauthorized {
				t.Fatalf("guess %d: %d", i, w.Code)
			}
		}
		if w := signIn(s, testToken); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("past the limit even the right token must wait: %d", w.Code)
		}
		r := request(http.MethodGet, "/api/status")
		bearer(testToken)(r)
		if w := ask(s, false, r); w.Code != http.StatusTooManyRequests {
			t.Errorf("the form's guesses must count for the header: %d", w.Code)
		}
		r = request(http.MethodGet, "/")
		cookie(s, s.logins.open())(r)
		if w := ask(s, false, r); w.Code != http.StatusOK {
			t.Errorf("who is signed in must not notice: %d", w.Code)
		}
		r = request(http.MethodGet, "/api/status")
		r.RemoteAddr = "192.0.2.77:1"
		bearer(testToken)(r)
		if w := ask(s, false, r); w.Code != http.StatusOK {
			t.Errorf("another address must not notice: %d", w.Code)
		}
		time.Sleep(guessRefill)
		if w := signIn(s, testToken); w.Code != http.StatusSeeOther {
			t.Errorf("after a while: %d", w.Code)
		}
	})
}

func TestGuessesAreBounded(t *testing.T) {
	g := newGuesses()
	for i := range 3 * maxGuessers {
		g.wrongGuess("10." + count(float64(i%100)) + "." + count(float64(i/100%100)) + ".1:5")
	}
	if len(g.wrong) > maxGuessers {
		t.Errorf("%d addresses are kept", len(g.wrong))
	}
	for range guessBurst {
		g.wrongGuess("192.0.2.1:1")
	}
	if g.mayGuess("192.0.2.2:1") {
		t.Error("with a full table, unknown addresses share one limit, and it is used up")
	}
	if guessKey("[2001:db8::1]:1") != guessKey("[2001:db8::2]:9") || guessKey("[2001:db8:0:1::1]:1") == guessKey("[2001:db8::1]:1") {
		t.Error("an IPv6 /64 is one guesser")
	}
}

func TestLoginsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogins()
		first := l.open()
		if !l.valid(first) || l.valid("") || l.valid(first+"x") {
			t.Error("valid is wrong")
		}
		time.Sleep(time.Second)
		for range maxLogins {
			l.open()
		}
		if l.valid(first) || len(l.until) != maxLogins {
			t.Errorf("the oldest of too many must go; %d are kept", len(l.until))
		}
		last := l.open()
		time.Sleep(loginLife)
		if l.valid(last) {
			t.Error("valid for ever")
		}
	})
}
