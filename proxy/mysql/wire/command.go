package wire

import (
	"errors"
	"io"
)

// Command is one command of a client as far as it has been read. Slices point into the client's buffer.
type Command struct {
	Packet []byte // Header and payload.
	Body   []byte // The payload: the command byte and its argument.

	rest      int  // Bytes of the packet that have not been read yet.
	continues bool // The packet is of maximal length: another one continues it.
}

// Whole says whether all of the command is in Body.
func (c *Command) Whole() bool { return c.rest == 0 && !c.continues }

// ReadCommand waits for a command and reads it whole if its packet has at most limit bytes; of a longer one, the first limit bytes. The caller has the place for it, so that who waits for one
// for hours has less on its stack.
func (c *Conn) ReadCommand(cmd *Command, limit int) error {
	if c.packed != nil {
		c.Seq = 0
	}
	if err := c.ReadHead(cmd, limit); err != nil {
		return err
	}
	if len(cmd.Body) == 0 {
		return ErrMalformed
	}
	return nil
}

// ReadHead waits for a packet of any kind, an empty one too, and reads at most limit bytes of it.
func (c *Conn) ReadHead(cmd *Command, limit int) error {
	*cmd = Command{}
	if err := c.Need(HeaderLen); err != nil {
		return err
	}
	n := HeaderLen + PayloadLen(c.Window())
	have := min(n, max(limit, HeaderLen+1))
	if err := c.Need(have); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	p := c.Window()[:have]
	c.numberPacket(p)
	c.Discard(have)
	cmd.Packet, cmd.Body, cmd.rest, cmd.continues = p, p[HeaderLen:], n-have, n == HeaderLen+maxPayload
	return nil
}

// StreamRest reads what is still to come of a command that is not whole and gives it to write piece by piece; after an error of write it goes on reading, so that
// the connection stays usable, and returns that error as werr. An error of the client is err.
func (c *Conn) StreamRest(cmd *Command, write func([]byte) error) (werr, err error) {
	put := func(p []byte) {
		if werr == nil {
			werr = write(p)
		}
	}
	for {
		for cmd.rest > 0 {
			if err := c.Need(1); err != nil {
				return werr, err
			}
			p := c.Window()[:min(cmd.rest, c.w-c.r)]
			put(p)
			cmd.rest -= len(p)
			c.Discard(len(p))
		}
		if !cmd.continues {
			return werr, nil
		}
		if err := c.Need(HeaderLen); err != nil {
			return werr, err
		}
		n := PayloadLen(c.Window())
		cmd.rest, cmd.continues = HeaderLen+n, n == maxPayload
		c.numberPacket(c.Window())
	}
}

// numberPacket takes the sequence number of the packet at p. Compressed, packets are numbered as each side likes, and nobody looks (MariaDB: my_real_read() in
// sql/net_serv.cc checks and takes over those of the compressed packets only): they get the numbers that they have for who does look.
func (c *Conn) numberPacket(p []byte) {
	if c.packed != nil {
		p[3] = c.Seq
	}
	c.Seq = p[3] + 1
}
