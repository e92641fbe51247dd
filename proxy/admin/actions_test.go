package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestActions(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Actions = []Action{
			{Name: "echo", Label: "Echo", Confirm: "Sure?", Run: func(_ context.Context, p map[string]string) (string, error) { return "said " + p["text"], nil }},
			{Name: "fail", Run: func(context.Context, map[string]string) (string, error) { return "", errors.New("node1 is not synced") }},
		}
	})
	tests := []struct {
		name, action, kind, body string
		code                     int
		want                     string
	}{
		{"runs", "echo", "application/json", `{"text":"hello"}`, 200, `"result": "said hello"`},
		{"charset", "echo", "application/json; charset=utf-8", `{}`, 200, `"result": "said "`},
		{"no body", "echo", "application/json", "", 200, `"result": "said "`},
		{"null", "echo", "application/json", "null", 200, `"result": "said "`},
		{"fails", "fail", "application/json", "{}", 409, `"error": "node1 is not synced"`},
		{"unknown", "other", "application/json", "{}", 404, `"error"`},
		{"a form", "echo", "application/x-www-form-urlencoded", "text=hello", 415, `"error"`},
		{"no type", "echo", "", "{}", 415, `"error"`},
		{"not strings", "echo", "application/json", `{"text":1}`, 400, `"error"`},
		{"two", "echo", "application/json", `{} {}`, 400, `"error"`},
		{"too long", "echo", "application/json", `{"text":"` + strings.Repeat("x", maxBody) + `"}`, 400, `"error"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/api/actions/"+tt.action, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			w := ask(s, true, r)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, tt.code, tt.want)
			}
		})
	}
	w := ask(s, false, request(http.MethodGet, "/api/actions"))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"label": "Echo"`) {
		t.Errorf("list: %d %s", w.Code, w.Body)
	}
}

func TestWrongMethodNamesTheRightOnes(t *testing.T) {
	s := newTestServer(t, nil)
	for path, want := range map[string]string{"/api/status": "GET, HEAD", "/login": "GET, HEAD, POST", "/": "GET, HEAD", "/api/actions/x": "POST"} {
		w := ask(s, false, request(http.MethodDelete, path))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != want {
			t.Errorf("%s: %d, Allow %q, want %q", path, w.Code, w.Header().Get("Allow"), want)
		}
	}
}
