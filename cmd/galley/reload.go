package main

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy/admin"
)

// reloads tells the log and the page what became of the last SIGHUP. It may be used from any goroutine.
type reloads struct {
	last atomic.Pointer[reloaded]
}

// reloaded is what became of one.
type reloaded struct {
	at      time.Time
	refused error    // Nothing was changed.
	waiting []string // Settings that are other than galley was started with, and need a restart.
}

// refuse tells of a configuration that was not taken.
func (r *reloads) refuse(log hclog.Logger, path string, err error) {
	log.Error("the configuration was not reloaded: nothing is changed", "file", path, "error", err)
	now := &reloaded{at: time.Now(), refused: err}
	if was := r.last.Load(); was != nil {
		now.waiting = was.waiting
	}
	r.last.Store(now)
}

// take tells what a configuration has changed. sinceStart is what is other than galley was started with: what is not among that and needs a restart is
// back to what galley has.
func (r *reloads) take(log hclog.Logger, changes, sinceStart []config.Change) {
	log.Info("the configuration was reloaded", "changes", len(changes))
	for _, c := range changes {
		level, note := hclog.Info, "applied"
		switch {
		case !c.NeedsRestart:
		case slices.ContainsFunc(sinceStart, func(s config.Change) bool { return s.Path == c.Path }):
			level, note = hclog.Warn, "needs a restart"
		default:
			note = "needs no restart any more: galley was started with it"
		}
		log.Log(level, "changed", "setting", c.Path, "from", c.Old, "to", c.New, "effect", note)
	}
	now := &reloaded{at: time.Now()}
	for _, c := range sinceStart {
		if c.NeedsRestart && !slices.Contains(now.waiting, c.Path) {
			now.waiting = append(now.waiting, c.Path)
		}
	}
	r.last.Store(now)
}

// problems are what the operator should see of it: a galley that is restarted would not be as this one is.
func (r *reloads) problems() (all []admin.Problem) {
	last := r.last.Load()
	if last == nil {
		return nil
	}
	if last.refused != nil {
		all = append(all, admin.Problem{
			Severity: admin.SeverityWarning,
			Text:     fmt.Sprintf("The configuration was not reloaded at %s, galley goes on with the one before: %s", last.at.Format(time.TimeOnly), strings.ReplaceAll(last.refused.Error(), "\n", "; ")),
			Do:       "Correct it, run 'galley check', and reload again. A restart would meet the same.",
		})
	}
	if len(last.waiting) > 0 {
		all = append(all, admin.Problem{
			Severity: admin.SeverityNote, Text: "Settings that have changed and need a restart: " + strings.Join(last.waiting, ", ") + ".", Do: "Restart galley when it suits you.",
		})
	}
	return all
}
