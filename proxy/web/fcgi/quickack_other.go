//go:build !linux

package fcgi

import "net"

// quickAck has no counterpart here.
type quickAck struct{}

func newQuickAck(net.Conn) quickAck { return quickAck{} }

func (quickAck) now() {}
