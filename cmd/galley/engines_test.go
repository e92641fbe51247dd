package main

import (
	"errors"
	"strings"
	"testing"

	"galley/cluster"
	"galley/proxy/admin"
)

func TestEngineProblems(t *testing.T) {
	if got := engineProblems(&cluster.EngineSet{}, cluster.EnginesState{}); len(got) != 0 {
		t.Errorf("problems of a sound cluster: %+v", got)
	}
	got := engineProblems(&cluster.EngineSet{}, cluster.EnginesState{Blind: &cluster.TablesGrant{Account: "'monitor'@'10.%'"}, Err: errors.New("node a: lost")})
	if len(got) != 2 || got[0].Severity != admin.SeverityNote || !strings.Contains(got[0].Text, "node a: lost") ||
		!strings.Contains(got[1].Do, "GRANT SHOW VIEW ON *.* TO 'monitor'@'10.%';") {
		t.Errorf("problems %+v", got)
	}
	set := &cluster.EngineSet{Count: 30}
	for range 25 {
		set.Tables = append(set.Tables, cluster.LocalTable{Schema: "shop", Name: "old", Engine: "MyISAM"})
	}
	if text := unreplicated(set); strings.Count(text, "shop.old (MyISAM)") != namedTables || !strings.Contains(text, "and 10 more") {
		t.Error(text)
	}
}
