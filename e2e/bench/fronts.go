package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"galley/cluster/clusterlab"
)

// The doors of the web part besides galley and HAProxy.
const (
	doorNginx = "nginx"
	doorCaddy = "caddy"
)

// keptFor is how long all fronts keep a connection that has nothing to do: until its turn comes again.
const keptFor = "600s"

// connectionLimit is how many clients a front may have: with two sockets each, what is usually allowed.
const connectionLimit = 8000

// starters start the fronts, each with its best reasonable configuration; see doc.go.
func (w *webStage) starters(s *site) map[string]func() (*door, error) {
	all := map[string]func() (*door, error){
		doorNginx: func() (*door, error) { return w.startFront(s, doorNginx, doorNginx, w.nginx, "-e", "stderr", "-c") },
		doorCaddy: func() (*door, error) { // It writes to the home directory otherwise.
			return w.startFront(s, doorCaddy, "env", w.caddy, "XDG_CONFIG_HOME="+w.dir, "XDG_DATA_HOME="+w.dir, doorCaddy, "run", "--adapter", "caddyfile", "--config")
		},
		doorHAProxy: func() (*door, error) { return w.startFront(s, doorHAProxy, s.haproxy, w.haproxy, "-db", "-f") },
		doorGalley:  func() (*door, error) { return w.startFront(s, doorGalley, s.plan.galley, w.galley, "serve", "-c") },
	}
	if s.plan.other != "" {
		all[doorOther] = func() (*door, error) { return w.startFront(s, doorOther, s.plan.other, w.galley, "serve", "-c") }
	}
	return all
}

func (w *webStage) startFronts(ctx context.Context, s *site) error {
	for _, name := range []string{doorNginx, doorCaddy, doorHAProxy, doorGalley, doorOther} {
		start := w.starters(s)[name]
		if start == nil {
			continue
		}
		d, err := start()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.fronts = append(w.fronts, d)
	}
	for _, d := range w.fronts {
		if err := w.check(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// frontConfig is what a configuration is written from.
type frontConfig struct {
	listen, admin string
	dir           string // Of its own.
	cpus          int
}

// startFront writes a configuration and starts a front with it as its last argument.
func (w *webStage) startFront(s *site, name, program string, text func(frontConfig) string, args ...string) (*door, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), s.next()))
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // nginx' workers may be another user
		return nil, err
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(text(frontConfig{listen: addrs[0], admin: addrs[1], dir: dir, cpus: s.plan.pin.proxyCPUs()})), 0o644); err != nil { //nolint:gosec // no secrets
		return nil, err
	}
	p, err := s.startProxy(name, path, append(args, file)...)
	if err != nil {
		return nil, err
	}
	return &door{name: name, reads: addrs[0], writes: addrs[0], proxy: p}, nil
}

// check waits until a front answers, and compares what it answers with what is to be answered.
func (w *webStage) check(ctx context.Context, d *door) error {
	for _, p := range pages() {
		if !p.at(d.name) {
			continue
		}
		if err := d.proxy.await(ctx, func(ctx context.Context) error { return w.same(ctx, d, p) }); err != nil {
			return fmt.Errorf("%s: %w", p.test, err)
		}
	}
	return nil
}

func (w *webStage) same(ctx context.Context, d *door, p page) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.reads+p.path, nil)
	if err != nil {
		return err
	}
	req.Host = p.host
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s%s: %s", p.host, p.path, resp.Status)
	case p.size > 0 && len(body) != p.size:
		return fmt.Errorf("%s%s: %d bytes, not %d", p.host, p.path, len(body), p.size)
	case !strings.Contains(string(body), p.contains):
		return fmt.Errorf("%s%s does not contain %q", p.host, p.path, p.contains)
	}
	return nil
}

// nginx is nginx' configuration. A connection to php-fpm for each request: kept ones hold workers, and those of one front would starve the others.
func (w *webStage) nginx(c frontConfig) string {
	var b strings.Builder
	if os.Geteuid() == 0 {
		b.WriteString("user root;\n")
	}
	fmt.Fprintf(&b, "daemon off;\nworker_processes %d;\nworker_rlimit_nofile 16384;\npid %s/pid;\nerror_log stderr error;\nevents { worker_connections %d; }\nhttp {\n", c.cpus, c.dir, connectionLimit)
	b.WriteString("  types { text/html html; image/jpeg jpg; }\n  default_type application/octet-stream;\n  access_log off;\n  gzip off;\n  sendfile on;\n  tcp_nopush on;\n" +
		"  open_file_cache max=1000 inactive=60s;\n  open_file_cache_valid 30s;\n  keepalive_requests 1000000000;\n  fastcgi_buffer_size 16k;\n  fastcgi_buffers 16 16k;\n")
	fmt.Fprintf(&b, "  keepalive_timeout %s;\n", keptFor)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "  %s_temp_path %s/%s;\n", kind, c.dir, kind)
	}
	fmt.Fprintf(&b, "  fastcgi_cache_path %s/cache levels=1:2 keys_zone=pages:10m max_size=100m inactive=60m use_temp_path=off;\n", c.dir)
	for name, pool := range w.pools() {
		fmt.Fprintf(&b, "  upstream %s {\n    zone %s 64k;\n    least_conn;\n", name, name)
		for _, fpm := range pool {
			fmt.Fprintf(&b, "    server %s;\n", fpm.Addr())
		}
		b.WriteString("  }\n")
	}
	for _, host := range hosts() {
		fmt.Fprintf(&b, "  server {\n    listen %s;\n    server_name %s;\n    root %s;\n    index index.php;\n    location / { try_files $uri $uri/ /index.php$is_args$args; }\n    location ~ \\.php$ {\n"+
			"      try_files $uri =404;\n      fastcgi_pass %s;\n", c.listen, host, w.root, poolOf(host))
		for _, param := range []string{
			"SCRIPT_FILENAME $document_root$fastcgi_script_name", "QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type",
			"CONTENT_LENGTH $content_length", "SCRIPT_NAME $fastcgi_script_name", "REQUEST_URI $request_uri", "DOCUMENT_URI $document_uri", "DOCUMENT_ROOT $document_root",
			"SERVER_PROTOCOL $server_protocol", "REQUEST_SCHEME $scheme", "GATEWAY_INTERFACE CGI/1.1", "SERVER_SOFTWARE nginx", "REMOTE_ADDR $remote_addr", "REMOTE_PORT $remote_port",
			"SERVER_ADDR $server_addr", "SERVER_PORT $server_port", "SERVER_NAME $server_name", "REDIRECT_STATUS 200",
		} {
			fmt.Fprintf(&b, "      fastcgi_param %s;\n", param)
		}
		if host == hostCached {
			b.WriteString("      fastcgi_cache pages;\n      fastcgi_cache_key $scheme$host$request_uri;\n      fastcgi_cache_valid 200 10m;\n      fastcgi_cache_lock on;\n      fastcgi_cache_use_stale updating error timeout;\n")
		}
		b.WriteString("    }\n  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// caddy is Caddy's configuration: no administration, no certificates.
func (w *webStage) caddy(c frontConfig) string {
	_, port, _ := strings.Cut(c.listen, ":")
	var b strings.Builder
	fmt.Fprintf(&b, "{\n  admin off\n  auto_https off\n  storage file_system %s\n  servers {\n    protocols h1\n    timeouts {\n      idle %s\n    }\n  }\n}\n", c.dir, keptFor)
	for _, host := range hosts() {
		if host == hostCached {
			continue
		}
		fmt.Fprintf(&b, "http://%s:%s {\n  bind 127.0.0.1\n  root * %s\n  php_fastcgi", host, port, w.root)
		for _, fpm := range w.pools()[poolOf(host)] {
			fmt.Fprintf(&b, " %s", fpm.Addr())
		}
		b.WriteString(" {\n    lb_policy least_conn\n  }\n  file_server\n}\n")
	}
	return b.String()
}

// haproxy is HAProxy's configuration. It queues at as many requests as there are workers.
func (w *webStage) haproxy(c frontConfig) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global\n    maxconn %d\ndefaults\n    mode http\n    balance leastconn\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n    timeout queue 1h\n    timeout http-keep-alive %s\n",
		connectionLimit, keptFor)
	fmt.Fprintf(&b, "fcgi-app php\n    docroot %s\n    index index.php\n    no option keep-conn\ncache pages\n    total-max-size 64\n    max-object-size 1000000\n    max-age 600\n", w.root)
	fmt.Fprintf(&b, "frontend web\n    bind %s\n", c.listen)
	for _, host := range hosts() {
		fmt.Fprintf(&b, "    use_backend %s if { hdr(host) %s }\n", host, host)
	}
	for _, host := range hosts() {
		fmt.Fprintf(&b, "backend %s\n    use-fcgi-app php\n", host)
		if host == hostCached {
			b.WriteString("    http-request cache-use pages\n    http-response set-header Cache-Control max-age=600\n    http-response cache-store pages\n")
		}
		for i, fpm := range w.pools()[poolOf(host)] {
			fmt.Fprintf(&b, "    server fpm%d %s proto fcgi maxconn %d\n", i, fpm.Addr(), fpmWorkers)
		}
	}
	return b.String()
}

// galley is galley's configuration.
func (w *webStage) galley(c frontConfig) string {
	var b strings.Builder
	fmt.Fprintf(&b, "admin: {listen: %q}\nweb:\n  listen: %q\n  max_connections: %d\n  idle_timeout: %s\n  pools:\n", c.admin, c.listen, connectionLimit, keptFor)
	for name, pool := range w.pools() {
		fmt.Fprintf(&b, "    - name: %s\n      status_path: %s\n      queue_time: 1h\n      backends:\n", name, clusterlab.FPMStatusPath)
		for _, fpm := range pool {
			fmt.Fprintf(&b, "        - {address: %q, status_listen: %q}\n", fpm.Addr(), fpm.StatusAddr())
		}
	}
	b.WriteString("  sites:\n")
	for _, host := range hosts() {
		cache := ""
		if host == hostCached {
			cache = ", cache: 10m"
		}
		fmt.Fprintf(&b, "    - {hosts: [%s], root: %q, pool: %s, preset: wordpress%s}\n", host, w.root, poolOf(host), cache)
	}
	return b.String()
}

func hosts() []string { return []string{hostPlain, hostCached, hostUneven} }

// The names of the pools in the configurations.
const poolEven, poolUneven = "even", "uneven"

func poolOf(host string) string {
	if host == hostUneven {
		return poolUneven
	}
	return poolEven
}

func (w *webStage) pools() map[string][]*clusterlab.FPM {
	return map[string][]*clusterlab.FPM{poolEven: w.even, poolUneven: w.uneven}
}
