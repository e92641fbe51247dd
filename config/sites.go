package config

import (
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

func siteKeys() []string {
	return []string{
		"hosts", "root", "pool", "preset", "script_root", "scripts", "index", "front_controller", "max_body", "compress", "max_age", "redirect_to_https", "hsts", "error_pages", "accel_root", "cert_file", "key_file",
		"cache", "cache_stale", "cache_stale_if_error", "cache_ignore_cookies", "cache_bypass_paths", "cache_by_device",
	}
}

const siteExample = "Write {hosts: [example.com], root: /var/www/example.com, pool: php}."

// defaultMaxBody is the largest upload where a site says nothing: what plugins and themes of WordPress need.
const defaultMaxBody = 128 * mebi

// How long a cached page may be shown behind its time where a site says nothing: while it is made anew, and while there is no other.
const (
	defaultStale        = 10 * time.Minute
	defaultStaleIfError = 24 * time.Hour
)

// plainSite is a site of which nothing is said.
func plainSite() Site {
	return Site{Preset: PresetNone, Index: []string{"index.php", "index.html"}, MaxBody: defaultMaxBody, Compress: true, CacheStale: defaultStale, CacheStaleIfError: defaultStaleIfError}
}

// sitesBinding prints sites as they are written in the file.
func sitesBinding() binding {
	at := func(c *Config) *[]Site { return &c.Web.Sites }
	b := listOf(at, readSite, func(s Site) string { return strings.Join(s.Hosts, " ") })
	b.plain = func(c *Config) any {
		out := make([]any, 0, len(*at(c)))
		for i := range *at(c) {
			out = append(out, plainSiteOf(&(*at(c))[i]))
		}
		return out
	}
	return b
}

// plainSiteOf is a site as a file would say it, without what is as usual.
func plainSiteOf(s *Site) yaml.MapSlice {
	usual := plainSite()
	item := yaml.MapSlice{{Key: "hosts", Value: s.Hosts}}
	add := func(key string, v any, differs bool) {
		if differs {
			item = append(item, yaml.MapItem{Key: key, Value: v})
		}
	}
	add("root", s.Root, s.Root != "")
	add("pool", s.Pool, s.Pool != "")
	add("preset", s.Preset, s.Preset != usual.Preset)
	add("script_root", s.ScriptRoot, s.ScriptRoot != "")
	add("scripts", s.Scripts, len(s.Scripts) > 0)
	add("index", s.Index, !slices.Equal(s.Index, usual.Index))
	add("front_controller", s.FrontController, s.FrontController != "")
	add("max_body", s.MaxBody.String(), s.MaxBody != usual.MaxBody)
	add("compress", s.Compress, !s.Compress)
	add("max_age", showDuration(s.MaxAge), s.MaxAge != 0)
	add("redirect_to_https", true, s.RedirectToHTTPS)
	add("hsts", showDuration(s.HSTS), s.HSTS != 0)
	add("error_pages", s.ErrorPages, s.ErrorPages != "")
	add("accel_root", s.AccelRoot, s.AccelRoot != "")
	add("cert_file", s.CertFile, s.CertFile != "")
	add("key_file", s.KeyFile, s.KeyFile != "")
	add("cache", showDuration(s.Cache), s.Cache != 0)
	add("cache_stale", showDuration(s.CacheStale), s.CacheStale != usual.CacheStale)
	add("cache_stale_if_error", showDuration(s.CacheStaleIfError), s.CacheStaleIfError != usual.CacheStaleIfError)
	add("cache_ignore_cookies", s.CacheIgnoreCookies, len(s.CacheIgnoreCookies) > 0)
	add("cache_bypass_paths", s.CacheBypassPaths, len(s.CacheBypassPaths) > 0)
	add("cache_by_device", true, s.CacheByDevice)
	return item
}

// readSite reads a virtual host.
func readSite(r *reader, in value, at string) (Site, bool) {
	if in.kind == kindBroken {
		return Site{}, false
	}
	if in.kind != kindMapping {
		r.fail(in.at, at, &mistake{what: "a site must be a section, but this is " + in.kind.String(), remedy: siteExample})
		return Site{}, false
	}
	o := object{reader: r, in: in, path: at, keys: siteKeys(), ok: true}
	s := plainSite()
	r.sections[at] = in.at
	o.siteHosts(&s)
	for key, into := range map[string]*string{"root": &s.Root, "error_pages": &s.ErrorPages, "accel_root": &s.AccelRoot, "cert_file": &s.CertFile, "key_file": &s.KeyFile} {
		*into = o.directory(key)
	}
	if f, ok := o.scalar("pool"); ok {
		s.Pool = parsed(&o, f, at+".pool", parseNodeName)
	}
	if f, ok := o.scalar("preset"); ok {
		s.Preset = parsed(&o, f, at+".preset", oneOf(PresetNone, PresetWordPress))
	}
	if f, ok := o.scalar("script_root"); ok {
		s.ScriptRoot = parsed(&o, f, at+".script_root", parseScriptRoot)
	}
	for _, f := range o.words("scripts") {
		s.Scripts = append(s.Scripts, parsed(&o, f, at+".scripts", parseScript))
	}
	if o.has("index") {
		s.Index = nil
	}
	for _, f := range o.words("index") {
		s.Index = append(s.Index, parsed(&o, f, at+".index", parseIndex))
	}
	if f, ok := o.scalar("front_controller"); ok {
		s.FrontController = parsed(&o, f, at+".front_controller", parseScript)
	}
	o.siteLimits(&s)
	o.siteCache(&s)
	if o.ok && s.Root == "" && s.Pool == "" {
		o.missing("root or pool", siteExample)
	}
	if o.ok && s.Root == "" && len(s.Scripts) == 0 && s.Preset == PresetNone {
		o.missing("scripts", "Where galley cannot see the scripts, it needs the list of those that may be run, for example [/index.php].")
	}
	return s, o.finish()
}

// siteHosts reads the hosts of a site, each of which only one site may have.
func (o *object) siteHosts(s *Site) {
	for _, f := range o.words("hosts") {
		host := parsed(o, f, o.path+".hosts", parseSiteHost)
		if host != "" {
			o.ok = o.reader.once("web.sites host "+host, f.at, o.path+".hosts", "another site has this host already") && o.ok
		}
		s.Hosts = append(s.Hosts, host)
	}
	if o.ok && len(s.Hosts) == 0 {
		o.missing("hosts", siteExample)
	}
}

// siteLimits reads what of a site is no path.
func (o *object) siteLimits(s *Site) {
	if f, ok := o.scalar("max_body"); ok {
		s.MaxBody = parsed(o, f, o.path+".max_body", parseSize)
	}
	if f, ok := o.scalar("max_age"); ok {
		s.MaxAge = parsed(o, f, o.path+".max_age", parseAge)
	}
	if f, ok := o.scalar("hsts"); ok {
		s.HSTS = parsed(o, f, o.path+".hsts", parseAge)
	}
	if f, ok := o.scalar("compress"); ok {
		s.Compress = parsed(o, f, o.path+".compress", parseBool)
	}
	if f, ok := o.scalar("redirect_to_https"); ok {
		s.RedirectToHTTPS = parsed(o, f, o.path+".redirect_to_https", parseBool)
	}
}

// siteCache reads what of a site's pages may be kept.
func (o *object) siteCache(s *Site) {
	for key, into := range map[string]*time.Duration{"cache": &s.Cache, "cache_stale": &s.CacheStale, "cache_stale_if_error": &s.CacheStaleIfError} {
		if f, ok := o.scalar(key); ok {
			*into = parsed(o, f, o.path+"."+key, parseAge)
		}
	}
	for _, f := range o.words("cache_ignore_cookies") {
		s.CacheIgnoreCookies = append(s.CacheIgnoreCookies, parsed(o, f, o.path+".cache_ignore_cookies", nonEmpty))
	}
	for _, f := range o.words("cache_bypass_paths") {
		s.CacheBypassPaths = append(s.CacheBypassPaths, parsed(o, f, o.path+".cache_bypass_paths", parsePathPrefix))
	}
	if f, ok := o.scalar("cache_by_device"); ok {
		s.CacheByDevice = parsed(o, f, o.path+".cache_by_device", parseBool)
	}
}

func parsePathPrefix(text string) (string, *mistake) {
	if !strings.HasPrefix(text, "/") {
		return "", &mistake{echo: text, what: "{} is not the beginning of a path", remedy: "Write it from the site's root, for example /shop/."}
	}
	return printableText(text)
}

func parseAge(text string) (time.Duration, *mistake) {
	return parseDuration(text, 0, 10*365*24*time.Hour)
}

// words returns the single values of a key that holds a list.
func (o *object) words(key string) []value {
	f, ok := o.in.field(key)
	if !ok || f.value.kind == kindBroken {
		return nil
	}
	if f.value.kind != kindList {
		o.fail(f.value.at, o.path+"."+key, notList(f.value, o.path+"."+key))
		return nil
	}
	var all []value
	for i, item := range f.value.items {
		if !o.reader.isScalar(item, itemPath(o.path+"."+key, i)) {
			o.ok = false
			continue
		}
		all = append(all, item)
	}
	return all
}

// directory reads a path that starts from the directory of the configuration file where it is relative.
func (o *object) directory(key string) string {
	f, ok := o.scalar(key)
	if !ok {
		return ""
	}
	dir := parsed(o, f, o.path+"."+key, nonEmpty)
	if dir != "" && !filepath.IsAbs(dir) && f.at.doc != nil {
		dir = filepath.Join(f.at.doc.base, dir)
	}
	return dir
}

// parseScript reads the path of a script within a site, or a pattern of such.
func parseScript(text string) (string, *mistake) {
	if !strings.HasPrefix(text, "/") || !strings.HasSuffix(text, ".php") || path.Clean(text) != text {
		return "", &mistake{echo: text, what: "{} is not the path of a script", remedy: "Write it from the site's root and up to .php, for example /index.php or /wp-admin/**.php."}
	}
	return printableText(text)
}

func parseIndex(text string) (string, *mistake) {
	if text == "" || strings.Contains(text, "/") || strings.HasPrefix(text, ".") {
		return "", &mistake{echo: text, what: "{} is not the name of a file", remedy: "Write a name without a directory, for example index.php."}
	}
	return printableText(text)
}

// parseSiteHost reads a host of a site in normal form: lower case, without port and final dot.
func parseSiteHost(text string) (string, *mistake) {
	const remedy = "Write a name as browsers send it, for example www.example.com, *.example.com, or \"*\" for all others."
	host := strings.TrimSuffix(strings.ToLower(text), ".")
	if host == "*" {
		return host, nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.String(), nil
	}
	name := strings.TrimPrefix(host, "*.")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", &mistake{echo: text, what: "{} is not the host of a site", remedy: remedy}
		}
	}
	return host, nil
}
