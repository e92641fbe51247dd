package mysql

import (
	"errors"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// Queries of galley's own, whose rows it reads.

// errNoAnswer says that a node answered something else than was asked for.
var errNoAnswer = errors.New("the node's answer is not of the form that was asked for")

// ownAnswerLimit bounds a packet of an answer to a query of galley's own, in bytes: user variables may be as large as a packet of the client's.
const ownAnswerLimit = 64 << 20

// row runs a query of galley's own that has one row, and gives its values; NULL is "".
func (b *backendConn) row(query string) ([]string, error) {
	rows, err := b.texts(query)
	if err == nil && len(rows) != 1 {
		err = errNoAnswer
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// texts runs a query of galley's own and gives its rows; NULL is "".
func (b *backendConn) texts(query string) ([][]string, error) {
	if err := b.ask(query); err != nil {
		return nil, err
	}
	return b.rows()
}

// query is texts, but tells NULL from "".
func (b *backendConn) query(query string) ([][]value, error) {
	if err := b.ask(query); err != nil {
		return nil, err
	}
	return b.values()
}

// ask sends queries in one write; their answers come in order.
func (b *backendConn) ask(queries ...string) error {
	b.out = b.out[:0]
	for _, q := range queries {
		b.out = wire.AppendCommand(b.out, wire.ComQuery, q)
	}
	return b.Write(b.out)
}

// rows reads the answer to a query; NULL is "".
func (b *backendConn) rows() ([][]string, error) {
	all, err := b.values()
	if err != nil || all == nil {
		return nil, err
	}
	rows := make([][]string, len(all))
	for i, row := range all {
		for _, v := range row {
			rows[i] = append(rows[i], v.text)
		}
	}
	return rows, nil
}

// values reads the answer to a query.
func (b *backendConn) values() ([][]value, error) {
	defer b.Release()
	p, err := b.ReadPacket(ownAnswerLimit)
	if err != nil {
		return nil, err
	}
	if len(p) == 0 || p[0] == gomysql.ERR_HEADER {
		return nil, wire.ParseErr(p)
	}
	if p[0] == gomysql.OK_HEADER {
		return nil, nil
	}
	columns := int(p[0])
	skip := columns
	if b.caps.Has(wire.ClientCacheMetadata) && len(p) > 1 && p[1] == 0 {
		skip = 0
	}
	if !b.caps.Has(wire.ClientDeprecateEOF) {
		skip++
	}
	if columns >= 0xfb {
		if skip, err = wideColumns(p, skip-columns); err != nil {
			return nil, err
		}
		columns = skip
		if !b.caps.Has(wire.ClientDeprecateEOF) {
			columns--
		}
	}
	for range skip {
		if _, err := b.ReadPacket(ownAnswerLimit); err != nil {
			return nil, err
		}
	}
	var all [][]value
	for {
		if p, err = b.ReadPacket(ownAnswerLimit); err != nil {
			return nil, err
		}
		if len(p) > 0 && p[0] == gomysql.ERR_HEADER {
			return nil, wire.ParseErr(p)
		}
		if len(p) > 0 && p[0] == gomysql.EOF_HEADER && (len(p) < 9 || b.caps.Has(wire.ClientDeprecateEOF)) {
			return all, nil
		}
		values, err := rowValues(p, columns)
		if err != nil {
			return nil, err
		}
		all = append(all, values)
	}
}

// wideColumns reads a count of columns that takes more than a byte.
func wideColumns(p []byte, more int) (int, error) {
	n, _, used := gomysql.LengthEncodedInt(p)
	if used == 0 || n > 0xffff {
		return 0, errNoAnswer
	}
	return int(n) + more, nil
}

// rowValues splits a text row.
func rowValues(p []byte, columns int) ([]value, error) {
	values := make([]value, 0, columns)
	for range columns {
		if len(p) == 0 {
			return nil, errNoAnswer
		}
		v, null, n, err := gomysql.LengthEncodedString(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		values = append(values, value{string(v), null})
		p = p[n:]
	}
	return values, nil
}

// raw reads an answer and gives its packets as they are, to be sent to a client.
func (b *backendConn) raw() ([]byte, error) {
	defer b.Release()
	var a wire.Answer
	a.Start(wire.AnswerQuery, b.caps)
	var all []byte
	for !a.Done {
		n, ev, err := a.Walk(b.Window())
		if err != nil {
			return nil, err
		}
		if ev == wire.EventError {
			refused := wire.ParseErr(b.Window()[a.LastStart+wire.HeaderLen : n])
			b.Discard(n)
			return nil, refused
		}
		all = append(all, b.Window()[:n]...)
		b.Discard(n)
		if ev == wire.EventMore && !a.Done {
			if err := b.Fill(); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
