// Package head reads the heads of simple requests: GET and HEAD of a path by HTTP/1.1, without a body and without wishes for the connection, whole in one piece.
//
// It is no HTTP server and no full parser. What it does not take is not wrong: net/http reads it instead, and says what is wrong with it.
//
// The one thing to know first: it may take fewer requests than net/http, but none that net/http would refuse or understand in another way. A fuzz test holds
// the two side by side.
package head

import (
	"net/http"
	"slices"
	"strings"
)

// Head is a request's head. Its header is used again by the next Parse; the strings in it stay.
type Head struct {
	Method string // GET or HEAD.
	Target string // Begins with a slash.
	Host   string
	Header http.Header // Without Host, as net/http has it.

	values []string
}

// most is how many header fields a simple request has at most.
const most = 64

// shortest is the length of the shortest head there is.
const shortest = len("GET / HTTP/1.1\r\nHost: a\r\n\r\n")

// Parse reads a head that p begins with and ends with. It says whether p is one; if not, what h holds means nothing.
func (h *Head) Parse(p []byte) bool {
	if len(p) < shortest || string(p[len(p)-4:]) != "\r\n\r\n" {
		return false
	}
	text := string(p[:len(p)-2]) // All its lines, without the empty one.
	line, rest, _ := strings.Cut(text, "\r\n")
	if !h.line(line) {
		return false
	}
	if h.Header == nil {
		h.Header = http.Header{}
	}
	clear(h.Header)
	clear(h.values) // The slices that the header had are not the next one's.
	h.values, h.Host = h.values[:0], ""
	if h.values == nil {
		h.values = make([]string, 0, most)
	}
	for rest != "" {
		if line, rest, _ = strings.Cut(rest, "\r\n"); !h.field(line) {
			return false
		}
	}
	return h.Host != ""
}

// line reads the request line.
func (h *Head) line(line string) bool {
	target, ok := strings.CutPrefix(line, "GET ")
	h.Method = http.MethodGet
	if !ok {
		h.Method = http.MethodHead
		if target, ok = strings.CutPrefix(line, "HEAD "); !ok {
			return false
		}
	}
	if h.Target, ok = strings.CutSuffix(target, " HTTP/1.1"); !ok || h.Target == "" || h.Target[0] != '/' {
		return false
	}
	for i := range len(h.Target) {
		if c := h.Target[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// field reads a header field.
func (h *Head) field(line string) bool {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 || len(h.values) == cap(h.values) {
		return false
	}
	name, value := line[:colon], strings.Trim(line[colon+1:], " \t")
	if !IsName(name) {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host":
		if h.Host != "" || value == "" || !plainHost(value) {
			return false
		}
		h.Host = value
		return true
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Expect", "Pragma", "Proxy-Connection", "Http2-Settings":
		return false
	}
	at := len(h.values)
	h.values = append(h.values, value)
	if was, twice := h.Header[name]; twice {
		h.Header[name] = append(slices.Clip(was), value)
		return true
	}
	h.Header[name] = h.values[at : at+1 : at+1]
	return true
}

// IsName says that a text can be a field's name.
func IsName(name string) bool {
	for i := range len(name) {
		if !isToken(name[i]) {
			return false
		}
	}
	return name != ""
}

// isToken says that a byte may stand in a field's name (RFC 9110, section 5.6.2).
func isToken(c byte) bool { return tokens[c] }

//nolint:gochecknoglobals // read-only table
var tokens = func() (table [256]bool) {
	for c := range table {
		b := byte(c)
		table[c] = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
	}
	return table
}()

// plainHost says that a host is a name or an address, perhaps with a port, in the few letters that these have.
func plainHost(value string) bool {
	for i := range len(value) {
		c := value[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return true
}
