package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// section is one part of the page, rendered alone so that the live page replaces only what changed. The name is its
// template and the element's id. A new tier of galley adds its section to sections and a template.
type section struct {
	name  string
	label string
}

// sections lists the parts of the page in their order.
func sections() []section {
	return []section{
		{"headline", "The cluster at one glance"},
		{"problems", "Problems"},
		{"cluster", "Nodes"},
		{"pools", "Connections to nodes"},
		{"web", "Sites and php-fpm pools"},
		{"traffic", "Traffic"},
		{"past", "What happened"},
		{"sessions", "Sessions"},
	}
}

// pages renders HTML and serves the files that go with it. Immutable after newPages.
type pages struct {
	templates *template.Template
	assets    map[string]asset // by the name in the URL, which has the content's hash
}

type asset struct {
	body        []byte
	contentType string
}

func newPages() (*pages, error) {
	p := &pages{assets: make(map[string]asset)}
	urls := make(map[string]string)
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := assetFiles.ReadFile(name)
		if err != nil {
			return err
		}
		hashed, kind := assetName(path.Base(name), body)
		p.assets[hashed] = asset{body: body, contentType: kind}
		urls[path.Base(name)] = "/assets/" + hashed
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("admin: reading assets: %w", err)
	}
	lookup := func(name string) (string, error) {
		if url, ok := urls[name]; ok {
			return url, nil
		}
		return "", fmt.Errorf("no asset %q", name)
	}
	p.templates, err = template.New("").Funcs(template.FuncMap{"asset": lookup}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("admin: parsing templates: %w", err)
	}
	return p, nil
}

// assetName puts a hash of the content into a file's name, so that it may be cached for ever.
func assetName(base string, body []byte) (hashed, contentType string) {
	sum := sha256.Sum256(body)
	ext := path.Ext(base)
	hashed = strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:8]) + ext
	switch ext {
	case ".css":
		return hashed, "text/css; charset=utf-8"
	case ".js":
		return hashed, "text/javascript; charset=utf-8"
	case ".svg":
		return hashed, "image/svg+xml"
	}
	return hashed, "application/octet-stream"
}

// renderSections gives each section's HTML by name.
func (p *pages) renderSections(v pageView) (map[string]string, error) {
	out := make(map[string]string, len(sections()))
	var buf bytes.Buffer
	for _, s := range sections() {
		buf.Reset()
		if err := p.templates.ExecuteTemplate(&buf, s.name, v); err != nil {
			return nil, fmt.Errorf("rendering section %s: %w", s.name, err)
		}
		out[s.name] = strings.TrimSpace(buf.String())
	}
	return out, nil
}

// renderPage gives the whole page.
func (p *pages) renderPage(v pageView, canLeave bool) ([]byte, error) {
	rendered, err := p.renderSections(v)
	if err != nil {
		return nil, err
	}
	type part struct {
		ID, Label string
		HTML      template.HTML
	}
	data := struct {
		Title    string
		CanLeave bool
		Sections []part
	}{Title: v.Title, CanLeave: canLeave}
	for _, s := range sections() {
		data.Sections = append(data.Sections, part{
			ID: s.name, Label: s.label,
			HTML: template.HTML(rendered[s.name]), //nolint:gosec // escaped by the section's own template a moment ago
		})
	}
	return p.render("page.html", data)
}

func (p *pages) renderLogin(message string) ([]byte, error) {
	return p.render("login.html", struct{ Error string }{message})
}

func (p *pages) render(name string, data any) ([]byte, error) {
	var buf bytes.Buffer
	if err := p.templates.ExecuteTemplate(&buf, name, data); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return buf.Bytes(), nil
}
