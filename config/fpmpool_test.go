package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"galley/config"
)

const withPools = `
mysql: {listen: :3306}
cluster: {nodes: [db], monitor: {user: m}}
web:
  pools:
    - {name: php, backends: [10.0.0.11:9000, app, "unix:/run/php/c.sock"]}
    - name: shop
      backends:
        - {address: 10.0.0.13:9000, weight: 2, limit: 40, workers: 20, status_listen: 10.0.0.13:9001}
        - srv:_php._tcp.example.com
      script_root: /srv/www/
      status_path: /fpm-status
      status_listen: :9001
      ping_path: /ping
      queue_length: 5
      queue_time: 2s
      slow_start: 0s
`

func TestFPMPools(t *testing.T) {
	c := load(t, config.Source{Data: []byte(withPools)})
	php, shop := config.DefaultFPMPool(), config.DefaultFPMPool()
	php.Name = "php"
	php.Backends = []config.FPMBackend{{Address: "10.0.0.11:9000", Weight: 1}, {Address: "app:9000", Weight: 1}, {Address: "unix:/run/php/c.sock", Weight: 1}}
	shop.Name, shop.ScriptRoot, shop.StatusPath, shop.StatusListen, shop.PingPath = "shop", "/srv/www", "/fpm-status", ":9001", "/ping"
	shop.Backends = []config.FPMBackend{
		{Address: "10.0.0.13:9000", Weight: 2, Limit: 40, Workers: 20, StatusListen: "10.0.0.13:9001"}, {Address: "srv:_php._tcp.example.com", Weight: 1},
	}
	shop.QueueLength, shop.QueueTime, shop.SlowStart = 5, 2*time.Second, 0
	if want := []config.FPMPool{php, shop}; !reflect.DeepEqual(c.Web.Pools, want) {
		t.Errorf("got %+v\nwant %+v", c.Web.Pools, want)
	}
	for i, want := range []bool{false, true, false} {
		if got := c.Web.Pools[0].Backends[i].IsName(); got != want {
			t.Errorf("%s is a name: %v", c.Web.Pools[0].Backends[i].Address, got)
		}
	}
	if !c.Web.Pools[1].Backends[1].IsName() {
		t.Error("an SRV record is a name")
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if d := config.Diff(c, load(t, config.Source{Data: text})); d != nil {
		t.Errorf("what is printed reads as another configuration: %v\n%s", d, text)
	}
	other := load(t, config.Source{Data: []byte(strings.Replace(withPools, "limit: 40", "limit: 41", 1))})
	if d := config.Diff(c, other); len(d) != 1 || d[0].Path != "web.pools" || !strings.Contains(d[0].New, "limit 41") || d[0].NeedsRestart {
		t.Errorf("got %+v", d)
	}
}

// TestSitesDiffer: a reload tells what of a site is other than before, and not its hosts alone.
func TestSitesDiffer(t *testing.T) {
	const head = "web:\n  listen: :8080\n  pools: [{name: php, backends: [/a]}, {name: new, backends: [/b]}]\n  sites:\n"
	of := func(sites string) *config.Config { return load(t, config.Source{Data: []byte(head + sites)}) }
	a := of("    - {hosts: [example.com, www.example.com], root: /var/www, pool: php}\n    - {hosts: [old.example.com], root: /old}\n    - {hosts: ['*'], root: /all}\n")
	b := of("    - {hosts: ['*'], root: /all}\n    - {hosts: [www.example.com, example.com], root: /srv, pool: new, cache: 5s, index: [a.php, b.html]}\n    - {hosts: [x.example.com], root: /x, pool: php, compress: false}\n")
	const site = "web.sites[example.com www.example.com]"
	want := []config.Change{
		{Path: site + ".hosts", Old: "example.com www.example.com", New: "www.example.com example.com"},
		{Path: site + ".root", Old: "/var/www", New: "/srv"},
		{Path: site + ".pool", Old: "php", New: "new"},
		{Path: site + ".index", New: "a.php b.html"},
		{Path: site + ".cache", New: "5s"},
		{Path: "web.sites[old.example.com]", Old: "root /old"},
		{Path: "web.sites[x.example.com]", New: "root /x, pool php, compress false"},
	}
	if got := config.Diff(a, b); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := config.Diff(a, a); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}
