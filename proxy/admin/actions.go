package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

type actionDoc struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Confirm string `json:"confirm"`
}

func (s *Server) serveActions(w http.ResponseWriter, _ *http.Request) {
	docs := make([]actionDoc, 0, len(s.opts.Actions))
	for _, a := range s.opts.Actions {
		docs = append(docs, actionDoc{Name: a.Name, Label: a.Label, Confirm: a.Confirm})
	}
	writeJSON(w, http.StatusOK, struct {
		Actions []actionDoc `json:"actions"`
	}{docs})
}

// serveAction runs one action for as long as it takes; the caller's going away cancels it.
func (s *Server) serveAction(w http.ResponseWriter, r *http.Request) {
	action, ok := s.action(r.PathValue("name"))
	if !ok {
		refuse(w, r, http.StatusNotFound, "there is no action of this name")
		return
	}
	params, status, err := actionParams(r)
	if err != nil {
		refuse(w, r, status, err.Error())
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{})

	s.log.Info("action begins", "action", action.Name, "params", params, "client", r.RemoteAddr)
	result, err := action.Run(r.Context(), params)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		s.log.Warn("action failed", "action", action.Name, "params", params, "client", r.RemoteAddr, "error", err)
		refuse(w, r, http.StatusConflict, err.Error())
		return
	}
	s.log.Info("action done", "action", action.Name, "params", params, "client", r.RemoteAddr, "result", result)
	writeJSON(w, http.StatusOK, struct {
		Result string `json:"result"`
	}{result})
}

func (s *Server) action(name string) (Action, bool) {
	for _, a := range s.opts.Actions {
		if a.Name == name {
			return a, true
		}
	}
	return Action{}, false
}

// actionParams reads a JSON object of strings; an empty body stands for none. That the type must be JSON keeps HTML
// forms of other sites out once more.
func actionParams(r *http.Request) (map[string]string, int, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType, errors.New("the body must be application/json")
	}
	params := map[string]string{}
	body := json.NewDecoder(r.Body)
	if err := body.Decode(&params); err != nil && !errors.Is(err, io.EOF) {
		return nil, http.StatusBadRequest, errors.New("the body must be a JSON object of strings")
	}
	if body.More() {
		return nil, http.StatusBadRequest, errors.New("the body must be one JSON object")
	}
	if params == nil { // the body was null
		params = map[string]string{}
	}
	return params, http.StatusOK, nil
}
