package mysqltest

import (
	"encoding/binary"
	"fmt"

	"galley/proxy/mysql/wire"
)

// Result is a whole answer: one Set for each result set or OK.
type Result struct {
	Sets []Set
}

// Set is one result set, or an OK that has no columns.
type Set struct {
	Columns int
	Rows    [][]byte // The packets of the rows.
	OK      wire.OK  // Of the OK or EOF at the end; of an EOF only status and warnings.
	IsEOF   bool
}

// Value is the first column of the first row of the first set, of a text or a binary row.
func (r *Result) Value() string {
	if r == nil || len(r.Sets) == 0 || len(r.Sets[0].Rows) == 0 {
		return ""
	}
	row := r.Sets[0].Rows[0]
	if row[0] == 0 { // Binary: header and NULL bitmap of one column.
		row = row[2:]
	}
	if row[0] < 0xfb {
		return string(row[1 : 1+int(row[0])])
	}
	return string(row[min(len(row), 4):])
}

// Last is the last set.
func (r *Result) Last() Set { return r.Sets[len(r.Sets)-1] }

// Trackers gives the session state in an answer's last OK as text, "type:name=value" each.
func (r *Result) Trackers() []string {
	var all []string
	t := wire.NewTrackers(r.Last().OK.State)
	for {
		e, ok := t.Next()
		if !ok {
			return all
		}
		text := fmt.Sprintf("%d:%s", e.Type, e.Value)
		if e.Type == wire.TrackVariable {
			text = fmt.Sprintf("%d:%s=%s", e.Type, e.Name, e.Value)
		}
		all = append(all, text)
	}
}

// Read reads an answer to its end. What came before an ERR packet is returned with it.
func (c *Client) Read() (*Result, error) {
	r := &Result{}
	for {
		p, err := c.Packet()
		if err != nil {
			return r, err
		}
		var set Set
		switch p[0] {
		case 0xff:
			return r, wire.ParseErr(p)
		case 0, 0xfe:
			if set.OK, set.IsEOF, err = c.parseEnd(p); err != nil {
				return r, err
			}
		default:
			set.Columns = int(p[0])
			if err = c.readRows(&set); err != nil {
				r.Sets = append(r.Sets, set)
				return r, err
			}
		}
		r.Sets = append(r.Sets, set)
		if set.OK.Status&wire.StatusMoreResults == 0 {
			return r, nil
		}
	}
}

func (c *Client) readRows(set *Set) error {
	definitions := set.Columns
	for range definitions {
		p, err := c.Packet()
		if err != nil {
			return err
		}
		if p[0] == 0xff {
			return wire.ParseErr(p)
		}
	}
	if !c.Caps.Has(wire.ClientDeprecateEOF) {
		p, err := c.Packet()
		if err != nil {
			return err
		}
		if set.OK, set.IsEOF, err = c.parseEnd(p); err != nil {
			return err
		}
		if set.OK.Status&wire.StatusCursorExists != 0 {
			return nil
		}
	}
	return c.ReadRows(set)
}

// ReadRows reads rows and their end, as COM_STMT_FETCH gives them.
func (c *Client) ReadRows(set *Set) error {
	for {
		p, err := c.Packet()
		if err != nil {
			return err
		}
		switch {
		case p[0] == 0xff:
			return wire.ParseErr(p)
		case p[0] == 0xfe && (len(p) < 9 || c.Caps.Has(wire.ClientDeprecateEOF)):
			set.OK, set.IsEOF, err = c.parseEnd(p)
			return err
		}
		set.Rows = append(set.Rows, p)
	}
}

// parseEnd reads an OK or EOF strictly: nothing may be left over.
func (c *Client) parseEnd(p []byte) (ok wire.OK, eof bool, err error) {
	if len(p) == 5 && p[0] == 0xfe {
		return wire.OK{Warnings: binary.LittleEndian.Uint16(p[1:]), Status: binary.LittleEndian.Uint16(p[3:])}, true, nil
	}
	ok, err = wire.ParseOK(p, c.Caps.Has(wire.ClientSessionTrack))
	if err != nil {
		return ok, false, err
	}
	if again := ok.Append(nil, p[0], c.Caps.Has(wire.ClientSessionTrack)); len(again) != len(p) {
		return ok, false, fmt.Errorf("an OK of %d bytes, %q, where %d would do", len(p), p, len(again))
	}
	return ok, false, nil
}
