package config

import (
	"io/fs"
	"net/netip"
	"path/filepath"
	"strconv"
)

// doorSettings are those of the connections of clients: where they come in, from whom, and by TLS.
func doorSettings() []Setting {
	return []Setting{
		{
			Path: "mysql.socket", Type: "path", Restart: true,
			Doc:     "Unix socket where MySQL clients connect as well.",
			binding: text(func(c *Config) *string { return &c.MySQL.Socket }, parseSocket),
		}, {
			Path: "mysql.socket_mode", Type: "file mode", Default: "0660", Restart: true,
			Doc:     "Mode of the socket, in octal.",
			binding: scalar(func(c *Config) *fs.FileMode { return &c.MySQL.SocketMode }, parseMode, showMode),
		}, {
			Path: "mysql.socket_group", Type: "text", Restart: true,
			Doc:     "Group of the socket, by name or number; galley's own if not given.",
			binding: text(func(c *Config) *string { return &c.MySQL.SocketGroup }, nonEmpty),
		}, {
			Path: "mysql.proxy_protocol_networks", Type: "list of networks",
			Doc:     "Networks of the load balancers that begin each connection with a PROXY protocol header (version 1 or 2). From there the header is required, from elsewhere it is not read.",
			binding: list(func(c *Config) *[]netip.Prefix { return &c.MySQL.ProxyNetworks }, words(parseNetwork), netip.Prefix.String),
		}, {
			Path: "mysql.tls.mode", Type: "off, optional or required",
			Doc:     "TLS towards clients. If not given: optional where there is a certificate, else off. With required a client must use TLS or the unix socket.",
			binding: text(func(c *Config) *string { return &c.MySQL.TLS.Mode }, oneOf(TLSOff, TLSOptional, TLSRequired)),
		}, {
			Path: "mysql.tls.cert_file", Type: "path",
			Doc:     "Galley's certificate with its chain, in PEM. It is read again when it changes.",
			binding: file(func(c *Config) *string { return &c.MySQL.TLS.CertFile }),
		}, {
			Path: "mysql.tls.key_file", Type: "path",
			Doc:     "Its key; if not given it is in cert_file.",
			binding: file(func(c *Config) *string { return &c.MySQL.TLS.KeyFile }),
		}, {
			Path: "mysql.tls.ca_file", Type: "path",
			Doc:     "Authorities that sign the certificates of clients. With it a client that has one gives it, for accounts with REQUIRE X509, ISSUER or SUBJECT.",
			binding: file(func(c *Config) *string { return &c.MySQL.TLS.CAFile }),
		}, {
			Path: "mysql.tls.min_version", Type: "1.2 or 1.3", Default: "1.2",
			Doc:     "The oldest TLS that clients may use.",
			binding: text(func(c *Config) *string { return &c.MySQL.TLS.MinVersion }, oneOf("1.2", "1.3")),
		},
	}
}

// linkSettings are those of galley's connections to nodes.
func linkSettings() []Setting {
	return []Setting{
		{
			Path: "cluster.tls.mode", Type: "off, preferred, required, verify_ca or verify_identity", Default: TLSOff,
			Doc: "TLS towards nodes, for the monitor and for backend connections. preferred: where the node offers it; required: always; " +
				"verify_ca: and its certificate is of ca_file; verify_identity: and it is the node's own, by its host name or address.",
			binding: text(func(c *Config) *string { return &c.Cluster.TLS.Mode }, oneOf(TLSOff, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity)),
		}, {
			Path: "cluster.tls.ca_file", Type: "path",
			Doc:     "Authorities that sign the nodes' certificates; the system's if not given.",
			binding: file(func(c *Config) *string { return &c.Cluster.TLS.CAFile }),
		}, {
			Path: "cluster.tls.cert_file", Type: "path",
			Doc:     "Galley's own certificate towards nodes, for accounts with REQUIRE X509, ISSUER or SUBJECT.",
			binding: file(func(c *Config) *string { return &c.Cluster.TLS.CertFile }),
		}, {
			Path: "cluster.tls.key_file", Type: "path",
			Doc:     "Its key; if not given it is in cert_file.",
			binding: file(func(c *Config) *string { return &c.Cluster.TLS.KeyFile }),
		}, {
			Path: "cluster.tls.server_name", Type: "text",
			Doc:     "Name that verify_identity looks for in every node's certificate, instead of the node's own host.",
			binding: text(func(c *Config) *string { return &c.Cluster.TLS.ServerName }, nonEmpty),
		}, {
			Path: "cluster.send_proxy_protocol", Type: "boolean", Default: "false", Restart: true,
			Doc:     "Tell nodes each client's own address by a PROXY protocol header, so that they match accounts against it. The nodes' proxy_protocol_networks must have galley's address.",
			binding: boolean(func(c *Config) *bool { return &c.Cluster.SendProxyProtocol }),
		},
	}
}

// file binds the path of a file; a relative one starts from the directory of the configuration file.
func file(at func(*Config) *string) binding {
	b := text(at, nonEmpty)
	read := b.read
	b.read = func(r *reader, in value, path string) {
		if in.kind == kindScalar && in.text != "" && in.at.doc != nil && !filepath.IsAbs(in.text) {
			in.text = filepath.Join(in.at.doc.base, in.text)
		}
		read(r, in, path)
	}
	return b
}

func parseMode(text string) (fs.FileMode, *mistake) {
	n, err := strconv.ParseUint(text, 8, 16)
	if err != nil || n > 0o777 || n == 0 {
		return 0, &mistake{echo: text, what: "{} is not a file mode", remedy: "Write it in octal, for example 0660 (the owner and the group) or 0666 (everybody)."}
	}
	return fs.FileMode(n), nil
}

func showMode(m fs.FileMode) string { return "0" + strconv.FormatUint(uint64(m), 8) }
