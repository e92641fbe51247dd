package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLeaseInAWord(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		state   LeaseState
		word    LeaseWord
		galleys int
	}{
		"off":                              {LeaseState{Off: true}, LeaseIsOff, 0},
		"no grant":                         {LeaseState{Missing: &LeaseGrant{}}, LeaseIsMissing, 0},
		"at first":                         {LeaseState{}, LeaseIsStarting, 0},
		"kept":                             {LeaseState{Kept: true, Until: now.Add(time.Second)}, LeaseIsKept, 1},
		"grant taken back, and kept again": {LeaseState{Kept: true, Missing: &LeaseGrant{}, Until: now.Add(time.Second), Peers: 1}, LeaseIsKept, 2},
		"moving":                           {LeaseState{Kept: true, Target: "n2:1", Peers: 2}, LeaseIsMoving, 3},
		"stalled":                          {LeaseState{Kept: true, Until: now}, LeaseIsStalled, 1},
	} {
		if got := tt.state.Word(now); got != tt.word || tt.state.Galleys() != tt.galleys {
			t.Errorf("%s: %s, %d galleys", name, got, tt.state.Galleys())
		}
	}
}

func TestLeaseMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := New(Options{Settings: testSettings(addr1), Logger: hclog.NewNullLogger(), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLease(m, LeaseOptions{Mode: LeaseAuto, Schema: "galley", Term: time.Second, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	check := func(kept, epoch, galleys string) {
		t.Helper()
		want := "# HELP galley_lease_epoch Epoch of the lease of the writer: grows with each begin and end of a move.\n# TYPE galley_lease_epoch gauge\ngalley_lease_epoch " + epoch +
			"\n# HELP galley_lease_galleys Galleys in front of the cluster, this one among them; 0 without a lease.\n# TYPE galley_lease_galleys gauge\ngalley_lease_galleys " + galleys +
			"\n# HELP galley_lease_kept Whether the lease of the writer is kept: confirmed within its term, and not on its way to another node.\n# TYPE galley_lease_kept gauge\ngalley_lease_kept " + kept + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "galley_lease_epoch", "galley_lease_galleys", "galley_lease_kept"); err != nil {
			t.Error(err)
		}
	}
	check("0", "0", "0")
	l.state = LeaseState{Kept: true, Epoch: 7, Peers: 1, Until: time.Now().Add(time.Hour)}
	check("1", "7", "2")
	l.state.Until = time.Now()
	check("0", "7", "2")
}
