//go:build e2e

package web

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/cluster/clusterlab/wordpress"
)

// deed is what somebody did that must be in the database.
type deed string

const (
	article deed = "article"
	picture deed = "picture"
	comment deed = "comment"
)

// ledger is what WordPress said to those who used it.
type ledger struct {
	mu     sync.Mutex
	told   map[deed]map[string]bool // By what it is called: whether WordPress said that it took it. Else the answer was lost.
	now    string                   // The event that goes on.
	kills  []time.Time
	pages  int
	forms  int
	lost   int // Forms, and pages of the dashboard, with the answer 502 because their worker was killed, and answers that broke off with it.
	faults map[string]int
	slow   map[string]time.Duration // The longest wait by event.
}

func newLedger() *ledger {
	return &ledger{told: map[deed]map[string]bool{article: {}, picture: {}, comment: {}}, now: "peace", faults: map[string]int{}, slow: map[string]time.Duration{}}
}

func (l *ledger) event(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = name
}

func (l *ledger) killed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills = append(l.kills, time.Now())
}

// page does something that is only reading.
func (l *ledger) page(do func() error) bool { return l.note(do) == nil }

// form does something that sends one form, and whatever of the deed WordPress says afterwards.
func (l *ledger) form(what deed, name string, do func() error) bool {
	l.mu.Lock()
	l.told[what][name] = false
	l.mu.Unlock()
	err := l.note(do)
	if err != nil && (failed(err) != http.MethodGet || brokenOff(err)) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[what][name] = true // Also if the page behind it failed, which is a fault of its own.
	l.forms++
	return true
}

// failed says by which method the request was that failed.
func failed(err error) (method string) {
	var answered *wordpress.StatusError
	var broken *url.Error
	switch {
	case errors.As(err, &answered):
		return answered.Method
	case errors.As(err, &broken):
		return strings.ToUpper(broken.Op)
	}
	return http.MethodGet // A page lacks something.
}

// mayBeLost says that a request is none that may run again when its worker was killed: forms, and links by which WordPress does something.
func mayBeLost(answered *wordpress.StatusError) bool {
	return answered.Method == http.MethodPost || strings.Contains(answered.URL, "/wp-admin/") || strings.Contains(answered.URL, "/wp-login.php")
}

// brokenOff says that a part of an answer came and the rest did not: its worker was killed while it spoke, and nobody can take back what was said.
func brokenOff(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

func (l *ledger) note(do func() error) error {
	begin := time.Now()
	err := do()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages++
	l.slow[l.now] = max(l.slow[l.now], time.Since(begin))
	if err == nil {
		return nil
	}
	status := http.StatusOK
	if answered, ok := errors.AsType[*wordpress.StatusError](err); ok && mayBeLost(answered) {
		status = answered.Status
	}
	meanwhile := slices.ContainsFunc(l.kills, func(kill time.Time) bool { return kill.After(begin) })
	if meanwhile && (status == http.StatusBadGateway || brokenOff(err)) {
		l.lost++
		return err
	}
	l.faults[fmt.Sprintf("%s: %.400v", l.now, err)]++
	return err
}

// judge complains of all that went wrong, but for the forms that each kill may have cost.
func (l *ledger) judge(t *testing.T, each int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for fault, n := range l.faults {
		t.Errorf("%d times: %s", n, fault)
	}
	if l.lost > each*len(l.kills) {
		t.Errorf("%d forms were lost by %d kills", l.lost, len(l.kills))
	}
	if l.forms == 0 {
		t.Error("nobody sent anything")
	}
}

func (l *ledger) taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forms
}

// verify compares what was said with what is there.
func (l *ledger) verify(t *testing.T, what deed, there map[string]int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, taken := range l.told[what] {
		switch n := there[name]; {
		case n > 1:
			t.Errorf("the %s %q is there %d times", what, name, n)
		case taken && n == 0:
			t.Errorf("the %s %q was taken and is not there", what, name)
		}
	}
}

func (l *ledger) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprintf("%d steps, %d forms taken, %d answered with 502 at %d kills; longest wait", l.pages, l.forms, l.lost, len(l.kills))
	for _, event := range slices.Sorted(maps.Keys(l.slow)) {
		text += fmt.Sprintf(" %s %.2fs", event, l.slow[event].Seconds())
	}
	return text
}
