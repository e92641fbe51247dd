package config

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// acmeSettings are those of certificates that come by themselves.
func acmeSettings() []Setting {
	mac := func(c *Config) *Secret { return &c.Web.ACME.EABMACKey }
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
		}, {
			Path: "web.acme.eab_key_id", Type: "text", Restart: true,
			Doc:     "Key identifier of the external account binding, where the authority asks for one: ZeroSSL, Google, Sectigo and others give it with a key.",
			binding: text(func(c *Config) *string { return &c.Web.ACME.EABKeyID }, parseKeyID),
		}, {
			Path: "web.acme.eab_mac_key", Type: "secret", Secret: true, pair: "web.acme.eab_mac_key_file", Restart: true,
			Doc:     "That key (HMAC), in base64url as the authority gives it.",
			binding: secret(mac, parseMACKey),
		}, {
			Path: "web.acme.eab_mac_key_file", Type: "path", pair: "web.acme.eab_mac_key", Restart: true,
			Doc:     "File that holds the key instead.",
			binding: secretFile(func(c *Config) *string { return &c.Web.ACME.EABMACKeyFile }, mac, parseMACKey),
		},
	}
}

// parseKeyID takes ASCII (RFC 8555, section 7.3.4).
func parseKeyID(text string) (string, *mistake) {
	if strings.IndexFunc(text, func(c rune) bool { return c <= ' ' || c >= unicode.MaxASCII }) >= 0 {
		return "", &mistake{echo: text, what: "{} is not a key identifier", remedy: "Write it as the authority gives it, without spaces."}
	}
	return nonEmpty(text)
}

// parseMACKey brings a key to base64url without padding; some authorities show it in the other alphabet or with it.
func parseMACKey(text string) (string, *mistake) {
	key := strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) == 0 {
		return "", &mistake{what: "this is not a key in base64url", remedy: "Write the HMAC key of the external account binding as the authority gives it."}
	}
	return key, nil
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
		r.unusedFiles("without web.acme.agree", "web.acme.email", "web.acme.storage", "web.acme.ca_file", "web.acme.eab_key_id", "web.acme.eab_mac_key", "web.acme.eab_mac_key_file")
		return
	}
	r.validateACME()
}

// validateACME finds what no certificate can be made with, or for.
func (r *reader) validateACME() {
	w := &r.cfg.Web
	if a := &w.ACME; (a.EABKeyID == "") != a.EABMACKey.IsZero() && r.sound("web.acme.eab_key_id", "web.acme.eab_mac_key", "web.acme.eab_mac_key_file") {
		at := r.at("web.acme.eab_key_id", "web.acme.eab_mac_key", "web.acme.eab_mac_key_file")
		if a.EABKeyID == "" {
			r.report.add(at, "web.acme.eab_key_id", &mistake{what: "an external account binding has a key and its identifier, and there is only the key", remedy: "Give web.acme.eab_key_id too, or take the key out."})
		} else {
			r.report.add(at, "web.acme.eab_mac_key", &mistake{what: "an external account binding has a key and its identifier, and there is only the identifier", remedy: "Give web.acme.eab_mac_key_file too, or take the identifier out."})
		}
	}
	if !r.sound("web.sites") {
		return
	}
	made := 0
	for i := range w.Sites {
		s := &w.Sites[i]
		made += len(w.ACMEHosts(s))
		pattern := slices.IndexFunc(s.Hosts, func(host string) bool { return strings.HasPrefix(host, "*.") })
		if pattern < 0 || s.CertFile != "" || w.TLS.CertFile != "" {
			continue
		}
		r.report.add(r.siteAt(i), itemPath("web.sites", i)+".hosts", &mistake{
			echo: s.Hosts[pattern], what: "{} can have no certificate by ACME: authorities sign a name with * only for who changes its DNS, which galley cannot do",
			remedy: "Name the hosts one by one; or give the site a cert_file that is good for them, or web.tls.cert_file one for all.",
		})
	}
	if made == 0 {
		r.report.warn(r.at("web.acme.agree"), "web.acme.agree", &mistake{
			what:   "no site has a host for which a certificate can be made",
			remedy: "That is a name without *, for letsencrypt of the public DNS, in a site without cert_file.",
		})
	}
}
