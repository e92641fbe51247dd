package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"galley/config"
)

// accessLog writes a line for each request. Lines are gathered and written together, once a second at the latest. Nil is no log.
type accessLog struct {
	json bool
	path string // Empty for standard output.

	mu   sync.Mutex
	out  io.Writer
	file *os.File
	buf  []byte
	lost int // Lines that could not be written.
}

// gathered is how many bytes of lines are written at once.
const gathered = 64 << 10

func newAccessLog(where, format string) (*accessLog, error) {
	a := &accessLog{json: format == config.AccessLogJSON, out: os.Stdout}
	switch where {
	case config.AccessLogOff, "":
		return nil, nil //nolint:nilnil // no log is a log that is not there
	case config.AccessLogStdout:
		return a, nil
	}
	a.path = where
	return a, a.reopen()
}

// reopen opens the file anew: after logrotate has moved it away, lines go to a new one.
func (a *accessLog) reopen() error {
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640) //nolint:gosec // those who read logs are in its group
	if err != nil {
		return err
	}
	if a.file != nil {
		_ = a.file.Close()
	}
	a.file, a.out = f, f
	return nil
}

// run writes what is gathered once a second, until ctx ends.
func (a *accessLog) run(ctx context.Context) {
	if a == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.flush()
			return
		case <-tick.C:
			a.flush()
		}
	}
}

func (a *accessLog) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.path != "" {
		// A file that was moved away is left where it is.
		if now, err := os.Stat(a.path); err != nil || !a.same(now) {
			_ = a.reopen() // Else the one before goes on.
		}
	}
	a.put()
}

func (a *accessLog) same(now os.FileInfo) bool {
	was, err := a.file.Stat()
	return err == nil && os.SameFile(was, now)
}

func (a *accessLog) put() {
	if len(a.buf) == 0 {
		return
	}
	if _, err := a.out.Write(a.buf); err != nil {
		a.lost++
	}
	a.buf = a.buf[:0]
}

// line is a request as the log has it.
type line struct {
	at                                                         time.Time
	remote, id, site, method, uri, proto, referer, agent, host string
	status                                                     int
	bytes                                                      int64
	total, queue, accept, script                               time.Duration
	backend, reason                                            string
}

func (a *accessLog) write(w *writer, r *http.Request, v *visit) {
	if a == nil {
		return
	}
	l := line{
		at: v.start, remote: v.remote, id: v.id, method: r.Method, uri: r.RequestURI, proto: r.Proto, referer: r.Referer(), agent: r.UserAgent(), host: r.Host, status: w.status, bytes: w.bytes,
		total: time.Since(v.start), queue: time.Duration(v.queue.Load()), accept: time.Duration(v.accept.Load()), script: time.Duration(v.script.Load()),
		backend: textOf(&v.backend), reason: textOf(&v.reason),
	}
	if v.host != nil {
		l.site = v.host.name
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.json {
		a.buf = l.appendJSON(a.buf)
	} else {
		a.buf = l.appendCombined(a.buf)
	}
	if len(a.buf) >= gathered {
		a.put()
	}
}

// appendCombined is Apache's and nginx' format, with what galley knows behind it.
func (l *line) appendCombined(b []byte) []byte {
	b = append(b, orDash(l.remote)...)
	b = append(b, " - - ["...)
	b = l.at.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendSafe(b, l.method)
	b = append(b, ' ')
	b = appendSafe(b, l.uri)
	b = append(b, ' ')
	b = append(b, l.proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(l.status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, l.bytes, 10)
	for _, text := range []string{l.referer, l.agent} {
		b = append(b, ` "`...)
		b = appendSafe(b, orDash(text))
		b = append(b, '"')
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{" total=", l.total}, {" queue=", l.queue}, {" accept=", l.accept}, {" php=", l.script}} {
		b = append(b, d.name...)
		b = strconv.AppendFloat(b, d.d.Seconds(), 'f', 6, 64)
	}
	for _, p := range [][2]string{{" site=", l.site}, {" backend=", l.backend}, {" reason=", l.reason}, {" id=", l.id}} {
		b = append(b, p[0]...)
		b = appendSafe(b, orDash(p[1]))
	}
	return append(b, '\n')
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// appendSafe writes what a client sent so that it stays within its quotes and its line.
func appendSafe(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b = fmt.Appendf(b, `\x%02x`, c)
		} else {
			b = append(b, c)
		}
	}
	return b
}

func (l *line) appendJSON(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = l.at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for _, p := range [][2]string{
		{"id", l.id},
		{"remote", l.remote},
		{"site", l.site},
		{"host", l.host},
		{"method", l.method},
		{"uri", l.uri},
		{"proto", l.proto},
		{"referer", l.referer},
		{"agent", l.agent},
		{"backend", l.backend},
		{"reason", l.reason},
	} {
		if p[1] != "" {
			b = append(b, `,"`+p[0]+`":`...)
			b = appendQuoted(b, p[1])
		}
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(l.status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, l.bytes, 10)
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"total", l.total}, {"queue", l.queue}, {"accept", l.accept}, {"php", l.script}} {
		b = append(b, `,"`+d.name+`":`...)
		b = strconv.AppendFloat(b, d.d.Seconds(), 'f', 6, 64)
	}
	return append(b, "}\n"...)
}

// appendQuoted writes a JSON string. Bytes that are no UTF-8 become the sign for that.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}
