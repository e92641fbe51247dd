package cluster

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// socketPrefix begins the address of a node that is reached by a unix socket.
const socketPrefix = "unix:"

// Network says how to dial a node's address: host:port, or unix: and a path.
func Network(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, socketPrefix); ok {
		return "unix", path
	}
	return "tcp", addr
}

// isSocket says whether an address is that of a unix socket.
func isSocket(addr string) bool {
	return len(addr) > len(socketPrefix) && strings.HasPrefix(addr, socketPrefix)
}

// Local says that the node is reached by a unix socket, so that it sees galley
// as localhost and not at an address.
func (n *Node) Local() bool { return isSocket(n.Addr) }

// NodeTLS is how nodes are reached by TLS: conf is nil for one that is reached
// in plain; with must not without TLS, else only if the node offers it.
type NodeTLS interface {
	For(addr string) (conf *tls.Config, must bool)
}

// Dialled fills in how a node is reached; t may be nil.
func Dialled(c *mysql.Config, addr string, t NodeTLS) {
	c.Net, c.Addr = Network(addr)
	if t == nil {
		return
	}
	conf, must := t.For(addr)
	c.TLS, c.AllowFallbackToPlaintext = conf, conf != nil && !must
}

// isTLS says whether an error is of TLS itself: the node has none, its
// certificate is not what it should be, or both have no version in common.
func isTLS(err error) bool {
	if errors.Is(err, mysql.ErrNoTLS) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.AlertError](err)
	return ok || strings.HasPrefix(err.Error(), "tls: ") || strings.HasPrefix(err.Error(), "remote error: tls: ")
}
