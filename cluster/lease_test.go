package cluster

import "testing"

func TestRightsForALease(t *testing.T) {
	for line, want := range map[string]bool{
		"GRANT USAGE ON *.* TO `m`@`%`":                                                      false,
		"GRANT ALL PRIVILEGES ON *.* TO `m`@`%` WITH GRANT OPTION":                           true,
		"GRANT ALL PRIVILEGES ON `galley`.* TO `m`@`%`":                                      true,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `galley`.* TO `m`@`%`":              true,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON `galley`.* TO `m`@`%`":                      false,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `other`.* TO `m`@`%`":               false,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `galley`.`lease` TO `m`@`%`":        false,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX ON `galley`.* TO `m`@`%`": true,
	} {
		if got := keepsLease(line, "galley"); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	g := LeaseGrant{Schema: "galley", Account: "'m'@'%'"}
	if s := g.Statements(); len(s) != 2 || s[1] != "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `galley`.* TO 'm'@'%'" {
		t.Errorf("%q", s)
	}
}
