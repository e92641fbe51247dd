package config

import (
	"net/netip"
	"strings"
	"time"
)

// webSettings are those of the front door for browsers.
func webSettings() []Setting {
	return []Setting{
		{
			Path: "web.listen", Type: "address", Restart: true,
			Doc:     "Where browsers connect by HTTP, host:port. :80 is all addresses.",
			binding: text(func(c *Config) *string { return &c.Web.Listen }, listenOn("8080")),
		}, {
			Path: "web.tls.listen", Type: "address", Restart: true,
			Doc:     "Where browsers connect by HTTPS (HTTP/1.1 and HTTP/2), host:port.",
			binding: text(func(c *Config) *string { return &c.Web.TLS.Listen }, listenOn("8443")),
		}, {
			Path: "web.tls.cert_file", Type: "path",
			Doc:     "The certificate of the sites with its chain, in PEM. It is read again when it changes.",
			binding: file(func(c *Config) *string { return &c.Web.TLS.CertFile }),
		}, {
			Path: "web.tls.key_file", Type: "path",
			Doc:     "Its key; if not given it is in cert_file.",
			binding: file(func(c *Config) *string { return &c.Web.TLS.KeyFile }),
		}, {
			Path: "web.tls.min_version", Type: "1.2 or 1.3", Default: "1.2",
			Doc:     "The oldest TLS that browsers may use.",
			binding: text(func(c *Config) *string { return &c.Web.TLS.MinVersion }, oneOf("1.2", "1.3")),
		}, {
			Path: "web.http3", Type: "boolean", Default: "false", Restart: true,
			Doc:     "Serve HTTP/3 (QUIC, over UDP) at the address of web.tls.listen as well, and tell browsers of it.",
			binding: boolean(func(c *Config) *bool { return &c.Web.HTTP3 }),
		}, {
			Path: "web.proxy_protocol_networks", Type: "list of networks", Restart: true,
			Doc:     "Networks of the load balancers that begin each connection with a PROXY protocol header (version 1 or 2). From there the header is required, from elsewhere it is not read.",
			binding: list(func(c *Config) *[]netip.Prefix { return &c.Web.ProxyNetworks }, words(parseNetwork), netip.Prefix.String),
		}, {
			Path: "web.trusted_networks", Type: "list of networks",
			Doc:     "Networks of the reverse proxies whose X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and X-Request-Id are believed. From elsewhere these headers are replaced.",
			binding: list(func(c *Config) *[]netip.Prefix { return &c.Web.TrustedNetworks }, words(parseNetwork), netip.Prefix.String),
		}, {
			Path: "web.sites", Type: "list of {hosts, root, pool, …}",
			Doc:     "The virtual hosts: " + strings.Join(siteKeys(), ", ") + ". hosts are names, *.name, or * for every other.",
			binding: sitesBinding(),
		}, {
			Path: "web.access_log", Type: "path, stdout or off", Default: AccessLogOff, Restart: true,
			Doc:     "Where each request gets a line.",
			binding: text(func(c *Config) *string { return &c.Web.AccessLog }, nonEmpty),
		}, {
			Path: "web.access_log_format", Type: "combined or json", Default: AccessLogCombined, Restart: true,
			Doc:     "combined is that of Apache and nginx with the times and the request id behind it, json one object a line.",
			binding: text(func(c *Config) *string { return &c.Web.AccessLogFormat }, oneOf(AccessLogCombined, AccessLogJSON)),
		},
	}
}

// webLimitSettings bound what clients of the web tier may do.
func webLimitSettings() []Setting {
	return []Setting{
		{
			Path: "web.max_connections", Type: "number", Default: "10000",
			Doc:     "Connections of browsers at a time; one more is answered with 503.",
			binding: number(func(c *Config) *int { return &c.Web.MaxConnections }, 1, maxLimit),
		}, {
			Path: "web.max_header", Type: "size", Default: "64KiB", Restart: true,
			Doc:     "Largest request without its body.",
			binding: size(func(c *Config) *Size { return &c.Web.MaxHeader }, 4*kibi, mebi),
		}, {
			Path: "web.max_uri", Type: "size", Default: "16KiB",
			Doc:     "Longest address of a request, with its query.",
			binding: size(func(c *Config) *Size { return &c.Web.MaxURI }, 256, mebi),
		}, {
			Path: "web.header_timeout", Type: "duration", Default: "10s", Restart: true,
			Doc:     "How long a client may take to send a request without its body.",
			binding: duration(func(c *Config) *time.Duration { return &c.Web.HeaderTimeout }, 10*time.Millisecond, time.Hour),
		}, {
			Path: "web.idle_timeout", Type: "duration", Default: "75s", Restart: true,
			Doc:     "How long a client may be silent between two requests.",
			binding: duration(func(c *Config) *time.Duration { return &c.Web.IdleTimeout }, 10*time.Millisecond, 24*time.Hour),
		}, {
			Path: "web.write_timeout", Type: "duration", Default: "60s", Restart: true,
			Doc:     "How long a client may take none of its answer before its connection is closed.",
			binding: duration(func(c *Config) *time.Duration { return &c.Web.WriteTimeout }, 10*time.Millisecond, 24*time.Hour),
		}, {
			Path: "web.min_body_rate", Type: "size", Default: "512",
			Doc:     "Bytes a second that a client has to send of a body, after ten seconds for the start; else 408.",
			binding: size(func(c *Config) *Size { return &c.Web.MinBodyRate }, 1, gibi),
		}, {
			Path: "web.grace", Type: "duration", Default: "30s",
			Doc:     "How long running requests may take after SIGTERM.",
			binding: duration(func(c *Config) *time.Duration { return &c.Web.Grace }, 0, 24*time.Hour),
		}, {
			Path: "web.temp_dir", Type: "path",
			Doc:     "Directory for bodies that are too large for memory, in files without a name; the system's if not given.",
			binding: file(func(c *Config) *string { return &c.Web.TempDir }),
		}, {
			Path: "web.max_buffered", Type: "size", Default: "1GiB",
			Doc:     "How much of an answer of PHP is taken ahead of a slow client, so that the worker is free.",
			binding: size(func(c *Config) *Size { return &c.Web.MaxBuffered }, 4*kibi, 1024*gibi),
		}, {
			Path: "web.page_cache", Type: "size", Default: "128MiB", Restart: true,
			Doc:     "Memory for pages of the sites that have a cache.",
			binding: size(func(c *Config) *Size { return &c.Web.PageCache }, 4*kibi, 64*gibi),
		}, {
			Path: "web.purge_networks", Type: "list of networks",
			Doc:     "Networks from which pages may be purged, besides this machine: PURGE /path, PURGE /path/* and PURGE with X-Cache-Tags, or GET /purge/path.",
			binding: list(func(c *Config) *[]netip.Prefix { return &c.Web.PurgeNetworks }, words(parseNetwork), netip.Prefix.String),
		}, {
			Path: "web.file_cache", Type: "size", Default: "64MiB", Restart: true,
			Doc:     "Memory for small files; 0 is none.",
			binding: size(func(c *Config) *Size { return &c.Web.FileCache }, 0, 64*gibi),
		},
	}
}
