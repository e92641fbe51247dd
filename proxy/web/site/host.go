package site

import (
	"errors"
	"net/netip"
	"strings"
)

// ErrHost says that a Host header is none.
var ErrHost = errors.New("not a host")

// maxHost is the longest name there is (RFC 1035, section 2.3.4), and room for a port and brackets.
const maxHost = 253

// ParseHost takes the Host of a request apart: the name in lower case without a final dot, or an address without brackets, and the port, empty where there is
// none. An empty one is what HTTP/1.0 may send, and is no mistake.
func ParseHost(text string) (name, port string, err error) {
	if text == "" {
		return "", "", nil
	}
	name = text
	if name[0] == '[' {
		end := strings.IndexByte(name, ']')
		if end < 0 {
			return "", "", ErrHost
		}
		rest := name[end+1:]
		ip, err := netip.ParseAddr(name[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" || rest != "" && rest[0] != ':' {
			return "", "", ErrHost
		}
		if rest != "" {
			if port = rest[1:]; !isPort(port) {
				return "", "", ErrHost
			}
		}
		return ip.String(), port, nil
	}
	name, port, colon := strings.Cut(name, ":")
	if colon && !isPort(port) {
		return "", "", ErrHost
	}
	if strings.Contains(name, "..") {
		return "", "", ErrHost
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxHost || name[0] == '.' {
		return "", "", ErrHost
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", "", ErrHost
		}
	}
	return strings.ToLower(name), port, nil
}

func isPort(text string) bool {
	if len(text) > 5 {
		return false
	}
	n := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n <= 65535
}

// Hosts finds what belongs to a host: by its name, else by the longest wildcard, else by *. It is not changed once it is in use.
type Hosts[T any] struct {
	exact, under map[string]T
	other        T
	hasOther     bool
}

// Add gives a pattern of the configuration a value. The first value of a pattern stays.
func (h *Hosts[T]) Add(pattern string, v T) {
	if h.exact == nil {
		h.exact, h.under = map[string]T{}, map[string]T{}
	}
	if pattern == "*" {
		if !h.hasOther {
			h.other, h.hasOther = v, true
		}
		return
	}
	into, name := h.exact, pattern
	if parent, wild := strings.CutPrefix(pattern, "*."); wild {
		into, name = h.under, parent
	}
	if _, taken := into[name]; !taken {
		into[name] = v
	}
}

// Find is the value for a name as ParseHost gives it.
func (h *Hosts[T]) Find(name string) (T, bool) {
	if v, ok := h.exact[name]; ok {
		return v, true
	}
	if len(h.under) > 0 {
		for parent := name; ; {
			_, rest, ok := strings.Cut(parent, ".")
			if !ok {
				break
			}
			if v, ok := h.under[rest]; ok {
				return v, true
			}
			parent = rest
		}
	}
	return h.other, h.hasOther
}
