package cluster

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// TestLogLevels: what is over by itself in a moment is no error.
func TestLogLevels(t *testing.T) {
	var log strings.Builder
	m, err := New(Options{Settings: testSettings(addr1), Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		event Event
		level string
	}{
		{Event{Kind: EventWriterChanged, Was: addr1, From: OK, To: LeaseStalled}, "[INFO]"},
		{Event{Kind: EventWriterChanged, Was: addr1, From: OK, To: Handover}, "[INFO]"},
		{Event{Kind: EventWriterChanged, Was: addr1, From: NonPrimary, To: NonPrimary}, "[ERROR]"},
		{Event{Kind: EventWriterChanged, Was: addr1, From: Unreachable, To: NoLease}, "[ERROR]"},
		{Event{Kind: EventWriterChanged, Addr: addr1, From: LeaseStalled}, "[INFO]"},
		{Event{Kind: EventSplitBrain}, "[ERROR]"},
		{Event{Kind: EventDegraded}, "[WARN]"},
		{Event{Kind: EventNodeChanged, Addr: addr1, To: Unreachable}, "[WARN]"},
	} {
		log.Reset()
		m.tell([]Event{c.event})
		if !strings.Contains(log.String(), c.level) {
			t.Errorf("%+v is logged as %s, want %s", c.event, log.String(), c.level)
		}
	}
}

func TestViewText(t *testing.T) {
	for size, want := range map[int]string{1: "view number 4 with 1 member", 3: "view number 4 with 3 members"} {
		if got := viewText(4, size); got != want {
			t.Errorf("%q", got)
		}
	}
}
