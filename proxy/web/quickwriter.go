package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"galley/proxy/web/head"
)

// quickWriter writes an answer in HTTP/1.1 as net/http does, in as few pieces as it comes in: its head goes with the first piece of the body.
type quickWriter struct {
	to      *conn
	ctx     *clientContext
	leaving *atomic.Bool // No request is to follow on any connection.
	mute    bool         // To HEAD: what would be the body is not sent.

	header  http.Header
	names   []string
	buf     []byte // What is not sent yet, the head at first.
	status  int    // 0 before WriteHeader.
	length  int64  // What is still to come of the body; -1 where that is not known.
	typed   bool   // The body's type is known, or is not to be guessed.
	closing bool   // The answer says by itself that it is the last.
	framed  framing
	short   []byte // The body, while it is not decided how its end is told.
	last    bool   // No request follows on this connection.
	err     error
}

// framing is how the end of a body is told.
type framing uint8

const (
	undecided framing = iota
	byLength
	byChunks
	noBody
)

const (
	// together is how much is put together before it is sent.
	together = 16 << 10
	// unframed is what net/http takes of a body before it decides that its length is not known.
	unframed = 2048
)

// Header implements http.ResponseWriter.
func (w *quickWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter. It sends nothing yet.
func (w *quickWriter) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK {
		return
	}
	w.status, w.length = status, -1
	if text := first(w.header["Content-Length"]); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			w.length = n
		} else {
			delete(w.header, "Content-Length")
		}
	}
	_, w.typed = w.header["Content-Type"]
	w.typed = w.typed || first(w.header["Content-Encoding"]) != "" || bodiless(status)
	w.closing = first(w.header["Connection"]) == "close"
	w.last = w.closing || w.leaving.Load()
	if bodiless(status) {
		w.length = -1
		delete(w.header, "Content-Length")
		if status == http.StatusNotModified {
			delete(w.header, "Content-Type")
		}
	}
	w.startBuf()
}

func bodiless(status int) bool {
	return status == http.StatusNotModified || status == http.StatusNoContent
}

// startBuf begins what is sent with all of the head that is known by now.
func (w *quickWriter) startBuf() {
	b := append(w.buf[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, ' ')
	if text := http.StatusText(w.status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(w.status), 10)
	}
	b = append(b, "\r\n"...)
	if _, dated := w.header["Date"]; !dated { // A page from the cache is.
		b = append(b, "Date: "...)
		b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
		b = append(b, "\r\n"...)
	}
	w.names = w.names[:0]
	for name := range w.header {
		if name == "Connection" && w.last && !w.closing || name == "Transfer-Encoding" || !head.IsName(name) {
			continue
		}
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		for _, value := range w.header[name] {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, oneLine(value)...)
			b = append(b, "\r\n"...)
		}
	}
	w.buf = b
}

// decide ends the head. piece is how the body begins; whole says that there is no more of it.
func (w *quickWriter) decide(piece []byte, whole bool) {
	b := w.buf
	if !w.typed && len(piece) > 0 {
		b = append(b, "Content-Type: "...)
		b = append(b, http.DetectContentType(piece)...)
		b = append(b, "\r\n"...)
	}
	known := w.length >= 0
	if !known && whole && !bodiless(w.status) && (!w.mute || len(piece) > 0) {
		known, w.length = true, int64(len(piece))
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, w.length, 10)
		b = append(b, "\r\n"...)
	}
	switch {
	case w.mute || bodiless(w.status):
		w.framed = noBody
	case known:
		w.framed = byLength
	default:
		w.framed = byChunks
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if w.last && !w.closing {
		b = append(b, "Connection: close\r\n"...)
	}
	w.buf = append(b, "\r\n"...)
}

var errLength = errors.New("an answer that is not as long as it said")

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// oneLine is a value that cannot begin another header.
func oneLine(value string) string {
	if strings.ContainsAny(value, "\r\n") {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return strings.Trim(value, " \t")
}

// Write implements http.ResponseWriter.
func (w *quickWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case len(p) == 0:
		return 0, nil
	case bodiless(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && int64(len(w.short)+len(p)) > w.length:
		w.err = errLength
		return 0, http.ErrContentLength
	}
	if w.framed == undecided {
		if (w.length < 0 || !w.typed) && len(w.short)+len(p) <= unframed {
			w.short = append(w.short, p...)
			return len(p), nil
		}
		start := p
		if len(w.short) > 0 {
			start = append(w.short, p[:min(len(p), unframed)]...) // So much is looked at to guess a type.
		}
		w.decide(start, false)
		w.put(w.short)
		w.short = w.short[:0]
	}
	if w.put(p); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// put sends a piece of the body, in the way that was decided.
func (w *quickWriter) put(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	switch w.framed {
	case byLength:
		w.length -= int64(len(p))
		switch {
		case len(w.buf)+len(p) <= together: // It goes with what follows it, or at the end: when it is logged, as with net/http.
			w.buf = append(w.buf, p...)
		case len(w.buf) == 0:
			_, w.err = w.to.Write(p)
		default:
			w.err = w.to.writeBoth(w.buf, p)
			w.buf = w.buf[:0]
		}
	case byChunks:
		for len(p) > 0 && w.err == nil {
			part := p[:min(len(p), together)]
			p = p[len(part):]
			w.buf = strconv.AppendInt(w.buf, int64(len(part)), 16)
			w.buf = append(w.buf, "\r\n"...)
			w.buf = append(w.buf, part...)
			if w.buf = append(w.buf, "\r\n"...); len(w.buf) > together {
				w.send()
			}
		}
	case noBody, undecided:
	}
	w.failed()
}

// send sends what is put together.
func (w *quickWriter) send() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.to.Write(w.buf)
		w.failed()
	}
	w.buf = w.buf[:0]
}

// failed ends what is done for a client that cannot be reached.
func (w *quickWriter) failed() {
	if w.err != nil && w.ctx != nil {
		w.ctx.end()
	}
}

// FlushError is for http.ResponseController.
func (w *quickWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.framed == undecided {
		w.decide(w.short, false)
		w.put(w.short)
		w.short = w.short[:0]
	}
	w.send()
	return w.err
}

// ReadFrom leaves the way open for the kernel to send a file.
func (w *quickWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	part, limited := r.(*io.LimitedReader)
	if !limited || w.length < part.N || w.mute || !w.typed || len(w.short) > 0 || bodiless(w.status) || w.err != nil {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	if w.framed == undecided {
		w.decide(nil, false)
	}
	if w.send(); w.err != nil {
		return 0, w.err
	}
	n, err := w.to.ReadFrom(part)
	if w.length -= n; err != nil {
		w.err = err
		w.failed()
	}
	return n, err
}

// finish sends what was not sent. It fails where the client did not get the whole answer.
func (w *quickWriter) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.framed == undecided {
		w.decide(w.short, true)
		w.put(w.short)
	}
	if w.framed == byChunks {
		w.buf = append(w.buf, "0\r\n\r\n"...)
	}
	w.send()
	if w.err == nil && w.framed == byLength && w.length > 0 {
		w.err = errLength
	}
	return w.err
}

// breakOff sends what there is of an answer that has no good end, where the client sees that: it ends with the connection.
func (w *quickWriter) breakOff() {
	if w.framed == byChunks || w.framed == byLength && w.length > 0 {
		w.send()
	}
}

// forget makes the writer ready for another answer.
func (w *quickWriter) forget() {
	clear(w.header)
	buf := w.buf[:0]
	if cap(buf) > 4*together {
		buf = nil
	}
	*w = quickWriter{header: w.header, names: w.names[:0], buf: buf, short: w.short[:0]}
}

// writeBoth sends two pieces as one.
func (c *conn) writeBoth(head, body []byte) error {
	for len(body) > 0 {
		if err := c.extend(); err != nil {
			return err
		}
		part := min(len(body), piece)
		both := net.Buffers{head, body[:part]}
		if _, err := both.WriteTo(c.Conn); err != nil {
			return err
		}
		head, body = nil, body[part:]
	}
	return nil
}
