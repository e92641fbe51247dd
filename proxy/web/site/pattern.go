package site

import "strings"

// Patterns are paths in which * stands for anything but a slash, and ** for anything.
type Patterns []string

// WordPressScripts are those of WordPress that browsers ask for.
func WordPressScripts() Patterns {
	return Patterns{
		"/index.php", "/wp-login.php", "/wp-cron.php", "/wp-comments-post.php", "/wp-activate.php", "/wp-signup.php", "/wp-trackback.php", "/wp-mail.php", "/wp-links-opml.php",
		"/xmlrpc.php", "/wp-admin/**.php", "/wp-includes/ms-files.php", "/wp-includes/js/tinymce/wp-tinymce.php",
	}
}

// Empty says that there are none.
func (p Patterns) Empty() bool { return len(p) == 0 }

// Match says whether a path is among them.
func (p Patterns) Match(path string) bool {
	for _, pattern := range p {
		if match(pattern, path) {
			return true
		}
	}
	return false
}

// Directory says that a path is the directory that stands before the first star of a pattern, or before its last slash.
func (p Patterns) Directory(path string) bool {
	for _, pattern := range p {
		before, _, _ := strings.Cut(pattern, "*")
		if before[:strings.LastIndexByte(before, '/')] == path {
			return true
		}
	}
	return false
}

// match takes time in proportion to the product of both lengths at most: it goes back to the last star only, as the ones before it need no more room. After
// ** it may go over a slash.
func match(pattern, path string) bool {
	p, at := 0, 0
	star, from, deep := -1, 0, false
	// The last ** is kept as well: a * behind it cannot go over a slash, but it can begin further to the right.
	outer, outerFrom := -1, 0
	for at < len(path) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			deep = strings.HasPrefix(pattern[p:], "**")
			if p++; deep {
				p++
				outer, outerFrom = p, at
			}
			star, from = p, at
		case p < len(pattern) && pattern[p] == path[at]:
			p++
			at++
		case star >= 0 && (deep || path[from] != '/'):
			from++
			p, at = star, from
			if deep {
				outerFrom = from
			}
		case outer >= 0:
			outerFrom++
			p, at = outer, outerFrom
			star, from, deep = outer, outerFrom, true
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
