package config

import (
	"net/url"
	"strings"
)

// acmeSettings are those of certificates that come by themselves.
func acmeSettings() []Setting {
	return []Setting{
		{
			Path: "web.acme.agree", Type: "boolean", Default: "false", Restart: true,
			Doc:     "Agree to the terms of the certificate authority, and have it sign certificates for the hosts of sites that have no cert_file.",
			binding: boolean(func(c *Config) *bool { return &c.Web.ACME.Agree }),
		}, {
			Path: "web.acme.email", Type: "mail address", Restart: true,
			Doc:     "Where the authority writes to when something is wrong with a certificate.",
			binding: text(func(c *Config) *string { return &c.Web.ACME.Email }, parseEmail),
		}, {
			Path: "web.acme.directory", Type: "letsencrypt, staging or URL", Default: ACMELetsEncrypt, Restart: true,
			Doc:     "The authority: Let's Encrypt, its staging environment, whose certificates no browser believes, or the address of another one's ACME directory.",
			binding: text(func(c *Config) *string { return &c.Web.ACME.Directory }, parseDirectory),
		}, {
			Path: "web.acme.storage", Type: "path", Restart: true,
			Doc:     "Directory for the account, keys and certificates, which galley makes. Several galleys of the same sites share one.",
			binding: file(func(c *Config) *string { return &c.Web.ACME.Storage }),
		}, {
			Path: "web.acme.ca_file", Type: "path", Restart: true,
			Doc:     "Authorities that sign the certificate of the directory's own address; the system's if not given.",
			binding: file(func(c *Config) *string { return &c.Web.ACME.CAFile }),
		},
	}
}

func parseEmail(text string) (string, *mistake) {
	name, host, ok := strings.Cut(text, "@")
	if !ok || name == "" || host == "" || strings.ContainsAny(text, " \t,<>") || strings.Contains(host, "@") {
		return "", &mistake{echo: text, what: "{} is not an address for mail", remedy: "Write it as admin@example.com."}
	}
	return printableText(text)
}

func parseDirectory(text string) (string, *mistake) {
	if text == ACMELetsEncrypt || text == ACMEStaging {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", &mistake{echo: text, what: "{} is not the directory of a certificate authority", remedy: "Write letsencrypt, staging, or an address that begins with https://."}
	}
	return printableText(text)
}

// validateWebTLS finds HTTPS without certificates, and settings of it that lead nowhere.
func (r *reader) validateWebTLS() {
	w := &r.cfg.Web
	own := false
	for i := range w.Sites {
		s := &w.Sites[i]
		own = own || s.CertFile != ""
		if s.KeyFile != "" && s.CertFile == "" {
			r.report.add(r.siteAt(i), itemPath("web.sites", i)+".key_file", &mistake{what: "there is a key without a certificate", remedy: "Give cert_file, or take key_file out."})
		}
		if s.CertFile != "" && w.TLS.Listen == "" {
			r.report.warn(r.siteAt(i), itemPath("web.sites", i)+".cert_file", &mistake{what: "this has no effect, as there is no web.tls.listen", remedy: "Give web.tls.listen, or take it out."})
		}
	}
	if w.TLS.Listen == "" {
		r.unusedFiles("as there is no web.tls.listen", "web.tls.cert_file", "web.tls.key_file")
		if w.ACME.Agree {
			r.unusedFiles("as there is no web.tls.listen", "web.acme.agree")
		}
		if w.HTTP3 {
			r.unusedFiles("as there is no web.tls.listen", "web.http3")
		}
		return
	}
	if w.TLS.CertFile == "" && !own && !w.ACME.Agree && r.sound("web.tls.cert_file", "web.acme.agree") {
		r.report.add(r.at("web.tls.listen"), "web.tls.cert_file", &mistake{
			what: "HTTPS needs a certificate", remedy: "Give web.tls.cert_file (and key_file), or one in each site, or web.acme; or take web.tls.listen out.",
		})
	}
	if w.ACME.Agree && w.ACME.Storage == "" && r.sound("web.acme.storage") {
		r.report.add(r.at("web.acme.agree"), "web.acme.storage", &mistake{what: "certificates need a place to stay", remedy: "Give web.acme.storage, for example /var/lib/galley/acme."})
	}
	if !w.ACME.Agree {
		r.unusedFiles("without web.acme.agree", "web.acme.email", "web.acme.storage", "web.acme.ca_file")
	}
}
