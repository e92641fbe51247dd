// Package site says what a request is for: from the path and the rules of a site to a file, a script, a redirect or a refusal.
//
// It opens no files and knows no HTTP: whether a file is there it asks the Files that it is given, so that all of it can be tried without a directory.
//
// The one thing to know first: Site.Route decides in a fixed order. What is forbidden comes before every look at a file, scripts come before files, and a
// path that could be a script under any PHP is never served as a file.
package site

import (
	"strings"
)

// Files says what there is in a site's root, by clean paths.
type Files interface {
	// Is is what stands at a path that begins with a slash and does not end with one, but for the root itself.
	Is(path string) Kind
}

// Kind is what stands at a path.
type Kind int

// The kinds of what stands at a path. A link is what it leads to, as long as that is within the root.
const (
	Nothing Kind = iota
	File
	Directory
)

// Action is what is to be done.
type Action int

// The actions of a route.
const (
	// Refuse answers with Status.
	Refuse Action = iota
	// Redirect adds a slash to the path.
	Redirect
	// Serve gives out the file Path.
	Serve
	// Run has the script Path run, with PathInfo behind it.
	Run
)

// Reason says why a request is refused, in the words of the log and the metrics.
type Reason string

// The reasons of refusals.
const (
	HiddenFile      Reason = "hidden_file"
	BackupFile      Reason = "backup_file"
	PrivateFile     Reason = "private_file"
	ScriptInUploads Reason = "script_in_uploads"
	ScriptNotListed Reason = "script_not_listed"
	ScriptSource    Reason = "script_source"
	NoIndex         Reason = "no_index"
	NotFound        Reason = "not_found"
)

// Route is what a request is for.
type Route struct {
	Action   Action
	Path     string
	PathInfo string
	Reason   Reason // Of a refusal.
}

// Missing says that there is nothing, where a refusal else is that it is forbidden.
func (r Route) Missing() bool { return r.Reason == NotFound }

// Site is the rules of a site. It is not changed once it is in use.
type Site struct {
	// WordPress turns the preset's rules on.
	WordPress bool
	// PHP says that scripts can be run.
	PHP bool
	// Index are the names that stand for a directory.
	Index []string
	// FrontController is the script for what is no file; empty for none.
	FrontController string
	// Listed are the scripts that may be run where they cannot be seen. If there are any, Files is not asked for scripts.
	Listed Patterns
}

// Route says what a clean path is for. files is nil where there is no root.
func (s *Site) Route(path string, files Files) Route {
	if why := forbidden(path, s.WordPress); why != "" {
		return Route{Reason: why}
	}
	if strings.Contains(path, ".php") {
		if r, ok := s.script(path, files); ok {
			return r
		}
	}
	bare := path
	if len(path) > 1 {
		bare = strings.TrimSuffix(path, "/")
	}
	slash := len(bare) < len(path) || path == "/"
	if files != nil {
		switch files.Is(bare) {
		case File:
			if !slash {
				return s.file(path)
			}
		case Directory:
			return s.directory(bare, slash, files)
		case Nothing:
		}
	}
	if r, ok := s.listedIndex(bare, slash); ok {
		return r
	}
	return s.front(files)
}

// file serves a file, but for one that holds the source of a script.
func (s *Site) file(path string) Route {
	base := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	if scriptLike(base) {
		return Route{Reason: ScriptSource}
	}
	return Route{Action: Serve, Path: path}
}

// script splits a path behind the first script that is in it.
func (s *Site) script(path string, files Files) (Route, bool) {
	for at := 0; ; {
		i := strings.Index(path[at:], ".php")
		if i < 0 {
			break
		}
		at += i + len(".php")
		if at < len(path) && path[at] != '/' {
			continue
		}
		name, rest := path[:at], path[at:]
		switch {
		case !s.Listed.Empty():
			if !s.PHP || !s.Listed.Match(name) {
				continue
			}
		case files == nil || files.Is(name) != File:
			continue
		case !s.PHP:
			return Route{Reason: ScriptSource}, true
		}
		// "/index.php/" is the script with "/" behind it, as Apache and nginx have it.
		return Route{Action: Run, Path: name, PathInfo: rest}, true
	}
	if !s.Listed.Empty() && s.FrontController == "" {
		return Route{Reason: ScriptNotListed}, true
	}
	return Route{}, false
}

// directory finds the file that stands for a directory.
func (s *Site) directory(bare string, slash bool, files Files) Route {
	if !slash {
		return Route{Action: Redirect, Path: bare + "/"}
	}
	dir := strings.TrimSuffix(bare, "/")
	for _, name := range s.Index {
		path := dir + "/" + name
		isScript := strings.HasSuffix(name, ".php")
		switch {
		case isScript && !s.PHP:
		case isScript && !s.Listed.Empty():
			if s.Listed.Match(path) {
				return Route{Action: Run, Path: path}
			}
		case files.Is(path) != File:
		case isScript:
			return Route{Action: Run, Path: path}
		default:
			return s.file(path)
		}
	}
	if bare == "/" && s.FrontController != "" {
		return s.front(files)
	}
	return Route{Reason: NoIndex}
}

// listedIndex finds the listed script that stands for a directory which cannot be seen, as /wp-admin/ for /wp-admin/index.php.
func (s *Site) listedIndex(bare string, slash bool) (Route, bool) {
	if s.Listed.Empty() || !s.PHP || bare == "/" || strings.Contains(bare[strings.LastIndexByte(bare, '/'):], ".") {
		return Route{}, false
	}
	for _, name := range s.Index {
		path := bare + "/" + name
		if !strings.HasSuffix(name, ".php") || !s.Listed.Match(path) {
			continue
		}
		if slash {
			return Route{Action: Run, Path: path}, true
		}
		// A pattern such as /wp-admin/**.php stands for any number of directories; only its own is known to be one.
		if s.Listed.Directory(bare) {
			return Route{Action: Redirect, Path: bare + "/"}, true
		}
	}
	return Route{}, false
}

// front hands what is no file to the front controller.
func (s *Site) front(files Files) Route {
	switch {
	case s.FrontController == "" || !s.PHP:
	case !s.Listed.Empty() && s.Listed.Match(s.FrontController), s.Listed.Empty() && files != nil && files.Is(s.FrontController) == File:
		return Route{Action: Run, Path: s.FrontController}
	}
	return Route{Reason: NotFound}
}
