package wire

import "io"

// write packs b and sends it, or, of an answer, keeps it for what follows. A client's commands each begin a packet with the number 0, also where several are
// written at once.
func (p *packed) write(b []byte) error {
	if p.side == ServerSide {
		return p.gather(b)
	}
	for len(b) > 0 {
		n, begins := p.walk.next(b)
		if begins {
			p.seq = 0
		}
		if err := p.send(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// gather keeps an answer until there is a buffer full of it, so that an answer of several pieces goes into one packet, as a server's does: there are clients that
// rely on it.
func (p *packed) gather(b []byte) error {
	for len(b) > 0 {
		if p.held == 0 && len(b) >= smallBuffer {
			return p.send(b)
		}
		if p.hold == nil {
			p.hold = p.under.buffers.get(smallBuffer)
		}
		n := copy(p.hold[p.held:], b)
		p.held += n
		b = b[n:]
		if p.held == len(p.hold) {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *packed) flush() error {
	if p.held == 0 {
		return nil
	}
	err := p.send(p.hold[:p.held])
	p.under.buffers.put(p.hold)
	p.hold, p.held = nil, 0
	return err
}

func (p *packed) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	out := p.under.buffers.get(min(len(b)+packedHeaderLen, largeBuffer))
	defer p.under.buffers.put(out)
	for len(b) > 0 {
		part := b[:min(len(b), maxPart)]
		if err := p.under.Write(out[:p.pack(out, part)]); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

// pack puts part into out as one packet and gives its length. What does not get smaller is stored.
func (p *packed) pack(out, part []byte) int {
	content := out[packedHeaderLen:]
	n, before := 0, len(part)
	if len(part) >= minPacked {
		n = p.codecs.compress(p.with, p.level, content[:min(len(part)-1, len(content))], part)
	}
	if n == 0 {
		n, before = copy(content, part), 0
	}
	PutHeader(out, n, p.seq)
	out[4], out[5], out[6] = byte(before), byte(before>>8), byte(before>>16)
	p.seq++
	return packedHeaderLen + n
}

// commandWalk finds where commands begin in what a client writes: at a packet of the number 0. A file's content is numbered on through 255, behind which 0 is no beginning.
type commandWalk struct {
	head  [HeaderLen]byte
	have  int // Bytes of a header that is split.
	left  int // Bytes of the packet under way.
	last  byte
	fresh bool // Nothing has been written since something was read.
}

// next gives the length of the front of b up to the next command, and whether a command begins at b's first byte.
func (w *commandWalk) next(b []byte) (n int, begins bool) {
	for n < len(b) {
		if w.left > 0 {
			take := min(w.left, len(b)-n)
			w.left -= take
			n += take
			continue
		}
		if w.have == 0 && len(b)-n >= HeaderLen && b[n+3] == 0 && (w.fresh || w.last != 0xff) {
			if n > 0 {
				return n, begins
			}
			begins = true
		}
		take := copy(w.head[w.have:], b[n:])
		w.have += take
		n += take
		if w.have == HeaderLen {
			w.have, w.left, w.last, w.fresh = 0, PayloadLen(w.head[:]), w.head[3], false
		}
	}
	return n, begins
}

func (w *commandWalk) goOn() { w.last, w.fresh = 0xff, false }

// fixed is a writer into a buffer that does not grow.
type fixed struct {
	b []byte
	n int
}

// Write implements io.Writer.
func (f *fixed) Write(p []byte) (int, error) {
	n := copy(f.b[f.n:], p)
	f.n += n
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
