package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The tests of large results. Short rows have many packet headers to walk over, long ones few; the target is about the long ones.
const (
	largeRows = "large result, long rows"
	smallRows = "large result, rows of 200 bytes"
)

// largeRuns is how often a result is read per round: enough for a second or two.
const largeRuns = 4

// measureLarge reads large results through each door.
func (r *runner) measureLarge(ctx context.Context, round int, res *results) error {
	size := r.plan.largeMB * 1_000_000
	const short = 200
	tests := []struct{ name, statement string }{
		{largeRows, fmt.Sprintf("SELECT REPEAT('x', %d) FROM sbtest1", size/tableSize)},
		{smallRows, fmt.Sprintf("SELECT REPEAT('x', %d) FROM sbtest1 a CROSS JOIN (SELECT id FROM sbtest2 LIMIT %d) b", short, max(1, size/2/short/tableSize))},
	}
	doors := r.site.main()
	for _, test := range tests {
		c := res.cell(test.name, 1)
		for i := range doors {
			d := doors[(i+round)%len(doors)]
			read, took, cpu, err := r.large(ctx, d, test.statement)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", test.name, d.name, err)
			}
			mb := float64(read) / 1e6
			c.figure(megabytes).add(d.name, mb/took.Seconds())
			if d.proxy != nil {
				c.figure("CPU of the proxy, µs per MB").add(d.name, float64(cpu)/1e3/mb)
			}
			r.say("round %d  %-32s %-8s %7.0f MB/s  CPU %5.0f µs per MB", round+1, test.name, d.name, mb/took.Seconds(), float64(cpu)/1e3/mb)
		}
	}
	return nil
}

// large reads a result several times and throws it away.
func (r *runner) large(ctx context.Context, d *door, statement string) (read int64, took, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var raw net.Conn
	conn, err := r.site.connect(ctx, d.reads, &raw)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := exhaust(ctx, conn, "SELECT 1"); err != nil {
		return 0, 0, 0, err
	}
	deadline, _ := ctx.Deadline()
	if err := raw.SetDeadline(deadline); err != nil {
		return 0, 0, 0, err
	}
	before, err := cpuTime(d.pid())
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	buf := make([]byte, 256<<10)
	for range largeRuns {
		n, err := discardResult(raw, buf, statement)
		if err != nil {
			return 0, 0, 0, err
		}
		read += n
	}
	took = time.Since(began)
	after, err := cpuTime(d.pid())
	return read, took, after - before, err
}

var errNotRows = errors.New("the answer is not rows")

// discardResult runs a statement of one column on a socket that the driver has logged in, and looks at nothing but packet headers. The driver asks for
// DEPRECATE_EOF, so behind the column's definition there are rows, and the end is a packet that begins with 0xFE as none of these rows do.
func discardResult(raw net.Conn, buf []byte, statement string) (int64, error) {
	packet := append([]byte{byte(len(statement) + 1), byte((len(statement) + 1) >> 8), 0, 0, 3}, statement...)
	if _, err := raw.Write(packet); err != nil {
		return 0, err
	}
	var total int64
	unread := buf[:0]
	fill := func(want int) error {
		if len(unread) >= want {
			return nil
		}
		n := copy(buf, unread)
		got, err := io.ReadAtLeast(raw, buf[n:], want-n)
		unread = buf[:n+got]
		total += int64(got)
		return err
	}
	for index := 0; ; index++ {
		if err := fill(5); err != nil {
			return total, err
		}
		length := int(unread[0]) | int(unread[1])<<8 | int(unread[2])<<16
		switch head := unread[4]; {
		case index == 0 && (head != 1 || length > 2), head == 0xff: // The second byte says whether definitions follow (MariaDB's cached metadata).
			return total, fmt.Errorf("%w: it begins with %q", errNotRows, unread[:min(len(unread), 200)])
		case index >= 2 && head == 0xfe:
			return total, nil
		}
		for left := 4 + length; left > 0; {
			if err := fill(1); err != nil {
				return total, err
			}
			take := min(left, len(unread))
			unread = unread[take:]
			left -= take
		}
	}
}

// ended makes the end of rows no error.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
