package web

import (
	"strconv"
	"time"

	"galley/config"
	"galley/proxy/web/cache"
	"galley/proxy/web/site"
	"galley/proxy/web/static"
)

// host is a site that is being served. It is never changed.
type host struct {
	conf       config.Site
	name       string // The first host, by which logs and metrics name the site.
	rules      site.Site
	root       *static.Root // Nil where galley has none.
	scriptRoot string       // Empty where php-fpm has the site where galley has it.
	errors     *static.Root
	accel      *static.Root
	pool       Pool // Nil for a site without scripts.
	files      static.Options
	hsts       string
	cached     cache.Rules
	count      *siteCount
}

// newHost sets a site up. What it had open under the configuration before is taken over.
func (s *Server) newHost(c *config.Site, w *config.Web, old *settings) *host {
	h := &host{conf: *c, name: c.Hosts[0], cached: cacheRules(c), count: s.metrics.site(c.Hosts[0], old)}
	h.rules = site.Site{WordPress: c.Preset == config.PresetWordPress, PHP: c.Pool != "", Index: c.Index, FrontController: c.FrontController, Listed: c.Scripts}
	if h.rules.WordPress && h.rules.PHP && h.rules.FrontController == "" {
		h.rules.FrontController = "/index.php"
	}
	if c.Root == "" && h.rules.WordPress && h.rules.Listed.Empty() {
		h.rules.Listed = site.WordPressScripts()
	}
	h.root, h.errors, h.accel = s.openRoot(c.Root, old), s.openRoot(c.ErrorPages, old), s.openRoot(c.AccelRoot, old)
	h.scriptRoot = c.ScriptRoot
	if pool := w.PoolOf(c); pool != nil {
		h.pool = s.pool(c.Pool)
		if h.scriptRoot == "" {
			h.scriptRoot = pool.ScriptRoot
		}
	}
	if c.Compress {
		h.files.Gzips = &s.gzips
	}
	if c.MaxAge > 0 {
		h.files.CacheControl = "public, max-age=" + seconds(c.MaxAge)
	}
	if c.HSTS > 0 {
		h.hsts = "max-age=" + seconds(c.HSTS)
	}
	return h
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// openRoot is a directory; nil where there is none. One that another site has, or that was there before, is the same.
func (s *Server) openRoot(dir string, old *settings) *static.Root {
	if dir == "" {
		return nil
	}
	if old != nil {
		for _, h := range old.all {
			for _, known := range []struct {
				dir  string
				root *static.Root
			}{{h.conf.Root, h.root}, {h.conf.ErrorPages, h.errors}, {h.conf.AccelRoot, h.accel}} {
				if known.dir == dir {
					return known.root
				}
			}
		}
	}
	root := static.NewRoot(dir, s.files)
	if err := root.Check(); err != nil {
		s.log.Warn("a directory of a site cannot be read: nothing is served from it until it can", "directory", dir, "error", err)
	}
	return root
}

// documentRoot is the site's directory as php-fpm sees it.
func (h *host) documentRoot() string {
	if h.scriptRoot != "" || h.root == nil {
		return h.scriptRoot
	}
	return h.root.Real()
}

// filesOf is the site's root for its rules; nil, and not a nil root in an interface, where there is none.
func (h *host) filesOf() site.Files {
	if h.root == nil {
		return nil
	}
	return h.root
}
