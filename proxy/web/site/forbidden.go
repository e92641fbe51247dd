package site

import "strings"

// forbidden says why nothing is ever served or run at a path, whether there is a file or not; empty where something may be.
func forbidden(path string, wordpress bool) Reason {
	lower := strings.ToLower(path)
	for rest := lower[1:]; rest != ""; {
		segment, after, _ := strings.Cut(rest, "/")
		if segment != "" && segment[0] == '.' && (segment != ".well-known" || len(rest) != len(lower)-1) {
			return HiddenFile
		}
		rest = after
	}
	base := lower[strings.LastIndexByte(lower, '/')+1:]
	if isBackup(base) {
		return BackupFile
	}
	if scriptLike(lower) && (strings.Contains(lower, "/wp-content/uploads/") || strings.Contains(lower, "/wp-content/files/") || strings.Contains(lower, "/wp-content/blogs.dir/")) {
		return ScriptInUploads
	}
	if wordpress {
		return wordpressForbidden(lower, base)
	}
	return ""
}

// isBackup finds what editors and people leave beside a file, in which there may be the source of a script or a password.
func isBackup(base string) bool {
	if strings.HasSuffix(base, "~") || strings.HasPrefix(base, "#") {
		return true
	}
	for _, suffix := range []string{
		".bak", ".old", ".orig", ".original", ".save", ".swp", ".swo", ".tmp", ".dist", ".rej", ".sql", ".sql.gz", ".sql.zip", ".sql.bz2", ".sql.xz", ".ini", ".log", ".sh", ".inc", ".phps",
	} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	// wp-config.php.1, index.php_old, config.php.txt: a script under a name by which it is none.
	if i := strings.LastIndex(base, ".php"); i >= 0 {
		rest := base[i+len(".php"):]
		return rest != "" && strings.Trim(rest, "0123456789") != ""
	}
	return false
}

// scriptLike says that some part of a path ends as files do that one or another PHP runs.
func scriptLike(lower string) bool {
	for segment := range strings.SplitSeq(lower, "/") {
		_, extensions, _ := strings.Cut(segment, ".")
		for ext := range strings.SplitSeq(extensions, ".") {
			if scriptExtension(ext) {
				return true
			}
		}
	}
	return false
}

// scriptExtension knows the endings that PHP's and Apache's documents and Debian's packages give to scripts.
func scriptExtension(ext string) bool {
	switch ext {
	case "phtml", "pht", "phar", "phps", "phpt", "inc", "shtml", "cgi":
		return true
	}
	rest, ok := strings.CutPrefix(ext, "php")
	return ok && strings.Trim(rest, "0123456789") == ""
}

// wordpressForbidden are WordPress' own files that are not for browsers.
func wordpressForbidden(lower, base string) Reason {
	switch base {
	case "composer.json", "composer.lock", "package.json", "package-lock.json", "readme.html", "debug.log":
		return PrivateFile
	}
	if strings.HasPrefix(base, "wp-config") {
		return PrivateFile
	}
	if i := strings.Index(lower, "/wp-includes/"); i >= 0 && scriptLike(lower[i:]) {
		switch lower[i:] {
		case "/wp-includes/ms-files.php", "/wp-includes/js/tinymce/wp-tinymce.php":
			return ""
		}
		return PrivateFile
	}
	return ""
}
