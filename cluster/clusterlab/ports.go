package clusterlab

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports of a node lie together in a block. The first one is held open by the lab for as long as the node may run, which
// keeps other labs on this machine out of the block, also between the test that a port is free and the server's use of it.
const (
	portClaim = iota
	portClient
	portGroup
	portIST
	portSST
	portBlockSize
)

// The blocks lie below the range that Linux gives to outgoing connections (32768 and up by default).
const (
	portsFrom = 20000
	portsTo   = 32000
)

var errNoPorts = errors.New("no block of free ports between 20000 and 32000 on 127.0.0.1")

// portBlock is one claimed block.
type portBlock struct {
	base  int
	claim net.Listener
	once  sync.Once
}

// claimPorts takes the first free block after a random one.
func claimPorts() (*portBlock, error) {
	blocks := (portsTo - portsFrom) / portBlockSize
	from := rand.IntN(blocks) //nolint:gosec // only spreads the labs
	for i := range blocks {
		base := portsFrom + (from+i)%blocks*portBlockSize
		if b := tryBlock(base); b != nil {
			return b, nil
		}
	}
	return nil, errNoPorts
}

// tryBlock is the block at base, or nil if one of its ports is in use.
func tryBlock(base int) *portBlock {
	b := &portBlock{base: base}
	var err error
	if b.claim, err = listen(b.addr(portClaim)); err != nil {
		return nil
	}
	for port := portClient; port < portBlockSize; port++ {
		l, err := listen(b.addr(port))
		if err != nil {
			b.release()
			return nil
		}
		_ = l.Close()
	}
	return b
}

// Addrs are addresses on 127.0.0.1 for a program that is told where to listen. Until they are released no lab on this machine and
// no other Addrs get them, and no outgoing connection has them by chance, also while the program is not running.
type Addrs struct{ block *portBlock }

// ClaimAddrs finds addresses where nobody listens.
func ClaimAddrs() (*Addrs, error) {
	b, err := claimPorts()
	if err != nil {
		return nil, err
	}
	return &Addrs{b}, nil
}

// Addr is one of four addresses, which are numbered from 0.
func (a *Addrs) Addr(i int) string { return a.block.addr(portClient + i%(portBlockSize-portClient)) }

// Release gives the addresses to others.
func (a *Addrs) Release() { a.block.release() }

func listen(addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(context.Background(), "tcp", addr)
}

func (b *portBlock) number(port int) string { return strconv.Itoa(b.base + port) }
func (b *portBlock) addr(port int) string   { return net.JoinHostPort("127.0.0.1", b.number(port)) }
func (b *portBlock) client() string         { return b.addr(portClient) }
func (b *portBlock) group() string          { return b.addr(portGroup) }

func (b *portBlock) release() { b.once.Do(func() { _ = b.claim.Close() }) }
