package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// nodePort is MariaDB's port, used where a node's address has none.
const nodePort = "3306"

// unixPrefix begins the address of a node that is reached by a unix socket.
const unixPrefix = "unix:"

const nodeRemedy = "Write host:port, for example 10.0.0.2:3306."

// parseNode reads the address of a node and returns it in normal form, so that equal addresses are equal texts.
func parseNode(text string) (string, *mistake) {
	if strings.HasPrefix(text, unixPrefix) || strings.HasPrefix(text, "/") {
		path, m := parseSocket(text)
		return unixPrefix + path, m
	}
	if strings.Contains(text, ",") && !strings.Contains(text, "@") {
		return "", notAddress(text, "it has a comma in it", "Write several nodes as a list: [10.0.0.1:3306, 10.0.0.2:3306].")
	}
	host, port, m := splitAddress(text, nodeRemedy)
	if m != nil {
		return "", m
	}
	if port == "" {
		port = nodePort
	}
	if host == "" {
		return "", notAddress(text, "it has no host", nodeRemedy)
	}
	if port, m = checkPort(text, port, 1, nodeRemedy); m != nil {
		return "", m
	}
	return net.JoinHostPort(host, port), nil
}

// listenOn returns a parser for an address to listen on; usual is the port of the examples in its remedies.
func listenOn(usual string) func(string) (string, *mistake) {
	remedy := "Write host:port, for example 127.0.0.1:" + usual + ", or :" + usual + " for all addresses."
	return func(text string) (string, *mistake) {
		if strings.HasPrefix(text, "unix:") || strings.HasPrefix(text, "/") {
			return "", &mistake{echo: text, what: "{} is a unix socket", remedy: remedy + " A unix socket has a setting of its own, socket."}
		}
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			port := strconv.FormatUint(n, 10)
			return "", notAddress(text, "it is only a port", "Write 127.0.0.1:"+port+" (only this machine) or :"+port+" (all addresses).")
		}
		if strings.HasPrefix(text, "*:") {
			return "", notAddress(text, "* is not a host", remedy)
		}
		host, port, m := splitAddress(text, remedy)
		if m != nil {
			return "", m
		}
		if port == "" {
			return "", notAddress(text, "it has no port", remedy)
		}
		// The port 0 is the system's choice of a free one: tests and demos use it.
		if port, m = checkPort(text, port, 0, remedy); m != nil {
			return "", m
		}
		return net.JoinHostPort(host, port), nil
	}
}

func notAddress(text, why, remedy string) *mistake {
	return &mistake{echo: text, what: "{} is not an address: " + why, remedy: remedy}
}

// splitAddress takes host[:port] apart, the host in normal form without brackets.
func splitAddress(text, remedy string) (host, port string, m *mistake) {
	switch {
	case text == "":
		return "", "", &mistake{what: "the address is empty", remedy: remedy}
	case strings.Contains(text, "@"):
		return "", "", &mistake{what: "an address holds no user name and no password, but this text has an @", remedy: remedy}
	case strings.Contains(text, "://"):
		return "", "", notAddress(text, "it is a URL", remedy)
	case strings.ContainsAny(text, ", \t\n"):
		return "", "", notAddress(text, "it has a comma or a space in it", remedy)
	case strings.HasPrefix(text, "["):
		return splitBrackets(text, remedy)
	}
	if strings.Count(text, ":") > 1 {
		if ip, err := netip.ParseAddr(text); err == nil {
			remedy = "Write [" + ip.String() + "]:" + nodePort + "."
		}
		return "", "", notAddress(text, "IPv6 addresses need brackets", remedy)
	}
	host, port, colon := strings.Cut(text, ":")
	if colon && port == "" {
		return "", "", notAddress(text, "there is no port after the colon", remedy)
	}
	host, why := hostName(host)
	if why != "" {
		return "", "", notAddress(text, why, remedy)
	}
	return host, port, nil
}

func splitBrackets(text, remedy string) (host, port string, m *mistake) {
	inner, rest, closed := strings.Cut(text[1:], "]")
	ip, err := netip.ParseAddr(inner)
	switch {
	case !closed:
		return "", "", notAddress(text, "the bracket is never closed", "Write [2001:db8::1]:3306.")
	case err != nil || !ip.Is6():
		return "", "", notAddress(text, "there is no IPv6 address in the brackets", remedy)
	case rest == "":
		return ip.String(), "", nil
	case !strings.HasPrefix(rest, ":") || rest == ":":
		return "", "", notAddress(text, "after the bracket there must be a colon and a port", "Write [2001:db8::1]:3306.")
	}
	return ip.String(), rest[1:], nil
}

// hostName returns the normal form of an IPv4 address or a host name, or why it is neither. The empty host passes.
func hostName(host string) (normal, why string) {
	if host == "" {
		return "", ""
	}
	if strings.Trim(host, "0123456789.") == "" {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return "", "an IPv4 address is four numbers of 0 to 255"
		}
		return ip.String(), ""
	}
	if len(host) > 253 {
		return "", "a host name has at most 253 characters"
	}
	host = strings.ToLower(host)
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", "a host name is made of letters, digits and hyphens between dots"
		}
	}
	return host, ""
}

func checkPort(text, port string, least uint64, remedy string) (string, *mistake) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n < least {
		return "", notAddress(text, "port must be 1 to 65535", remedy)
	}
	return strconv.FormatUint(n, 10), nil
}

// isLoopback reports whether only this machine reaches a listen address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// isEverywhere reports whether a listen address is all addresses of this machine.
func isEverywhere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || (err == nil && ip.IsUnspecified())
}

// parseNetwork reads 10.0.0.0/24, or one address.
func parseNetwork(text string) (netip.Prefix, *mistake) {
	const remedy = "Write a network as 10.0.0.0/24, or one address."
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, &mistake{echo: text, what: "{} is not a network", remedy: remedy}
	}
	if network != network.Masked() {
		return netip.Prefix{}, &mistake{echo: text, what: "{} is an address inside a network, not a network", remedy: "Write " + network.Masked().String() + "."}
	}
	return network, nil
}
