package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"galley/cluster"
	"galley/proxy"
	"galley/proxy/mysql/wire"
)

// meet finds out who the client is, reading the PROXY header of a load balancer where one is due. It is false where there is no session to begin; the connection is closed then.
// It runs before the session is registered: nobody else sees it yet. The end of front, the begin of a drain, ends it.
func (s *session) meet(front context.Context) bool {
	nc := s.client.NetConn()
	networks := s.srv.config().ProxyNetworks
	if len(networks) > 0 { // Else nothing is waited for.
		stop := context.AfterFunc(front, func() { _ = nc.Close() })
		defer stop()
	}
	var err error
	if s.peer, err = proxy.Meet(nc, networks); err == nil {
		return true
	}
	reason := closeHandshake
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		reason = closeClientGone // A probe that only connects.
	} else {
		s.srv.log.Warn("a connection from a load balancer's network is refused", "from", s.peer.String(), "error", err)
		_ = s.client.SetDeadline(time.Now().Add(time.Second))
		_ = s.writeError(wire.NewError(codeHandshake, "galley: %s is in mysql.proxy_protocol_networks, from where connections begin with a PROXY header: %v", s.peer.Host(), err))
	}
	s.srv.metrics.closed[reason].Add(1)
	_ = s.client.Close()
	return false
}

// findAccount finds the account that a node would take for user, and that the client's own address may use where that is asked for.
func (s *session) findAccount(user string) (*cluster.Account, bool) {
	view := s.srv.cluster.View()
	set := s.srv.accounts.Snapshot()
	skip := view.Server.SkipNameResolve
	if s.srv.header {
		return s.findOwn(set, user, skip) // It is the client whom the node sees.
	}
	if s.srv.config().CheckClientHost {
		if _, ok := s.findOwn(set, user, skip); !ok {
			return nil, false
		}
	}
	n := seeing(view)
	switch {
	case n == nil:
		return set.Find(user, "", skip)
	case n.Local():
		return set.FindFrom(user, "localhost", "")
	}
	return set.Find(user, n.SeenAs.String(), skip)
}

// seeing is a node of which is known how it sees galley; nil without one.
func seeing(view *cluster.View) *cluster.Node {
	sees := func(n *cluster.Node) bool { return n.SeenAs.IsValid() || n.Local() && !n.LastSeen.IsZero() }
	if w := view.WriterNode(); w != nil && sees(w) {
		return w
	}
	for i := range view.Nodes {
		if n := &view.Nodes[i]; sees(n) {
			return n
		}
	}
	return nil
}

// address puts into a login of the session what its backend conns have to tell of the client, and what their account will ask of them.
func (s *session) address(l *login, a *cluster.Account) {
	l.requires = a.SSL
	if l.told = s.srv.header; l.told {
		l.client = netip.AddrPortFrom(s.peer.Addr.Addr(), 0) // Grants know no ports, and conns are shared by what they tell.
	}
}

// findOwn finds the account that a node would take for user if the client connected to it by itself.
func (s *session) findOwn(set *cluster.AccountSet, user string, skipNameResolve bool) (*cluster.Account, bool) {
	if s.peer.Local {
		return set.FindFrom(user, s.peer.Host(), "")
	}
	return set.Find(user, s.peer.Host(), skipNameResolve)
}

// clientHost is the client's host in the server's words.
func (s *session) clientHost() string {
	if s.peer.Addr.Addr().IsLoopback() && !s.srv.cluster.View().Server.SkipNameResolve {
		return "localhost"
	}
	return s.peer.Host()
}
