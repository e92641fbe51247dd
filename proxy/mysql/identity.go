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
	x.replace(packet)
	return classify.Statement(x.cmd.Body[1:], mode)
}

// replace puts another packet in the place of the command's; its header is made right.
func (x *exchange) replace(packet []byte) {
	wire.PutHeader(packet, len(packet)-wire.HeaderLen, packet[3])
	x.cmd = &wire.Command{Packet: packet, Body: packet[wire.HeaderLen:]}
	x.packet = packet
}

// scope puts SESSION into each @@x that a SET names without it: the server would not report what it sets.
func (s *session) scope(x *exchange) {
	if !x.cmd.Whole() {
		return
	}
	sql, names := classify.Scoped(x.cmd.Body[1:], s.mode())
	if n := 1 + len(sql); names != nil && n < wire.MaxPayload {
		x.untold = names
		x.replace(append(append(make([]byte, 0, wire.HeaderLen+n), x.cmd.Packet[:wire.HeaderLen+1]...), sql...))
	}
}
