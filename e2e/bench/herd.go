package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// herd is many clients in one goroutine, by epoll: what a client costs is hardly more than its system calls, and is the same with 8 and with 2,000 of them.
// It belongs to one goroutine.
type herd struct {
	door    *door
	to      unix.SockaddrInet4
	login   *login
	poll    int
	clients []client
	round   round
	now     time.Time // Of the last wake-up.
	until   time.Time
	next    int // The client that begins when another is done, where each does its round once.
	busy    int // Clients that are in a round.
	out     []byte
	buf     []byte
	played  played
}

// round is what a client does again and again, over a new connection where it has none.
type round struct {
	steps []step
	quit  bool // At the end, so that the next round begins with connecting.
}

// step is a command of a client.
type step struct {
	packet  func(out []byte, c *client) []byte // No bytes: this client does without.
	prepare bool                               // The answer is one to COM_STMT_PREPARE.
}

// client is one connection. A round ends when all steps have been answered.
type client struct {
	number    int
	fd        int // -1 if not connected.
	greeted   bool
	loggedIn  bool
	step      int
	began     time.Time
	rounds    int
	statement uint32
	unread    []byte // The begin of an answer.
}

// played is what the clients of a herd have done.
type played struct {
	took  time.Duration
	waits []float64 // Of each round, in milliseconds.
	each  []float64 // Rounds of each client.
}

func newHerd(s *site, d *door, n int) (*herd, error) {
	addr, err := netip.ParseAddrPort(d.reads)
	if err != nil {
		return nil, err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	app := s.lab.App()
	h := &herd{
		door: d, to: unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}, login: newLogin(app.User, app.Password, schemaOfTables), poll: poll,
		clients: make([]client, n), buf: make([]byte, 64<<10),
	}
	for i := range h.clients {
		h.clients[i].number, h.clients[i].fd = i, -1
	}
	return h, nil
}

func (h *herd) close() {
	for i := range h.clients {
		h.hangUp(&h.clients[i])
	}
	_ = unix.Close(h.poll)
}

// abreast is how many clients do a round at a time, where each is to do it once.
const abreast = 64

// once has each client do a round.
func (h *herd) once(ctx context.Context, r round) error {
	_, err := h.play(ctx, r, time.Time{}, min(abreast, len(h.clients)))
	return err
}

// during has all clients do rounds for a while.
func (h *herd) during(ctx context.Context, r round, d time.Duration) (played, error) {
	return h.play(ctx, r, time.Now().Add(d), len(h.clients))
}

func (h *herd) play(ctx context.Context, r round, until time.Time, first int) (played, error) {
	began := time.Now()
	h.round, h.until, h.now, h.next, h.busy, h.played = r, until, began, first, 0, played{}
	for i := range h.clients {
		h.clients[i].rounds = 0
	}
	for i := range first {
		if err := h.begin(&h.clients[i]); err != nil {
			return played{}, h.failed(err)
		}
	}
	var events [256]unix.EpollEvent
	for h.busy > 0 {
		const tick = 1000
		n, err := unix.EpollWait(h.poll, events[:], tick)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return played{}, h.failed(err)
		}
		if ctx.Err() != nil {
			return played{}, h.failed(fmt.Errorf("%d clients without an answer: %w", h.busy, context.Cause(ctx)))
		}
		h.now = time.Now()
		for _, e := range events[:max(n, 0)] {
			if err := h.read(&h.clients[e.Fd]); err != nil {
				return played{}, h.failed(err)
			}
		}
	}
	h.played.took = time.Since(began)
	for i := range h.clients {
		h.played.each = append(h.played.each, float64(h.clients[i].rounds))
	}
	return h.played, nil
}

func (h *herd) failed(err error) error { return fmt.Errorf("client of %s: %w", h.door.name, err) }

// begin begins a round.
func (h *herd) begin(c *client) error {
	h.busy++
	c.step, c.began = 0, h.now
	if c.fd >= 0 {
		return h.send(c)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.fd, c.greeted, c.loggedIn = fd, false, false
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, &h.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return unix.EpollCtl(h.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.number)})
}

// send sends the next command of a round, or ends it.
func (h *herd) send(c *client) error {
	for c.step < len(h.round.steps) {
		h.out = h.round.steps[c.step].packet(h.out[:0], c)
		if len(h.out) > 0 {
			return c.write(h.out)
		}
		c.step++
	}
	return h.end(c)
}

func (h *herd) end(c *client) error {
	if h.round.quit {
		h.out = appendCommand(h.out, comQuit, "")
		if err := c.write(h.out); err != nil {
			return err
		}
		h.hangUp(c)
	}
	h.busy--
	c.rounds++
	h.played.waits = append(h.played.waits, float64(time.Since(c.began))/1e6)
	switch {
	case h.now.Before(h.until):
		return h.begin(c)
	case h.until.IsZero() && h.next < len(h.clients):
		h.next++
		return h.begin(&h.clients[h.next-1])
	}
	return nil
}

func (h *herd) hangUp(c *client) {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

var errHungUp = errors.New("the connection was closed")

// read reads what has come. There is at most one answer: nothing is sent before the last one has been read.
func (h *herd) read(c *client) error {
	if c.fd < 0 {
		return nil
	}
	kept := copy(h.buf, c.unread)
	n, err := unix.Read(c.fd, h.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errHungUp
	}
	got := h.buf[:kept+n]
	end, err := h.answered(c, got)
	switch {
	case err != nil:
		return err
	case end == 0:
		c.unread = append(c.unread[:0], got...)
		return nil
	}
	c.unread = nil
	return h.onward(c, got[:end])
}

// answered is where the answer that c waits for ends, 0 if it has not all come.
func (h *herd) answered(c *client, got []byte) (int, error) {
	if !c.greeted {
		return packetEnd(got), nil
	}
	return answerEnd(got, c.loggedIn && h.round.steps[c.step].prepare)
}

// onward does what follows an answer.
func (h *herd) onward(c *client, answer []byte) error {
	switch {
	case !c.greeted:
		c.greeted = true
		packet, err := h.login.answer(answer)
		if err != nil {
			return err
		}
		return c.write(packet)
	case !c.loggedIn:
		if answer[4] != 0 {
			return fmt.Errorf("%w: another plugin is asked for", errAnswer)
		}
		c.loggedIn = true
		return h.send(c)
	case h.round.steps[c.step].prepare:
		c.statement = uint32(answer[5]) | uint32(answer[6])<<8 | uint32(answer[7])<<16 | uint32(answer[8])<<24
	}
	c.step++
	return h.send(c)
}

func (c *client) write(packet []byte) error {
	if n, err := unix.Write(c.fd, packet); err != nil || n < len(packet) {
		return fmt.Errorf("write %d bytes, %d written: %w", len(packet), n, err)
	}
	return nil
}

// query is a step with a fixed text.
func query(text string) step {
	return step{packet: func(out []byte, _ *client) []byte { return appendCommand(out, comQuery, text) }}
}

// queryByKey is a step with a key of the table pages behind the text.
func queryByKey(text string) step {
	return step{packet: func(out []byte, _ *client) []byte {
		out = append(append(out, 0, 0, 0, 0, comQuery), text...)
		return framed(strconv.AppendInt(out, int64(1+rand.IntN(tableSize)), 10)) //nolint:gosec // any row
	}}
}

func prepare(text string) step {
	return step{prepare: true, packet: func(out []byte, _ *client) []byte { return appendCommand(out, comStmtPrepare, text) }}
}

// executeByKey executes what was prepared with a key of the table pages as its parameter.
func executeByKey() step {
	return step{packet: func(out []byte, c *client) []byte {
		id, key := c.statement, 1+rand.IntN(tableSize) //nolint:gosec // any row
		const long = 3                                 // MYSQL_TYPE_LONG
		return framed(append(out, 0, 0, 0, 0, comStmtExecute, byte(id), byte(id>>8), byte(id>>16), byte(id>>24), 0, 1, 0, 0, 0, 0, 1, long, 0,
			byte(key), byte(key>>8), byte(key>>16), byte(key>>24)))
	}}
}
