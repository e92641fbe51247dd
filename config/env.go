package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// environment reads galley's variables.
func (r *reader) environment(env []string) {
	byName := map[string]Setting{}
	names := []string{FileVariable}
	for _, s := range r.settings {
		byName[s.Env()] = s
		names = append(names, s.Env())
	}
	given := map[string]value{}
	links := regexp.MustCompile(linkPattern)
	for _, entry := range env {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || name == FileVariable || text == "" {
			continue
		}
		s, ok := byName[name]
		switch {
		case ok:
			given[s.Path] = r.external(s, name, text)
		case links.MatchString(entry):
		default:
			doc, _ := newDocument(name, "", "", r.masker)
			remedy := "Unset it; the reference lists all variables."
			if meant := suggest(name, names); meant != "" {
				remedy = "Did you mean " + meant + "?"
			}
			r.report.add(place{doc: doc}, "", &mistake{what: "galley knows no such variable", remedy: remedy})
		}
	}
	r.apply(given)
}

// linkPattern matches what Kubernetes and Docker links set in each container for a service that is itself called galley, or galley-something:
// GALLEY_SERVICE_HOST, GALLEY_PORT=tcp://10.0.0.1:3306, GALLEY_PORT_3306_TCP_ADDR and so on. They are not the operator's.
const linkPattern = `^GALLEY_(\w+_)?(SERVICE_HOST=|SERVICE_PORT(_\w+)?=\d+$|PORT=(tcp|udp|sctp)://|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=)`

// external makes a value of the text of a variable or flag: lists are given as a,b,c or as YAML, the rest as it is.
func (r *reader) external(s Setting, name, text string) value {
	doc, normal := newDocument(name, "", text, r.masker)
	if s.Secret {
		r.report.secrets.learn(text)
	}
	at := place{doc: doc}
	if !s.list {
		return value{kind: kindScalar, text: text, at: at}
	}
	if !looksLikeYAML(normal) {
		v := value{kind: kindList, at: at}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				v.items = append(v.items, value{kind: kindScalar, text: part, at: at})
			}
		}
		return v
	}
	v, ok := parse(doc, normal, r.report)
	if !ok {
		r.failed[s.Path] = true
		return value{kind: kindList, at: at}
	}
	if v.kind == kindMapping {
		return value{kind: kindList, at: v.at, items: []value{v}}
	}
	return v
}

// looksLikeYAML tells a YAML or JSON list from a,b,c, of which the first may be an IPv6 address in brackets.
func looksLikeYAML(text string) bool {
	text = strings.TrimSpace(text)
	if inner, _, ok := strings.Cut(strings.TrimPrefix(text, "["), "]"); ok {
		if ip, err := netip.ParseAddr(inner); err == nil && ip.Is6() {
			return false
		}
	}
	return strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "- ") || slices.Contains(strings.Split(text, "\n"), "-")
}
