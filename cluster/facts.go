package cluster

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// commonFacts puts together how galley may greet a client: as the writer does,
// with the lowest version and only the capabilities that all usable nodes
// have, so that a session may go on at any of them. Without a usable node it
// is what it was before.
func commonFacts(v *View, before ServerFacts) ServerFacts {
	var common ServerFacts
	first := true
	if w := v.WriterNode(); w != nil {
		common, first = w.Status.Server, false
	}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if !n.usable() {
			continue
		}
		f := n.Status.Server
		if first {
			common, first = f, false
			continue
		}
		if common.InitConnect == "" {
			common.InitConnect = f.InitConnect // There is a node at least where new sessions are not as the variables say.
		}
		common.Capabilities &= f.Capabilities
		common.ExtendedCaps &= f.ExtendedCaps
		common.MaxAllowedPacket = min(common.MaxAllowedPacket, f.MaxAllowedPacket)
		if slices.Compare(versionNumbers(f.Version), versionNumbers(common.Version)) < 0 {
			common.Greeting, common.Version, common.VersionComment = f.Greeting, f.Version, f.VersionComment
		}
	}
	if first {
		return before
	}
	return common
}

// versionNumbers reads the numbers at the head of a version: 10.11.19 of
// 5.5.5-10.11.19-MariaDB-log.
func versionNumbers(version string) []int {
	version = strings.TrimPrefix(version, "5.5.5-")
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		if out = append(out, n); end >= 0 {
			break
		}
	}
	return out
}

// hostPort says whether an address can be dialled as it is. AUTO, unspecified
// hosts and port 0 cannot.
func hostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.EqualFold(host, "AUTO") {
		return false
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 65536
}
