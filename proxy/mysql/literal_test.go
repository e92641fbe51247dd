package mysql

import "testing"

// TestNumberLiteral: a number that is set again keeps its type.
func TestNumberLiteral(t *testing.T) {
	for _, c := range []struct{ text, kind, want string }{
		{"-3", "INT", "-3"},
		{"3", "INT UNSIGNED", "CAST(3 AS UNSIGNED)"},
		{"3", "DOUBLE", "3e0"},
		{"3e20", "DOUBLE", "3e20"},
		{"-3", "DECIMAL", "-3."},
		{"3.50", "DECIMAL", "3.50"},
		{"", "DECIMAL", "CAST(NULL AS DECIMAL)"},
	} {
		if got := numberLiteral(c.text, c.kind); got != c.want {
			t.Errorf("%q of %s: %s, want %s", c.text, c.kind, got, c.want)
		}
	}
}
