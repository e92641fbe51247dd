package main

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func TestCheckOfPurging(t *testing.T) {
	here, private := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	cached := []config.Site{{Hosts: []string{"a"}}, {Hosts: []string{"b"}, Cache: time.Minute}}
	for name, test := range map[string]struct {
		web  config.Web
		want string
	}{
		"by a proxy that is not named": {config.Web{Listen: "127.0.0.1:8080", Sites: cached}, "127.0.0.1:8080"},
		"by name":                      {config.Web{Listen: "localhost:8080", Sites: cached, TrustedNetworks: private}, "localhost:8080"},
		"by IPv6, with TLS":            {config.Web{TLS: config.WebTLS{Listen: "[::1]:443"}, Sites: cached}, "[::1]:443"},
		"a named proxy":                {config.Web{Listen: "127.0.0.1:8080", Sites: cached, TrustedNetworks: here}, ""},
		"a PROXY header":               {config.Web{Listen: "[::1]:8080", Sites: cached, ProxyNetworks: here}, ""},
		"no cache":                     {config.Web{Listen: "127.0.0.1:8080", Sites: cached[:1]}, ""},
		"all addresses":                {config.Web{Listen: ":8080", Sites: cached}, ""},
		"another address":              {config.Web{Listen: "10.0.0.1:8080", Sites: cached}, ""},
		"no web":                       {config.Web{}, ""},
	} {
		if got := purgedByAnybody(&test.web); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
