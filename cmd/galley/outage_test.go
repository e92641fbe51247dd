package main

import (
	"strings"
	"testing"

	"galley/cluster"
	"galley/proxy/admin"
)

func TestProblemsOfAnOutage(t *testing.T) {
	if p := outageProblems(&cluster.View{Writer: -1}); p != nil {
		t.Errorf("%+v", p)
	}
	if p := lineProblems(admin.Line{LetGo: 3}); p != nil {
		t.Errorf("nobody waits: %+v", p)
	}
	p := lineProblems(admin.Line{Sessions: 2, Bytes: 3 << 19, MaxSessions: 10, MaxBytes: 64 << 20, LetGo: 7})
	if len(p) != 1 || !strings.HasPrefix(p[0].Text, "2 sessions wait for a node, with 1.5 MiB") || !strings.Contains(p[0].Text, "7 more") || !strings.Contains(p[0].Do, "64MiB") {
		t.Errorf("%+v", p)
	}
}
