package mysql

import (
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// identify puts galley's connection id into a statement that asks for it, before it goes to a node, and gives the class of what the statement is then. A session that has
// set pseudo_thread_id itself is on the one conn that has it, and is told what it has set.
func (s *session) identify(x *exchange, class *classify.Class) classify.Class {
	if s.state.ownThreadID || !x.cmd.Whole() {
		return *class
	}
	sql, mode := x.cmd.Body[1:], s.mode()
	calls := classify.Calls(sql, mode)
	packet := append(make([]byte, 0, len(sql)+128), x.cmd.Packet[:wire.HeaderLen+1]...)
	replaced := false
	packet = classify.Rewrite(packet, sql, calls, func(c classify.SessionCall) (string, bool) {
		own := c.Name == classify.CallConnectionID || c.Name == classify.CallPseudoThreadID
		replaced = replaced || own
		return c.Literal(uint64(s.id)), own
	})
	n := len(packet) - wire.HeaderLen
	if !replaced || n >= wire.MaxPayload {
		return *class
	}
	wire.PutHeader(packet, n, packet[3])
	x.cmd = &wire.Command{Packet: packet, Body: packet[wire.HeaderLen:]}
	x.packet = packet
	return classify.Statement(x.cmd.Body[1:], mode)
}
