package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"galley/config"
)

// TestCheckOfAWebTier: check looks at a web tier that stands alone.
func TestCheckOfAWebTier(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	dir := t.TempDir()
	c := config.Default()
	c.Web.Listen = ":0"
	c.Web.Pools = []config.FPMPool{{Name: "php", Backends: []config.FPMBackend{{Address: l.Addr().String()}, {Address: gone.Addr().String()}, {Address: "srv:fpm.example"}}}}
	c.Web.Sites = []config.Site{{Hosts: []string{"a.example"}, Root: dir, Pool: "php"}, {Hosts: []string{"b.example"}, Root: filepath.Join(dir, "missing"), Pool: "php"}}
	r := plainReport(c)
	r.web(t.Context(), c)
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		l.Addr().String() + "  listens", gone.Addr().String() + "  does not answer", "srv:fpm.example  ", "The site b.example cannot use", "php-fpm at " + gone.Addr().String(), "2 errors",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), "  "), strings.Join(strings.Fields(want), "  ")) {
			t.Errorf("%q is not printed:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "Writer:") || strings.Contains(out.String(), "a.example") {
		t.Errorf("printed:\n%s", &out)
	}
}
