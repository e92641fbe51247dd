package web

import (
	"net/http"
	"strconv"
	"strings"

	"galley/proxy/web/fcgi"
)

// software is what scripts see of galley: no version, which is nobody's business.
const software = "galley"

// place is where a script is, as php-fpm sees it.
type place struct {
	root     string // DOCUMENT_ROOT.
	name     string // SCRIPT_NAME.
	pathInfo string
}

// params are the whole environment of a script. Of the client only the method, the address and HTTP_ headers are in it; what PHP takes for settings
// (PHP_VALUE, PHP_ADMIN_VALUE) cannot come from there, as every header's name gets its prefix.
func params(v *visit, r *http.Request, at place, size int64) []fcgi.Param {
	p := make([]fcgi.Param, 0, 28+len(r.Header))
	add := func(name, value string) { p = append(p, fcgi.Param{Name: name, Value: value}) }
	add("SCRIPT_FILENAME", strings.TrimSuffix(at.root, "/")+at.name)
	add("SCRIPT_NAME", at.name)
	add("REQUEST_METHOD", r.Method)
	add("REQUEST_URI", r.RequestURI)
	add("QUERY_STRING", r.URL.RawQuery)
	add("DOCUMENT_URI", at.name+at.pathInfo)
	add("DOCUMENT_ROOT", at.root)
	if at.pathInfo != "" {
		add("PATH_INFO", at.pathInfo)
		add("PATH_TRANSLATED", strings.TrimSuffix(at.root, "/")+at.pathInfo)
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		add("CONTENT_TYPE", ct)
	}
	if size > 0 || r.ContentLength == 0 && r.Header["Content-Length"] != nil {
		add("CONTENT_LENGTH", strconv.FormatInt(size, 10))
	}
	add("GATEWAY_INTERFACE", "CGI/1.1")
	add("SERVER_SOFTWARE", software)
	add("SERVER_PROTOCOL", r.Proto)
	add("SERVER_NAME", serverName(v))
	add("SERVER_PORT", v.serverPort())
	add("SERVER_ADDR", localHost(r.Context()))
	add("REMOTE_ADDR", v.remote)
	if v.port != "" {
		add("REMOTE_PORT", v.port)
	}
	add("REQUEST_SCHEME", v.scheme())
	if v.secure {
		add("HTTPS", "on")
	}
	add("REDIRECT_STATUS", "200") // PHP built with --enable-force-cgi-redirect runs nothing without it.
	if r.Host != "" {
		add("HTTP_HOST", r.Host)
	}
	add("HTTP_X_REQUEST_ID", v.id)
	return forwarded(headers(p, r.Header), v, r)
}

func serverName(v *visit) string {
	switch {
	case v.name != "":
		return bracketed(v.name)
	case v.host.name != "*":
		return v.host.name
	}
	return "localhost"
}

// headers adds the client's headers under HTTP_, but for those that have a meaning of their own.
func headers(p []fcgi.Param, h http.Header) []fcgi.Param {
	for name, values := range h {
		if ownHeader(name) || !plainName(name) {
			continue
		}
		value := values[0]
		if len(values) > 1 {
			separator := ", "
			if name == "Cookie" {
				separator = "; " // HTTP/2 clients may send cookies in pieces (RFC 9113, section 8.2.3).
			}
			value = strings.Join(values, separator)
		}
		p = append(p, fcgi.Param{Name: headerParam(name), Value: value})
	}
	return p
}

// headerParam is the param of a header.
func headerParam(name string) string {
	switch name {
	case "Accept":
		return "HTTP_ACCEPT"
	case "Accept-Encoding":
		return "HTTP_ACCEPT_ENCODING"
	case "Accept-Language":
		return "HTTP_ACCEPT_LANGUAGE"
	case "User-Agent":
		return "HTTP_USER_AGENT"
	case "Cookie":
		return "HTTP_COOKIE"
	case "Referer":
		return "HTTP_REFERER"
	}
	b := make([]byte, 0, len("HTTP_")+len(name))
	b = append(b, "HTTP_"...)
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '-':
			c = '_'
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// plainName says that no other header can become the same param: X_Foo and X.Foo would be X-Foo.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// ownHeader names headers that are not passed on: they belong to the connection or have their own params, Proxy would set the proxy of scripts' own requests
// (httpoxy), and what proxies say is passed on by forwarded.
func ownHeader(name string) bool {
	switch name {
	case "Proxy", "Content-Type", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings", "Expect",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "Forwarded", "Front-End-Https", "X-Request-Id", "X-Url-Scheme",
		"X-Original-Url", "X-Rewrite-Url":
		return true
	}
	return false
}

// forwarded says who the client is in the form in which proxies say it, for scripts that look there: what a trusted one said, else what galley sees.
func forwarded(p []fcgi.Param, v *visit, r *http.Request) []fcgi.Param {
	add := func(name, value string) {
		if value != "" {
			p = append(p, fcgi.Param{Name: name, Value: value})
		}
	}
	chain := v.remote
	if v.trusted {
		if told := r.Header.Values("X-Forwarded-For"); len(told) > 0 {
			chain = strings.Join(told, ", ")
		}
		add("HTTP_X_FORWARDED_HOST", lastOf(r.Header.Values("X-Forwarded-Host")))
		add("HTTP_X_FORWARDED_PORT", lastOf(r.Header.Values("X-Forwarded-Port")))
	}
	add("HTTP_X_FORWARDED_FOR", chain)
	add("HTTP_X_FORWARDED_PROTO", v.scheme())
	add("HTTP_X_REAL_IP", v.remote)
	return p
}
