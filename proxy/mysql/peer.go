package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"galley/cluster"
	"galley/proxy"
	"galley/proxy/mysql/wire"
)

// meet finds out who the client is, reading the PROXY header of a load balancer where one is due. It is false where there is no session to begin; the connection is closed then.
// It runs before the session is registered: nobody else sees it yet. The end of front, the begin of a drain, ends it.
func (s *session) meet(front context.Context) bool {
	nc := s.client.NetConn()
	stop := context.AfterFunc(front, func() { _ = nc.Close() })
	defer stop()
	var err error
	if s.peer, err = proxy.Meet(nc, s.srv.config().ProxyNetworks); err == nil {
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
	if s.srv.config().CheckClientHost {
		if _, ok := s.findOwn(set, user, view.Server.SkipNameResolve); !ok {
			return nil, false
		}
	}
	return set.Find(user, seenAs(view), view.Server.SkipNameResolve)
}

// seenAs is galley's address as the nodes see it.
func seenAs(view *cluster.View) string {
	if w := view.WriterNode(); w != nil && w.SeenAs.IsValid() {
		return w.SeenAs.String()
	}
	for i := range view.Nodes {
		if view.Nodes[i].SeenAs.IsValid() {
			return view.Nodes[i].SeenAs.String()
		}
	}
	return ""
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
