package mysql

import (
	"fmt"
	"testing"
	"time"
)

func TestRefusalsAreLoggedSparingly(t *testing.T) {
	var r refusals
	start := time.Unix(1000, 0)
	var lines, counted int
	for i := range 100 {
		if n, tell := r.note("a", start.Add(time.Duration(i)*time.Second)); tell {
			lines, counted = lines+1, counted+n
		}
	}
	if lines != 2 || counted != 61 {
		t.Errorf("%d lines for %d refusals", lines, counted)
	}
	if _, tell := r.note("b", start); !tell {
		t.Error("another host is not told of")
	}
	for i := range 3 * refusalHosts {
		r.note(fmt.Sprint(i), start)
	}
	if len(r.hosts) > refusalHosts {
		t.Errorf("%d hosts are remembered", len(r.hosts))
	}
}
