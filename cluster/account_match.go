package cluster

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

// AccountSet is an immutable set of accounts in the order in which the server
// looks through them. Its methods may be called from any goroutine.
type AccountSet struct {
	all    []*Account
	byUser map[string][]entry // that user's and the anonymous ones, in order
	anyone []entry            // the anonymous ones
}

// entry is an account with its host part made ready to be matched.
type entry struct {
	account *Account
	host    hostPattern
}

// newAccountSet sorts the accounts. Those from the configuration replace
// imported ones of the same user and host.
func newAccountSet(imported, configured []*Account) *AccountSet {
	all := make([]*Account, 0, len(imported)+len(configured))
	all = append(all, configured...)
	for _, a := range imported {
		if !slices.ContainsFunc(configured, func(c *Account) bool { return c.User == a.User && strings.EqualFold(c.Host, a.Host) }) {
			all = append(all, a)
		}
	}
	entries := make([]entry, len(all))
	for i, a := range all {
		entries[i] = entry{a, newHostPattern(a.Host, a.FromConfig)}
	}
	slices.SortStableFunc(entries, func(x, y entry) int {
		return cmp.Or(slices.Compare(x.host.specific[:], y.host.specific[:]),
			cmp.Compare(anonymous(x.account), anonymous(y.account)), x.host.compareNetworks(y.host),
			strings.Compare(x.host.text, y.host.text), strings.Compare(x.account.User, y.account.User))
	})
	s := &AccountSet{byUser: map[string][]entry{}}
	for _, e := range entries {
		s.all = append(s.all, e.account)
		if e.account.User != "" {
			s.byUser[e.account.User] = nil
		}
	}
	for _, e := range entries {
		if e.account.User != "" {
			s.byUser[e.account.User] = append(s.byUser[e.account.User], e)
			continue
		}
		s.anyone = append(s.anyone, e)
		for user := range s.byUser {
			s.byUser[user] = append(s.byUser[user], e)
		}
	}
	return s
}

// anonymous orders named users before the one without a name.
func anonymous(a *Account) int {
	if a.User == "" {
		return 1
	}
	return 0
}

// All lists the accounts in the order of matching; it must not be changed.
func (s *AccountSet) All() []*Account { return s.all }

// Find gives the account as which the server would take a user that comes from
// addr, which is an IP address as the node sees it. Unless the node skips name
// resolution, a loopback address is also the host localhost. Other host names
// are not resolved: an account with such a host matches by FindFrom only.
func (s *AccountSet) Find(user, addr string, skipNameResolve bool) (*Account, bool) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return s.FindFrom(user, addr, addr)
	}
	ip = ip.Unmap()
	host := ""
	if ip.IsLoopback() && !skipNameResolve {
		host = "localhost"
	}
	return s.FindFrom(user, host, ip.String())
}

// FindFrom is Find for a host name and an address, either of which may be
// empty.
func (s *AccountSet) FindFrom(user, host, addr string) (*Account, bool) {
	entries, ok := s.byUser[user]
	if !ok {
		entries = s.anyone
	}
	for _, e := range entries {
		if e.host.matches(host, addr) {
			return e.account, true
		}
	}
	return nil, false
}

// hostPattern is the host part of an account: a name or an address with the
// wildcards % and _, or an IPv4 network as address/netmask.
type hostPattern struct {
	text     string
	network  uint32
	mask     uint32
	prefix   netip.Prefix // MySQL's address/bits; from the configuration only
	specific [4]int
}

// maxHost is the length of the longest host (HOSTNAME_LENGTH).
const maxHost = 255

// newHostPattern prepares a host part. MariaDB knows no address/bits, so an
// imported account with it must match as little here as there.
func newHostPattern(text string, bits bool) hostPattern {
	if text == "" {
		text = "%"
	}
	h := hostPattern{text: strings.ToLower(text)}
	if at, netmask, ok := strings.Cut(text, "/"); ok {
		ip, err1 := netip.ParseAddr(at)
		mask, err2 := netip.ParseAddr(netmask)
		if err1 == nil && err2 == nil && ip.Is4() && mask.Is4() {
			h.network, h.mask = number4(ip), number4(mask)
		} else if p, err := netip.ParsePrefix(text); err == nil && bits {
			h.prefix = p.Masked()
		}
	}
	h.specific = specificity(h.text)
	return h
}

// number4 is an IPv4 address as a number.
func number4(ip netip.Addr) uint32 {
	b := ip.As4()
	return binary.BigEndian.Uint32(b[:])
}

// specificity gives numbers by which patterns are ordered, the more specific
// first, as MariaDB orders them: by how many texts a pattern can match, as far
// as the counts of its plain characters, _ and % tell. Equal ones are told
// apart by where the first wildcard is. TestFindAgreesWithTheServer holds it
// against a server.
func specificity(pattern string) [4]int {
	plain, one, many, prefix := 0, 0, 0, 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '%', '_':
			if one+many == 0 {
				prefix = plain
			}
			if pattern[i] == '_' {
				one++
				break
			}
			many++
			for i+1 < len(pattern) && pattern[i+1] == '%' {
				i++
			}
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
			plain++
		default:
			plain++
		}
	}
	free := 0
	if many > 0 {
		free = maxHost - plain - one
	}
	if free > one {
		return [4]int{2*free + 1, min(many, 31), min(one, 31), prefix}
	}
	return [4]int{2 * min(one, 31), free, min(many, 31), prefix}
}

// compareNetworks orders what the server leaves open among patterns without
// wildcards: a plain address before a network, a small one before a large one.
func (h hostPattern) compareNetworks(o hostPattern) int { return -cmp.Compare(h.bits(), o.bits()) }

// bits is the length of the network's mask; that of no network is the whole.
func (h hostPattern) bits() uint64 {
	switch {
	case h.prefix.IsValid():
		return uint64(h.prefix.Bits())
	case h.mask != 0:
		return uint64(h.mask)
	}
	return 1 << 32
}

// matches says whether the pattern fits the host name or the address. Names
// are compared without regard to case, as the server does.
func (h hostPattern) matches(host, addr string) bool {
	if h.mask != 0 || h.prefix.IsValid() {
		ip, err := netip.ParseAddr(addr)
		if err != nil {
			return false
		}
		if h.prefix.IsValid() {
			return h.prefix.Contains(ip.Unmap())
		}
		return ip.Unmap().Is4() && number4(ip.Unmap())&h.mask == h.network
	}
	return (host != "" && like(strings.ToLower(host), h.text)) || (addr != "" && like(strings.ToLower(addr), h.text))
}

// like matches a text against a pattern with %, _ and \ as escape. It walks
// back only to the last %, so it is never worse than the product of the
// lengths.
func like(text, pattern string) bool {
	t, p, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == '_':
			t, p = t+1, p+1
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == text[t]:
			t, p = t+1, p+2
		case p < len(pattern) && pattern[p] == text[t]:
			t, p = t+1, p+1
		case star >= 0:
			mark++
			t, p = mark, star+1
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}
