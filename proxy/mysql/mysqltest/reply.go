package mysqltest

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"galley/proxy/mysql/wire"
)

// Slowly answers with rows of one column: their head at once, the rest when gate is closed.
func Slowly(gate <-chan struct{}, values ...string) Reply {
	return func(c *Conn, cmd *Command) error {
		c.Columns([]string{"a"})
		if err := c.flush(); err != nil {
			return err
		}
		return After(gate, func(*Conn, *Command) error {
			for _, v := range values {
				c.Row([]string{v})
			}
			c.end()
			return nil
		})(c, cmd)
	}
}

// Fail answers with an error.
func Fail(code uint16, message string) Reply {
	return func(c *Conn, _ *Command) error {
		c.Err(code, message)
		return nil
	}
}

// Done answers with an OK.
func Done() Reply {
	return func(c *Conn, _ *Command) error {
		c.OK(wire.OK{})
		return nil
	}
}

// Table answers with rows of one column.
func Table(values ...string) Reply {
	return func(c *Conn, _ *Command) error {
		c.Columns([]string{"a"})
		for _, v := range values {
			c.Row([]string{v})
		}
		c.end()
		return nil
	}
}

// Flood answers with n rows of one column, all the same, in pieces that are written when the one before has been taken; it counts in taken the bytes that were.
func Flood(n int, value string, taken *atomic.Int64) Reply {
	return func(c *Conn, _ *Command) error {
		c.Columns([]string{"a"})
		for range n {
			c.Row([]string{value})
			for out := c.out; len(out) > 0; {
				piece := out[:min(len(out), 16<<10)]
				if _, err := c.s.nc.Write(piece); err != nil {
					return err
				}
				taken.Add(int64(len(piece)))
				out = out[len(piece):]
			}
			c.out = c.out[:0]
		}
		c.end()
		return nil
	}
}

// ErrorAmongRows answers with rows and then an error.
func ErrorAmongRows(code uint16, message string, values ...string) Reply {
	return func(c *Conn, _ *Command) error {
		c.Columns([]string{"a"})
		for _, v := range values {
			c.Row([]string{v})
		}
		c.Err(code, message)
		return nil
	}
}

// Bytes answers with bytes as they are and closes the connection.
func Bytes(p []byte) Reply {
	return func(c *Conn, _ *Command) error {
		c.out = append(c.out, p...)
		return errQuit
	}
}

// Close closes the connection when the command has been read, with no answer: it may have run.
func Close() Reply { return func(*Conn, *Command) error { return errQuit } }

// CloseReset is Close with a reset.
func CloseReset() Reply {
	return func(c *Conn, _ *Command) error {
		c.Reset()
		return errQuit
	}
}

// Cut gives the first n bytes of an answer and closes the connection.
func Cut(n int, reply Reply) Reply {
	return func(c *Conn, cmd *Command) error {
		err := reply(c, cmd)
		c.limit = n
		return err
	}
}

// FailAndClose answers with an error and closes the connection, as a server does that ends or whose connection is killed.
func FailAndClose(code uint16, message string) Reply {
	return func(c *Conn, _ *Command) error {
		c.Err(code, message)
		return errQuit
	}
}

// Forever gives the same bytes as answer to this and every later command on the connection, records none and allocates nothing: for benchmarks.
func Forever(reply Reply) Reply {
	return func(c *Conn, cmd *Command) error {
		if err := reply(c, cmd); err != nil {
			return err
		}
		answer := slices.Clone(c.out)
		c.out = c.out[:0]
		head := make([]byte, wire.HeaderLen)
		for {
			if _, err := c.s.nc.Write(answer); err != nil {
				return err
			}
			if _, err := io.ReadFull(c.s.r, head); err != nil {
				return err
			}
			if _, err := c.s.r.Discard(wire.PayloadLen(head)); err != nil {
				return err
			}
		}
	}
}

// errKilled ends a connection while it waits.
var errKilled = errors.New("killed")

// After answers when gate is closed. KILL QUERY ends it with error 1317.
func After(gate <-chan struct{}, reply Reply) Reply {
	return func(c *Conn, cmd *Command) error {
		select {
		case <-gate:
			return reply(c, cmd)
		case <-c.interrupt:
			c.Err(1317, "Query execution was interrupted")
			return nil
		case <-c.gone:
		case <-c.Node.closed:
		}
		return errKilled
	}
}

// Delay answers after d.
func Delay(d time.Duration, reply Reply) Reply {
	return func(c *Conn, cmd *Command) error {
		gate := make(chan struct{})
		stop := time.AfterFunc(d, func() { close(gate) })
		defer stop.Stop()
		return After(gate, reply)(c, cmd)
	}
}

// Hang never answers.
func Hang() Reply { return After(nil, nil) }

// Usual answers as the node would without a rule.
func Usual() Reply { return func(c *Conn, cmd *Command) error { return c.query(cmd) } }

// AskFile asks the client for a file and gives what came to got, joined, before it says OK.
func AskFile(name string, got func([]byte)) Reply {
	return func(c *Conn, _ *Command) error {
		c.packet(append([]byte{0xfb}, name...))
		if err := c.flush(); err != nil {
			return err
		}
		var all []byte
		for {
			p, err := c.s.read()
			if err != nil {
				return err
			}
			if len(p) == 0 {
				break
			}
			all = append(all, p...)
		}
		got(all)
		c.OK(wire.OK{AffectedRows: 1})
		return nil
	}
}
