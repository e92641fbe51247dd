package web

import (
	"context"
	"strings"
	"testing"

	"galley/proxy/web/fpm"
)

// TestBrokenAnswerIsAskedForAgain: a page whose worker dies in the middle of it is made anew, once, if it may run twice.
func TestBrokenAnswerIsAskedForAgain(t *testing.T) {
	b := serve(t, nil)
	for _, test := range []struct {
		what   string
		broken int // Answers that break off.
		status int
		runs   int
	}{
		{"GET /", 1, 200, 2},
		{"HEAD /", 1, 200, 2},
		{"GET /", 2, 502, 2},
		{"POST /", 1, 502, 1},
		{"GET /?action=x", 1, 502, 1},
	} {
		runs := 0
		b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
			runs++
			if runs > test.broken {
				return page(200, "whole"), nil
			}
			resp := page(200, "")
			resp.Header.Set("X-Half", "yes")
			resp.Body = brokenBody{strings.NewReader("half")}
			return resp, nil
		})
		resp, body := b.get(t, test.what, "example.com")
		if resp.StatusCode != test.status || runs != test.runs || resp.Header.Get("X-Half") != "" || test.status == 200 && strings.HasPrefix(test.what, "GET") && body != "whole" {
			t.Errorf("%s: %d %q %v after %d runs", test.what, resp.StatusCode, body, resp.Header, runs)
		}
	}
}
