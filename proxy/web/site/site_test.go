package site_test

import (
	"path"
	"strings"
	"testing"

	"galley/proxy/web/site"
)

// tree is a root by its files; a directory is what a file is in.
type tree map[string]bool

func (t tree) Is(p string) site.Kind {
	if t[p] {
		return site.File
	}
	if p == "/" {
		return site.Directory
	}
	for name := range t {
		if strings.HasPrefix(name, p+"/") {
			return site.Directory
		}
	}
	return site.Nothing
}

func root() tree {
	t := tree{}
	for _, name := range []string{
		"/index.php", "/wp-login.php", "/wp-config.php", "/wp-config.php.bak", "/wp-config.php~", "/readme.html", "/style.css", "/a b.txt", "/.env", "/.git/config",
		"/.well-known/acme/x", "/wp-admin/index.php", "/wp-admin/css/a.css", "/wp-admin/post.php", "/wp-content/uploads/x.php", "/wp-content/uploads/x.jpg", "/wp-content/uploads/x.php.jpg",
		"/wp-content/debug.log", "/wp-includes/version.php", "/wp-includes/ms-files.php", "/wp-includes/js/a.js", "/SHOUT.PHP", "/x.phtml", "/x.phar", "/docs/index.html", "/empty/sub/y.txt",
		"/app.php/readme.txt", "/dump.sql.gz", "/index.php5",
	} {
		t[name] = true
	}
	return t
}

func show(r site.Route) string {
	switch r.Action {
	case site.Refuse:
		return "no " + string(r.Reason)
	case site.Redirect:
		return "to " + r.Path
	case site.Serve:
		return "file " + r.Path
	case site.Run:
	}
	return strings.TrimSpace("run " + r.Path + " " + r.PathInfo)
}

func wordpress() *site.Site {
	return &site.Site{WordPress: true, PHP: true, Index: []string{"index.php", "index.html"}, FrontController: "/index.php"}
}

func TestRoute(t *testing.T) {
	plain := &site.Site{PHP: true, Index: []string{"index.php", "index.html"}}
	for _, test := range []struct{ path, wordpress, plain string }{
		{"/", "run /index.php", "run /index.php"},
		{"/style.css", "file /style.css", "file /style.css"},
		{"/style.css/", "run /index.php", "no not_found"},
		{"/2024/05/hello/", "run /index.php", "no not_found"},
		{"/2024/05/hello", "run /index.php", "no not_found"},
		{"/index.php", "run /index.php", "run /index.php"},
		{"/index.php/2024/x", "run /index.php /2024/x", "run /index.php /2024/x"},
		{"/index.phpx", "no backup_file", "no backup_file"},
		{"/index.php5", "no script_source", "no script_source"},
		{"/none.php", "run /index.php", "no not_found"},
		{"/none.php/style.css", "run /index.php", "no not_found"},
		{"/style.css/x.php", "run /index.php", "no not_found"},
		{"/app.php/readme.txt", "file /app.php/readme.txt", "file /app.php/readme.txt"},
		{"/app.php", "to /app.php/", "to /app.php/"},
		{"/wp-login.php", "run /wp-login.php", "run /wp-login.php"},
		{"/wp-admin", "to /wp-admin/", "to /wp-admin/"},
		{"/wp-admin/", "run /wp-admin/index.php", "run /wp-admin/index.php"},
		{"/wp-admin/css/a.css", "file /wp-admin/css/a.css", "file /wp-admin/css/a.css"},
		{"/docs/", "file /docs/index.html", "file /docs/index.html"},
		{"/empty", "to /empty/", "to /empty/"},
		{"/empty/", "no no_index", "no no_index"},
		{"/wp-config.php", "no private_file", "run /wp-config.php"},
		{"/wp-config.php.bak", "no backup_file", "no backup_file"},
		{"/wp-config.php~", "no backup_file", "no backup_file"},
		{"/.wp-config.php.swp", "no hidden_file", "no hidden_file"},
		{"/wp-config.php.save.1", "no backup_file", "no backup_file"},
		{"/wp-config-backup.txt", "no private_file", "no not_found"},
		{"/.env", "no hidden_file", "no hidden_file"},
		{"/.git/config", "no hidden_file", "no hidden_file"},
		{"/x/.git/config", "no hidden_file", "no hidden_file"},
		{"/.well-known/acme/x", "file /.well-known/acme/x", "file /.well-known/acme/x"},
		{"/.well-known/.env", "no hidden_file", "no hidden_file"},
		{"/x/.well-known/y", "no hidden_file", "no hidden_file"},
		{"/wp-content/uploads/x.php", "no script_in_uploads", "no script_in_uploads"},
		{"/wp-content/uploads/x.php/y", "no script_in_uploads", "no script_in_uploads"},
		{"/wp-content/uploads/x.PHP7", "no script_in_uploads", "no script_in_uploads"},
		{"/wp-content/uploads/x.phtml", "no script_in_uploads", "no script_in_uploads"},
		{"/wp-content/uploads/x.jpg/y.php", "no script_in_uploads", "no script_in_uploads"},
		{"/blog/wp-content/uploads/x.php", "no script_in_uploads", "no script_in_uploads"},
		{"/wp-content/uploads/x.jpg", "file /wp-content/uploads/x.jpg", "file /wp-content/uploads/x.jpg"},
		{"/wp-content/debug.log", "no backup_file", "no backup_file"},
		{"/wp-includes/version.php", "no private_file", "run /wp-includes/version.php"},
		{"/wp-includes/ms-files.php", "run /wp-includes/ms-files.php", "run /wp-includes/ms-files.php"},
		{"/wp-includes/js/a.js", "file /wp-includes/js/a.js", "file /wp-includes/js/a.js"},
		{"/readme.html", "no private_file", "file /readme.html"},
		{"/SHOUT.PHP", "no script_source", "no script_source"},
		{"/x.phtml", "no script_source", "no script_source"},
		{"/x.phar", "no script_source", "no script_source"},
		{"/dump.sql.gz", "no backup_file", "no backup_file"},
		{"/a b.txt", "file /a b.txt", "file /a b.txt"},
	} {
		if got := show(wordpress().Route(test.path, root())); got != test.wordpress {
			t.Errorf("wordpress %s: %s, want %s", test.path, got, test.wordpress)
		}
		if got := show(plain.Route(test.path, root())); got != test.plain {
			t.Errorf("plain %s: %s, want %s", test.path, got, test.plain)
		}
	}
}

func TestSiteWithoutPHPNeverGivesSource(t *testing.T) {
	s := &site.Site{Index: []string{"index.php", "docs.html"}}
	for p, want := range map[string]string{"/index.php": "no script_source", "/": "no no_index", "/wp-login.php/x": "no script_source", "/style.css": "file /style.css"} {
		if got := show(s.Route(p, root())); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

func TestScriptsThatCannotBeSeen(t *testing.T) {
	wp := wordpress()
	wp.Listed = site.WordPressScripts()
	files := tree{"/style.css": true, "/evil.php": true}
	for p, want := range map[string]string{
		"/": "run /index.php", "/hello/": "run /index.php", "/wp-login.php": "run /wp-login.php", "/wp-admin/": "run /wp-admin/index.php", "/wp-admin": "to /wp-admin/",
		"/wp-admin/network/": "run /wp-admin/network/index.php", "/wp-admin/post.php": "run /wp-admin/post.php",
		"/evil.php": "no script_source", "/style.css": "file /style.css", "/wp-content/plugins/x/shell.php": "run /index.php", "/index.php/a": "run /index.php /a",
	} {
		if got := show(wp.Route(p, files)); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
	app := &site.Site{PHP: true, Index: []string{"index.php"}, Listed: site.Patterns{"/index.php", "/api/*.php"}}
	for p, want := range map[string]string{
		"/": "no not_found", "/index.php": "run /index.php", "/api/a.php/x": "run /api/a.php /x", "/api/b/a.php": "no script_not_listed", "/other.php": "no script_not_listed", "/x": "no not_found",
	} {
		if got := show(app.Route(p, nil)); got != want {
			t.Errorf("app %s: %s, want %s", p, got, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/a.php", "/a.php", true},
		{"/a.php", "/a.phpx", false},
		{"/*.php", "/a.php", true},
		{"/*.php", "/a/b.php", false},
		{"/**.php", "/a/b.php", true},
		{"/a/**.php", "/a/.php", true},
		{"/a/**.php", "/a.php", false},
		{"/**/x/*.php", "/a/b/x/c.php", true},
		{"/**/x/*.php", "/a/x/b/x/c.php", true},
		{"/**/x/*.php", "/a/x/b/c.php", false},
		{"/*/*.php", "/a/b.php", true},
		{"/*/*.php", "/a/b/c.php", false},
		{"/a*b*c.php", "/aXbYbc.php", true},
	} {
		if got := (site.Patterns{test.pattern}).Match(test.path); got != test.want {
			t.Errorf("%s %s: %v", test.pattern, test.path, got)
		}
	}
}

func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "//a///b": "/a/b", "/./a/.": "/a/", "/a%20b": "/a b", "/%C3%A4": "/ä", "/a.b/..c": "/a.b/..c", "/%252e%252e/": "/%2e%2e/", "/a%25b": "/a%b", "//": "/", "/a+b": "/a+b",
		"": "", "a": "", "*": "", "/..": "", "/a/../b": "", "/%2e%2e/x": "", "/.%2E/x": "", "/a%00.php": "", "/a%2fb": "", "/a%2Fb": "", "/a%5cb": "", "/a\\b": "", "/a%0d%0ab": "", "/%": "", "/%zz": "", "/a%7f": "",
	} {
		got, err := site.Clean(raw)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"example.com": "example.com ", "EXAMPLE.com.:8080": "example.com 8080", "[::1]": "::1 ", "[::1]:80": "::1 80", "10.0.0.1:1": "10.0.0.1 1", "": " ", "a_b.c": "a_b.c ", "a:": "a ",
		"a b": "!", "a/b": "!", "a@b": "!", "a:b": "!", "a:99999": "!", "[::1": "!", "[::1]x": "!", "[1.2.3.4]": "!", "..": "!", "a..b": "!", ".": "!", "a:-1": "!", "é": "!", "a\x00": "!", "[fe80::1%25eth0]": "!",
		strings.Repeat("a", 254): "!",
	} {
		name, port, err := site.ParseHost(text)
		got := name + " " + port
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	var h site.Hosts[string]
	for _, p := range []string{"example.com", "*.example.com", "*.b.example.com", "x.a.example.com"} {
		h.Add(p, p)
	}
	if v, ok := h.Find("other"); ok {
		t.Error(v)
	}
	h.Add("*", "*")
	for name, want := range map[string]string{
		"example.com": "example.com", "www.example.com": "*.example.com", "a.www.example.com": "*.example.com", "a.b.example.com": "*.b.example.com", "b.example.com": "*.example.com",
		"x.a.example.com": "x.a.example.com", "notexample.com": "*", "": "*",
	} {
		if v, _ := h.Find(name); v != want {
			t.Errorf("%s: %s, want %s", name, v, want)
		}
	}
}

// FuzzRoute holds, for any path: what is served or run is a file of the root at exactly that place, no script is served as a file, and nothing that is
// hidden or uploaded is run.
func FuzzRoute(f *testing.F) {
	for name := range root() {
		f.Add(name)
	}
	for _, raw := range []string{"/%2e%2e/etc/passwd", "/index.php/..", "/a%00.php", "//x//", "/wp-content/uploads/x.php/", "/index.php%2f..", "/.%2e/", "/x.PhP", "/wp-content//uploads/./x.php"} {
		f.Add(raw)
	}
	files := root()
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := site.Clean(raw)
		if err != nil {
			return
		}
		if again := path.Clean(p); again != p && again+"/" != p {
			t.Fatalf("%q is not clean: %q", raw, p)
		}
		for _, s := range []*site.Site{wordpress(), {PHP: true, Index: []string{"index.php"}}, {Index: []string{"index.php"}}} {
			r := s.Route(p, files)
			switch r.Action {
			case site.Serve, site.Run:
				if !files[r.Path] {
					t.Fatalf("%q: %s is no file", raw, r.Path)
				}
				if r.Action == site.Run != strings.HasSuffix(r.Path, ".php") {
					t.Fatalf("%q: %s", raw, show(r))
				}
				if strings.Contains(r.Path, "/.git") || strings.Contains(r.Path, ".env") || r.Action == site.Run && strings.Contains(r.Path, "/uploads/") {
					t.Fatalf("%q: %s", raw, show(r))
				}
			case site.Refuse, site.Redirect:
			}
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"example.com:80", "[::1]:80", "a..b", "", "x:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, port, err := site.ParseHost(text)
		if err != nil || name == "" {
			return
		}
		if strings.ContainsAny(name, "/\\ \r\n\x00@?#%\"'") || name != strings.ToLower(name) || strings.Trim(port, "0123456789") != "" {
			t.Fatalf("%q: %q %q", text, name, port)
		}
		if strings.Contains(name, ":") {
			name = "[" + name + "]"
		}
		if again, _, err := site.ParseHost(name); err != nil || "["+again+"]" != name && again != name {
			t.Fatalf("%q: %q is not %q, %v", text, again, name, err)
		}
	})
}
