package mysql

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"galley/config"
	"galley/proxy"
	"galley/proxy/mysql/mysqltest"
)

// headed notes what is written first on a conn to a node, and keeps it from the node.
type headed struct {
	net.Conn
	once sync.Once
	note func([]byte)
}

func (h *headed) Write(p []byte) (n int, err error) {
	h.once.Do(func() {
		h.note(bytes.Clone(p))
		n = len(p)
	})
	if n > 0 {
		return n, nil
	}
	return h.Conn.Write(p)
}

// TestHeaderToNodes has a client of a load balancer use an account of its own address.
func TestHeaderToNodes(t *testing.T) {
	d := newSocketDoor(t, 1, func(c *config.MySQL) { c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	var mu sync.Mutex
	var heads [][]byte
	d.srv.header = true
	d.srv.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &headed{Conn: nc, note: func(p []byte) {
			mu.Lock()
			defer mu.Unlock()
			heads = append(heads, p)
		}}, err
	}
	const from = "PROXY TCP4 10.9.8.7 10.0.0.1 4711 3306\r\n"
	c, err := d.via(from, mysqltest.Login{User: "far"})
	if err != nil {
		t.Fatalf("an account of the client's own address: %v", err)
	}
	c.query("SELECT 1")
	if _, err = d.via("PROXY TCP4 10.9.8.6 10.0.0.1 4711 3306\r\n", mysqltest.Login{User: "far"}); err == nil {
		t.Error("an account of another address is let in")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(heads) == 0 {
		t.Fatal("no node was told")
	}
	for _, head := range heads {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write(head)
			_ = far.Close()
		}()
		p, err := proxy.Meet(addressed{near}, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
		if err != nil && !strings.Contains(err.Error(), "closed pipe") || p.Addr != netip.MustParseAddrPort("10.9.8.7:0") {
			t.Errorf("the node is told of %+v, %v", p, err)
		}
	}
}

// addressed is a connection from this machine.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestRequireNeedsTLSToNodes: the client is told what keeps an account that requires TLS from its nodes.
func TestRequireNeedsTLSToNodes(t *testing.T) {
	s := newSecuredDoor(t, "")
	c := s.client(mysqltest.Login{User: "any", TLS: s.conf})
	if said := c.fails("SELECT 1", codeAccessDenied); !strings.Contains(said, "'any'@'%'") || !strings.Contains(said, "cluster.tls.mode is off") {
		t.Error(said)
	}
}
