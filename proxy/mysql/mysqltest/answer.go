package mysqltest

import (
	"encoding/binary"
	"slices"
	"strings"

	"galley/proxy/mysql/wire"
)

// packet puts one packet into the answer.
func (c *Conn) packet(payload []byte) { c.out = c.s.packets(c.out, payload) }

// flush sends the answer, or what is to be sent of it.
func (c *Conn) flush() error {
	out := c.out
	c.out = c.out[:0]
	if c.limit >= 0 && c.limit < len(out) {
		_, _ = c.s.nc.Write(out[:c.limit])
		return errQuit
	}
	if len(out) == 0 {
		return nil
	}
	_, err := c.s.nc.Write(out)
	return err
}

// status gives the flags for an OK or EOF.
func (c *Conn) status() uint16 {
	status := c.Status
	if c.More {
		status |= wire.StatusMoreResults
	}
	return status
}

// OK puts an OK packet into the answer, with the state changes that are pending.
func (c *Conn) OK(ok wire.OK) { c.ok(ok, 0) }

func (c *Conn) ok(ok wire.OK, head byte) {
	ok.Status |= c.status()
	ok.State, c.trackers = c.trackers, nil
	c.packet(ok.Append(nil, head, c.Caps.Has(wire.ClientSessionTrack)))
}

// Err puts an ERR packet into the answer.
func (c *Conn) Err(code uint16, message string) {
	e := wire.NewError(code, "%s", message)
	c.More = false
	c.packet(e.Append(nil))
}

// end puts in what ends rows: an OK with ClientDeprecateEOF, else an EOF, which can only say that something changed.
func (c *Conn) end() { c.endWith(0) }

func (c *Conn) endWith(flags uint16) {
	if c.Caps.Has(wire.ClientDeprecateEOF) {
		c.ok(wire.OK{Status: flags}, 0xfe)
		return
	}
	c.eof(flags)
}

func (c *Conn) eof(flags uint16) {
	status := c.status() | flags
	if len(c.trackers) > 0 {
		status |= wire.StatusStateChanged
		c.trackers = nil
	}
	c.packet(wire.AppendEOF(nil, 0, status))
}

// definition is a column definition (MY, "ColumnDefinition41") of a VARCHAR.
func definition(name string) []byte {
	b := []byte("\x03def\x00\x00\x00")
	b = wire.AppendLenenc(b, uint64(len(name)))
	b = append(b, name...)
	return append(b, 0, 0x0c, 45, 0, 0xff, 0xff, 0, 0, 0xfd, 0, 0, 0, 0, 0)
}

// Rows puts a result set into the answer. Each row has a value per column.
func (c *Conn) Rows(columns []string, rows ...[]string) {
	c.Columns(columns)
	for _, row := range rows {
		c.Row(row)
	}
	c.end()
}

// Columns puts in the head of a result set.
func (c *Conn) Columns(columns []string) {
	c.head(columns)
	if !c.Caps.Has(wire.ClientDeprecateEOF) {
		c.packet(wire.AppendEOF(nil, 0, c.status()))
	}
}

func (c *Conn) head(columns []string) {
	count := wire.AppendLenenc(nil, uint64(len(columns)))
	if c.Caps.Has(wire.ClientCacheMetadata) {
		count = append(count, 1)
	}
	c.packet(count)
	for _, name := range columns {
		c.packet(definition(name))
	}
}

// Row puts in one row.
func (c *Conn) Row(values []string) {
	var b []byte
	if c.Binary {
		b = append(b, make([]byte, 1+(len(values)+9)/8)...)
	}
	for _, v := range values {
		b = wire.AppendLenenc(b, uint64(len(v)))
		b = append(b, v...)
	}
	c.packet(b)
}

// Track notes an entry of session state for the next OK packet.
func (c *Conn) Track(kind wire.TrackerType, values ...string) {
	if !c.tracks(kind, values[0]) {
		return
	}
	var data []byte
	for _, v := range values {
		if kind != wire.TrackStateChange { // Its value has no length in MariaDB.
			data = wire.AppendLenenc(data, uint64(len(v)))
		}
		data = append(data, v...)
	}
	c.trackers = append(c.trackers, byte(kind))
	c.trackers = wire.AppendLenenc(c.trackers, uint64(len(data)))
	c.trackers = append(c.trackers, data...)
}

// tracks says whether the server was asked to report such a change.
func (c *Conn) tracks(kind wire.TrackerType, name string) bool {
	if !c.Caps.Has(wire.ClientSessionTrack) {
		return false
	}
	switch kind {
	case wire.TrackVariable:
		list := c.value("session_track_system_variables")
		return list == "*" || slices.Contains(strings.Split(list, ","), name)
	case wire.TrackStateChange:
		return c.value("session_track_state_change") == "ON"
	case wire.TrackCharacteristics, wire.TrackTransaction:
		return c.value("session_track_transaction_info") != ""
	case wire.TrackSchema, wire.TrackGTIDs:
	}
	return true
}

// Set changes a variable as SET does, and reports it.
func (c *Conn) Set(name, value string) {
	c.setQuietly(name, value)
	c.Track(wire.TrackVariable, name, value)
}

// setQuietly changes a variable as SET NAMES … COLLATE does the collation: without a report.
func (c *Conn) setQuietly(name, value string) {
	set := false
	for i := range c.vars {
		if c.vars[i].name == name {
			c.vars[i].value, set = value, true
		}
	}
	if !set {
		c.vars = append(c.vars, setting{name, value})
	}
}

func (c *Conn) unset(name string) {
	c.vars = slices.DeleteFunc(c.vars, func(v setting) bool { return v.name == name })
}

func (c *Conn) value(name string) string {
	for _, v := range c.vars {
		if v.name == name {
			return v.value
		}
	}
	switch name {
	case "character_set_client", "character_set_connection", "character_set_results":
		return "utf8mb4"
	case "collation_connection":
		if c.value("character_set_connection") == "latin1" {
			return "latin1_swedish_ci"
		}
		return "utf8mb4_general_ci"
	}
	return ""
}

// put16 writes a little-endian number.
func put16(b []byte, v int) []byte { return binary.LittleEndian.AppendUint16(b, uint16(v)) }

// Packet puts a packet of any content into the answer.
func (c *Conn) Packet(payload []byte) { c.packet(payload) }
