package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"galley/config"
)

// webSample is a web tier without a cluster: complete, and to stay valid for ever.
const webSample = `web:
  listen: 127.0.0.1:8080
  pools:
    - {name: php, backends: [10.0.0.11:9000, 10.0.0.12:9000, unix:/run/php/c.sock]}
  sites:
    - {hosts: [example.com, www.example.com], root: /var/www/example.com, pool: php}
    - {hosts: ["*"], root: /var/www/default, pool: php, preset: wordpress}
`

func TestWebAlone(t *testing.T) {
	c := load(t, config.Source{File: "galley.yaml", Data: []byte(webSample)})
	if len(c.Warnings()) > 0 || c.MySQL.Listen != "" || !c.Web.On() {
		t.Errorf("%v, %+v", c.Warnings(), c.Web)
	}
	site := config.Site{Preset: config.PresetNone, Index: []string{"index.php", "index.html"}, MaxBody: 128 << 20, Compress: true, Pool: "php", CacheStale: 10 * time.Minute, CacheStaleIfError: 24 * time.Hour}
	first, second := site, site
	first.Hosts, first.Root = []string{"example.com", "www.example.com"}, "/var/www/example.com"
	second.Hosts, second.Root, second.Preset = []string{"*"}, "/var/www/default", config.PresetWordPress
	if want := []config.Site{first, second}; !reflect.DeepEqual(c.Web.Sites, want) {
		t.Errorf("got %+v\nwant %+v", c.Web.Sites, want)
	}
	// With a word of a cluster the whole of it is needed.
	if _, err := config.Load(config.Source{Data: []byte(webSample + "cluster: {interval: 1s}\n")}); err == nil || !strings.Contains(err.Error(), "mysql.listen") {
		t.Errorf("an incomplete cluster: %v", err)
	}
}

func TestSiteWithEverything(t *testing.T) {
	const text = `
web:
  listen: :80
  tls: {listen: :443, cert_file: cert.pem}
  pools: [{name: php, backends: [a:9000]}]
  sites:
    - hosts: [Example.COM., "*.example.com", "[::1]"]
      root: www
      pool: php
      script_root: /srv/www/
      scripts: [/index.php, /admin/**.php]
      index: [index.html]
      front_controller: /app.php
      max_body: 1GiB
      compress: false
      max_age: 1h
      redirect_to_https: true
      hsts: 8760h
      error_pages: errors
      accel_root: /srv/files
      cert_file: own.pem
      key_file: own.key
      cache: 5s
      cache_stale: 1m
      cache_stale_if_error: 1h
      cache_ignore_cookies: [theme_]
      cache_bypass_paths: [/shop/]
      cache_by_device: true
`
	c := load(t, config.Source{File: "/etc/galley/galley.yaml", Data: []byte(text)})
	want := config.Site{
		Hosts: []string{"example.com", "*.example.com", "::1"}, Root: "/etc/galley/www", Pool: "php", Preset: config.PresetNone, ScriptRoot: "/srv/www",
		Scripts: []string{"/index.php", "/admin/**.php"}, Index: []string{"index.html"}, FrontController: "/app.php", MaxBody: 1 << 30,
		MaxAge: time.Hour, RedirectToHTTPS: true, HSTS: 8760 * time.Hour, ErrorPages: "/etc/galley/errors", AccelRoot: "/srv/files", CertFile: "/etc/galley/own.pem", KeyFile: "/etc/galley/own.key",
		Cache: 5 * time.Second, CacheStale: time.Minute, CacheStaleIfError: time.Hour, CacheIgnoreCookies: []string{"theme_"}, CacheBypassPaths: []string{"/shop/"}, CacheByDevice: true,
	}
	if !reflect.DeepEqual(c.Web.Sites, []config.Site{want}) {
		t.Errorf("got %+v\nwant %+v", c.Web.Sites, want)
	}
}

// TestACMEHasAHost: where no certificate can be made for any host, that is said.
func TestACMEHasAHost(t *testing.T) {
	of := func(site string) string {
		c := load(t, config.Source{Data: []byte("web:\n  listen: :80\n  tls: {listen: ':443'}\n  acme: {agree: true, storage: /acme}\n  sites: [" + site + "]\n")})
		var all strings.Builder
		for _, w := range c.Warnings() {
			all.WriteString(w.String())
		}
		return all.String()
	}
	if got := of("{hosts: ['*'], root: /var/www}"); !strings.Contains(got, "no site has a host for which a certificate can be made") {
		t.Errorf("got %q", got)
	}
	if got := of("{hosts: ['*', example.com], root: /var/www}"); got != "" {
		t.Errorf("got %q", got)
	}
}
