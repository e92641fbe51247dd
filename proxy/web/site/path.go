package site

import (
	"errors"
	"net/url"
	"strings"
)

// ErrPath says that a path is not one that a browser sends for a page or a file: the request is answered with 400.
var ErrPath = errors.New("not a path")

// Clean decodes the path of a request once and brings it to the form in which files are looked for: one slash where several stand, no "." segments. A
// final slash stays. It refuses what only serves to have two programs understand different things: NUL and other control characters, backslashes,
// encoded slashes, and "..". Bytes that are no UTF-8 are left alone: file names may have them.
func Clean(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", ErrPath
	}
	if isClean(raw) {
		return raw, nil
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return "", ErrPath
	}
	if strings.Contains(raw, "%2f") || strings.Contains(raw, "%2F") {
		return "", ErrPath
	}
	for i := range len(decoded) {
		if c := decoded[i]; c < ' ' || c == 0x7f || c == '\\' {
			return "", ErrPath
		}
	}
	var b strings.Builder
	b.Grow(len(decoded))
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		switch segment {
		case "", ".":
			continue
		case "..":
			return "", ErrPath
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	if b.Len() == 0 || strings.HasSuffix(decoded, "/") || strings.HasSuffix(decoded, "/.") {
		b.WriteByte('/')
	}
	return b.String(), nil
}

// isClean says that a path stands for itself: most do.
func isClean(raw string) bool {
	for i := 1; i < len(raw); i++ {
		switch c := raw[i]; {
		case c < ' ' || c >= 0x7f || c == '\\' || c == '%':
			return false
		case (c == '/' || c == '.') && raw[i-1] == '/':
			return false
		}
	}
	return true
}
