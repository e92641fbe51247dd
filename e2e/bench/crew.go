package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// crew is to web servers what a herd is to databases: many clients with kept connections in one goroutine, by epoll. Each asks for the same address again and again.
// An answer that is not 200, or none, is counted as an error and the client goes on. It belongs to one goroutine.
type crew struct {
	door    string
	to      unix.SockaddrInet4
	poll    int
	members []member
	request []byte
	now     time.Time // Of the last wake-up.
	until   time.Time
	next    int // Who begins when another is done, where each asks once.
	busy    int
	buf     []byte
	got     served
}

// member is one client of a crew.
type member struct {
	number int
	fd     int // -1 if not connected.
	asking bool
	began  time.Time
	reply  reply
}

// served is what a crew has got.
type served struct {
	took   time.Duration
	waits  []float64 // Of each good answer, in milliseconds.
	bytes  int64     // Of bodies.
	errors int
	first  error // Of these.
}

// readAhead is how much a client reads at a time, as much as a browser may.
const readAhead = 128 << 10

func newCrew(d *door, p page, n int) (*crew, error) {
	addr, err := netip.ParseAddrPort(d.reads)
	if err != nil {
		return nil, err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &crew{door: d.name, to: unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}, poll: poll, members: make([]member, n), buf: make([]byte, readAhead)}
	c.visit(p)
	for i := range c.members {
		c.members[i].number, c.members[i].fd = i, -1
	}
	return c, nil
}

// visit says what is asked for from now on.
func (c *crew) visit(p page) {
	c.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", p.path, p.host)
}

func (c *crew) close() {
	for i := range c.members {
		c.hangUp(&c.members[i])
	}
	_ = unix.Close(c.poll)
}

// once has each member ask once, some at a time.
func (c *crew) once(ctx context.Context) (served, error) {
	return c.play(ctx, time.Time{}, min(abreast, len(c.members)))
}

// during has so many members ask for a while, and waits until all have been answered.
func (c *crew) during(ctx context.Context, d time.Duration, n int) (served, error) {
	return c.play(ctx, time.Now().Add(d), n)
}

// cut has all members ask for a while and hang up then, in the middle of what they get.
func (c *crew) cut(ctx context.Context, d time.Duration) (served, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	got, err := c.play(ctx, time.Now().Add(time.Hour), len(c.members))
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	for i := range c.members {
		m := &c.members[i]
		if m.asking {
			got.bytes += m.reply.body
		}
		c.hangUp(m)
	}
	return got, err
}

func (c *crew) play(ctx context.Context, until time.Time, first int) (served, error) {
	began := time.Now()
	c.until, c.now, c.next, c.busy, c.got = until, began, first, 0, served{}
	for i := range first {
		c.begin(&c.members[i])
	}
	var events [256]unix.EpollEvent
	for c.busy > 0 {
		const tick = 10
		n, err := unix.EpollWait(c.poll, events[:], tick)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return c.got, fmt.Errorf("client of %s: %w", c.door, err)
		}
		c.now = time.Now()
		if ctx.Err() != nil {
			c.got.took = c.now.Sub(began)
			return c.got, fmt.Errorf("%d clients of %s without an answer: %w", c.busy, c.door, ctx.Err())
		}
		for _, e := range events[:max(n, 0)] {
			c.read(&c.members[e.Fd])
		}
	}
	c.got.took = time.Since(began)
	return c.got, nil
}

// begin asks. A client that cannot even ask stays out of this play: nothing is to go round without waiting.
func (c *crew) begin(m *member) {
	c.busy++
	m.began, m.asking = time.Now(), true
	m.reply.reset()
	if err := c.ask(m); err != nil {
		c.count(err)
		c.hangUp(m)
		c.busy--
	}
}

func (c *crew) ask(m *member) error {
	if m.fd < 0 {
		if err := c.connect(m); err != nil {
			return err
		}
	}
	if n, err := unix.Write(m.fd, c.request); err != nil || n < len(c.request) {
		return fmt.Errorf("write %d bytes, %d written: %w", len(c.request), n, err)
	}
	return nil
}

// connect connects, which over the loopback device is done at once, and waits for nothing else.
func (c *crew) connect(m *member) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	m.fd = fd
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, &c.to); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(m.number)})
}

func (c *crew) hangUp(m *member) {
	if m.fd >= 0 {
		_ = unix.Close(m.fd)
		m.fd = -1
	}
	m.asking = false
}

// failed counts an error; the client goes on over another connection.
func (c *crew) failed(m *member, err error) {
	c.hangUp(m)
	c.busy--
	c.count(err)
	c.onward(m)
}

func (c *crew) count(err error) {
	c.got.errors++
	if c.got.first == nil {
		c.got.first = err
	}
}

// read reads what has come for a client.
func (c *crew) read(m *member) {
	if m.fd < 0 {
		return
	}
	n, err := unix.Read(m.fd, c.buf)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case !m.asking: // A server may close a connection that has nothing to do.
		c.hangUp(m)
		return
	case err != nil:
		c.failed(m, fmt.Errorf("read: %w", err))
		return
	case n == 0:
		c.failed(m, errHungUp)
		return
	}
	done, err := m.reply.feed(c.buf[:n])
	if err != nil {
		c.failed(m, err)
		return
	}
	if done {
		c.answered(m)
	}
}

// answered counts an answer.
func (c *crew) answered(m *member) {
	c.busy--
	m.asking = false
	if m.reply.status != http.StatusOK {
		c.count(fmt.Errorf("status %d", m.reply.status))
	} else {
		c.got.waits = append(c.got.waits, float64(time.Since(m.began))/1e6)
	}
	c.got.bytes += m.reply.body
	if m.reply.closes {
		c.hangUp(m)
	}
	c.onward(m)
}

// onward has the client ask again, or the next.
func (c *crew) onward(m *member) {
	switch {
	case c.now.Before(c.until):
		c.begin(m)
	case c.until.IsZero() && c.next < len(c.members):
		c.next++
		c.begin(&c.members[c.next-1])
	}
}
