package static

import (
	"mime"
	"strconv"
	"strings"
)

// mediaType is what a file is.
type mediaType struct {
	name         string
	compressible bool
}

// typeOf goes by the ending. What is on every site is known here, so that it does not depend on the machine's own table.
func typeOf(path string) mediaType {
	base := path[strings.LastIndexByte(path, '/')+1:]
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return mediaType{name: "application/octet-stream"}
	}
	ext := strings.ToLower(base[dot:])
	if name := known(ext); name != "" {
		return mediaType{name: name, compressible: Compressible(name)}
	}
	name := mime.TypeByExtension(ext)
	if name == "" {
		name = "application/octet-stream"
	}
	return mediaType{name: name, compressible: Compressible(name)}
}

// known are the types of the web (IANA's media types; the WHATWG's MIME Sniffing Standard for JavaScript and fonts).
func known(ext string) string {
	switch ext {
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".xml", ".xsl":
		return "text/xml; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".wasm":
		return "application/wasm"
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	}
	return knownPicture(ext)
}

func knownPicture(ext string) string {
	switch ext {
	case ".png", ".gif", ".webp", ".avif", ".bmp":
		return "image/" + ext[1:]
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".svg":
		return "image/svg+xml"
	case ".ico":
		return "image/x-icon"
	case ".woff", ".woff2", ".ttf", ".otf":
		return "font/" + ext[1:]
	case ".eot":
		return "application/vnd.ms-fontobject"
	case ".mp4", ".webm":
		return "video/" + ext[1:]
	case ".mp3":
		return "audio/mpeg"
	case ".ogg", ".wav":
		return "audio/" + ext[1:]
	}
	return ""
}

// Compressible says that a type is worth compressing: what is not compressed by itself.
func Compressible(contentType string) bool {
	name, _, _ := strings.Cut(contentType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "text/event-stream":
		return false
	case "application/javascript", "application/x-javascript", "application/json", "application/xml", "application/wasm", "application/manifest+json", "image/svg+xml", "image/x-icon",
		"image/bmp", "font/ttf", "font/otf", "application/vnd.ms-fontobject":
		return true
	}
	return strings.HasPrefix(name, "text/") || strings.HasSuffix(name, "+xml") || strings.HasSuffix(name, "+json")
}

// Accepts says that an Accept-Encoding header takes an encoding (RFC 9110, section 12.5.3).
func Accepts(header, encoding string) bool { return accepts(header, encoding) }

func accepts(header, encoding string) bool {
	wild := false
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(item, ";")
		name = strings.TrimSpace(name)
		if name != "*" && !strings.EqualFold(name, encoding) {
			continue
		}
		ok := quality(params) > 0
		if name != "*" {
			return ok
		}
		wild = ok
	}
	return wild
}

func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, v, found := strings.Cut(strings.TrimSpace(p), "=")
		if !found || !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}
