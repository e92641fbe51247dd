package web

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// quickWriter sends an answer in as few pieces as it comes in: its head goes with the first piece of the body. It is what net/http has, for answers that are
// made at once. What has no length is gathered, as it is then short.
type quickWriter struct {
	to     *conn
	taken  bool // The request is answered here, and by nobody else.
	header http.Header
	names  []string
	buf    []byte // The head, and what is sent with it.
	status int    // 0 before WriteHeader.
	length int64  // What is still to come of the body; -1 where that is not known before its end.
	short  []byte // The body, while its length is not known.
	sent   bool   // The head was.
	mute   bool   // To HEAD: what would be the body is not sent.
	err    error
}

// together is up to which size head and body are put together by copying them.
const together = 16 << 10

// Header implements http.ResponseWriter.
func (w *quickWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter. It sends nothing yet.
func (w *quickWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.length = status, -1
	if n, err := strconv.ParseInt(first(w.header["Content-Length"]), 10, 64); err == nil {
		w.length = n
	}
	if bodiless(status) {
		w.length = 0
	}
}

func bodiless(status int) bool {
	return status == http.StatusNotModified || status == http.StatusNoContent
}

// startBuf begins what is sent with the head.
func (w *quickWriter) startBuf() {
	b := append(w.buf[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(w.status)...)
	b = append(b, "\r\n"...)
	if _, dated := w.header["Date"]; !dated { // A page from the cache is.
		b = append(b, "Date: "...)
		b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
		b = append(b, "\r\n"...)
	}
	w.names = w.names[:0]
	for name := range w.header {
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
		return strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return value
}

// Write implements http.ResponseWriter.
func (w *quickWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.length < 0 {
		w.short = append(w.short, p...)
		return len(p), nil
	}
	if w.mute {
		return len(p), nil
	}
	if w.length -= int64(len(p)); w.length < 0 {
		w.err = errLength
		return 0, w.err
	}
	if w.err = w.send(p); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// send sends a piece of the body, and the head before the first.
func (w *quickWriter) send(p []byte) error {
	if w.sent {
		_, err := w.to.Write(p)
		return err
	}
	w.sent = true
	w.sniff(p)
	w.startBuf()
	if len(p) > together {
		return w.to.writeBoth(w.buf, p)
	}
	w.buf = append(w.buf, p...)
	_, err := w.to.Write(w.buf)
	return err
}

// sniff names a body's type where nobody did, as net/http does.
func (w *quickWriter) sniff(p []byte) {
	if _, named := w.header["Content-Type"]; !named && len(p) > 0 && first(w.header["Content-Encoding"]) == "" {
		w.Header()["Content-Type"] = []string{http.DetectContentType(p)}
	}
}

// finish sends what was not sent. It fails where the client did not get the whole answer.
func (w *quickWriter) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.length < 0 && (!w.mute || len(w.short) > 0) {
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(w.short))}
		w.length = 0
	}
	if w.mute {
		w.short, w.length = nil, 0
	}
	if w.err == nil && !w.sent {
		w.err = w.send(w.short)
	}
	if w.err == nil && w.length > 0 {
		w.err = errLength
	}
	return w.err
}

// forget makes the writer ready for another answer.
func (w *quickWriter) forget() {
	clear(w.header)
	buf := w.buf[:0]
	if cap(buf) > 2*together {
		buf = nil
	}
	*w = quickWriter{header: w.header, names: w.names[:0], buf: buf}
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
