package web

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"galley/proxy/web/fpm"
	"galley/proxy/web/site"
	"galley/proxy/web/spool"
	"galley/proxy/web/static"
)

// settle is how long an answer is waited for as a whole, and how much of it, before its first bytes are sent on: a page comes with its length, and what a script
// flushes comes through. The answer of a script that may run again is waited for longer: once a byte is sent, a worker that dies is a page that breaks off.
const (
	settle      = 50 * time.Millisecond
	settleAgain = time.Second
	settlePiece = 96 << 10
)

// answer passes a script's answer on. Where the script may be repeated, again says that it has to be.
func (c *script) answer(w http.ResponseWriter, r *http.Request, resp *fpm.Response, repeat bool) (again bool) {
	filled := false
	defer func() {
		if !filled {
			_ = resp.Body.Close()
		}
	}()
	if resp.Status < http.StatusOK || resp.Status > 999 {
		c.s.log.Warn("a script answered with no status that there is", "site", c.v.host.name, "id", c.v.id, "status", resp.Status)
		c.s.fail(w, r, c.v, http.StatusBadGateway, reasonStatus)
		return false
	}
	if to := resp.Header.Get("X-Accel-Redirect"); to != "" {
		c.accelerate(w, r, resp, to)
		return false
	}
	if streams := streaming(resp.Header); streams {
		copyHeaders(w.Header(), resp.Header)
		c.stream(w, resp)
		return false
	}
	if resp.Whole {
		c.answerWhole(w, r, resp)
		return false
	}
	s := spool.NewStream(c.use.conf.TempDir, int64(c.use.conf.MaxBuffered), &c.s.buffers)
	defer s.Stop()
	filled = true
	go s.Fill(resp.Body) // It ends when the script does, or with its next piece after Stop, and closes the answer.
	wait := settle
	if repeat {
		wait = settleAgain
	}
	size, whole, err := s.Settle(settlePiece, wait)
	if err != nil {
		if repeat && isTruncated(err) && r.Context().Err() == nil {
			c.s.log.Info("an answer broke off before any of it was sent: the script runs again", "site", c.v.host.name, "id", c.v.id, "error", err)
			return true
		}
		c.cut(w, r, err)
		return false
	}
	copyHeaders(w.Header(), resp.Header)
	c.send(w, r, &pending{Stream: s, status: resp.Status, size: size, whole: whole})
	return false
}

// answerWhole passes an answer on that is there already: nothing has to be read while it is sent, and the worker is free before.
func (c *script) answerWhole(w http.ResponseWriter, r *http.Request, resp *fpm.Response) {
	b := c.s.buffers.Get()
	defer c.s.buffers.Put(b)
	data := (*b)[:0]
	for {
		n, err := resp.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(data) == cap(data) {
			err = io.ErrShortBuffer // What a connection has read is less.
		}
		if err != nil {
			c.cut(w, r, err)
			return
		}
	}
	_ = resp.Body.Close()
	copyHeaders(w.Header(), resp.Header)
	c.send(w, r, &pending{data: data, status: resp.Status, size: int64(len(data)), whole: true})
}

func isTruncated(err error) bool {
	why, ok := errors.AsType[*fpm.Error](err)
	return ok && why.Reason == fpm.Truncated
}

// pending is an answer of which at least the beginning is there.
type pending struct {
	*spool.Stream // Nil where all of it is in data.
	data          []byte
	status        int
	size          int64 // All of it, where it is whole.
	whole         bool
}

// all is the answer where all of it is in memory.
func (p *pending) all() ([]byte, bool) {
	if p.Stream == nil {
		return p.data, true
	}
	data, all := p.Whole()
	return data, all && p.whole
}

// send passes an answer on as fast as the client takes it.
func (c *script) send(w http.ResponseWriter, r *http.Request, p *pending) {
	h := w.Header()
	bodiless := r.Method == http.MethodHead || p.status == http.StatusNoContent || p.status == http.StatusNotModified
	var into io.Writer = w
	var z *gzip.Writer
	switch {
	case bodiless:
		if p.status != http.StatusNotModified && r.Method != http.MethodHead {
			delete(h, "Content-Length")
		} else {
			capped(w, h) // What is no length is taken out.
		}
	case c.compresses(h, r, p):
		h["Content-Encoding"] = []string{"gzip"}
		delete(h, "Content-Length")
		weaken(h)
		z = c.s.gzips.Get(w)
		defer c.s.gzips.Put(z)
		into = z
	case h["Content-Length"] != nil:
		into = capped(w, h)
	case p.whole:
		h["Content-Length"] = []string{strconv.FormatInt(p.size, 10)}
	}
	w.WriteHeader(p.status)
	if bodiless {
		return
	}
	if data, all := p.all(); all {
		_, _ = into.Write(data) // A client that is gone is seen by the server.
		if z != nil && z.Close() != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	c.relay(w, into, z, p)
}

// relay sends piece after piece. What the script has flushed is flushed, when there is nothing more to send.
func (c *script) relay(w http.ResponseWriter, into io.Writer, z *gzip.Writer, p *pending) {
	buf := make([]byte, 32<<10)
	control := http.NewResponseController(w)
	drained := func() {
		if z != nil {
			_ = z.Flush()
		}
		_ = control.Flush() // What fails here fails at the next write.
	}
	for {
		b, err := p.Next(buf, drained)
		if len(b) > 0 {
			if _, e := into.Write(b); e != nil {
				c.v.because(reasonGone)
				panic(http.ErrAbortHandler)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if z != nil && z.Close() != nil {
				panic(http.ErrAbortHandler)
			}
			return
		case err != nil:
			c.broken(err)
		}
	}
}

// broken ends an answer that broke off when a part of it was sent: never as if it were whole.
func (c *script) broken(err error) {
	c.v.because(reasonCut)
	c.s.log.Warn("an answer broke off", "site", c.v.host.name, "id", c.v.id, "error", err)
	panic(http.ErrAbortHandler)
}

// cut answers where an answer broke off before anything was sent.
func (c *script) cut(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, spool.ErrNoRoom) {
		c.s.log.Error("an answer cannot be kept", "site", c.v.host.name, "id", c.v.id, "error", err)
		c.s.fail(w, r, c.v, http.StatusInternalServerError, reasonSpool)
		return
	}
	c.failPool(w, r, err)
}

// stream passes each piece on as it comes, and stops the script when its client goes.
func (c *script) stream(w http.ResponseWriter, resp *fpm.Response) {
	into := capped(w, w.Header())
	w.WriteHeader(resp.Status)
	control := http.NewResponseController(w)
	_ = control.Flush()
	buf := make([]byte, 16<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, e := into.Write(buf[:n]); e != nil {
				if errors.Is(e, http.ErrBodyNotAllowed) {
					return
				}
				c.v.because(reasonGone)
				panic(http.ErrAbortHandler)
			}
			_ = control.Flush()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.broken(err)
		}
	}
}

// capped is the way to the client for a script that may send more than it said: what it said is sent.
func capped(w http.ResponseWriter, h http.Header) io.Writer {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		delete(h, "Content-Length") // It is no length, so none was said.
		return w
	}
	h["Content-Length"] = []string{strconv.FormatInt(n, 10)} // Once, and in digits alone: a proxy in front may believe another one than we do.
	return &cap64{w: w, left: n}
}

// cap64 drops what is more than so many bytes.
type cap64 struct {
	w    io.Writer
	left int64
}

// Write implements io.Writer.
func (c *cap64) Write(p []byte) (int, error) {
	some := p[:min(int64(len(p)), c.left)]
	c.left -= int64(len(some))
	if len(some) > 0 {
		if n, err := c.w.Write(some); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// streaming says that an answer is not to be gathered.
func streaming(h http.Header) bool {
	return strings.EqualFold(h.Get("X-Accel-Buffering"), "no") || strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
}

// copyHeaders passes a script's headers on, but for those of a connection.
func copyHeaders(into, from http.Header) {
	for name, values := range from {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Status", "X-Request-Id",
			"X-Accel-Limit-Rate", "X-Accel-Charset", "X-Accel-Redirect":
			continue
		}
		into[name] = values
	}
}

// smallest is the size from which compressing pays.
const smallest = 1 << 10

// compresses says whether galley compresses an answer: a text of some length that is not compressed, and may be changed. That it might be is told to caches.
func (c *script) compresses(h http.Header, r *http.Request, p *pending) bool {
	if c.v.host.files.Gzips == nil || p.size < smallest || h["Content-Encoding"] != nil || p.status == http.StatusPartialContent || !static.Compressible(h.Get("Content-Type")) ||
		strings.Contains(h.Get("Cache-Control"), "no-transform") {
		return false
	}
	h.Add("Vary", "Accept-Encoding")
	return static.Accepts(r.Header.Get("Accept-Encoding"), "gzip")
}

// weaken makes an entity tag one of the content, not of its bytes.
func weaken(h http.Header) {
	if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		h["Etag"] = []string{"W/" + tag}
	}
}

// accelerate answers with a file that the script names, by the headers that the script gives.
func (c *script) accelerate(w http.ResponseWriter, r *http.Request, resp *fpm.Response, to string) {
	h := c.v.host
	if h.accel == nil {
		c.s.log.Error("a script gave out a file by X-Accel-Redirect, but the site has no accel_root", "site", h.name, "id", c.v.id, "path", to)
		c.s.fail(w, r, c.v, http.StatusInternalServerError, reasonAccel)
		return
	}
	raw, _, _ := strings.Cut(to, "?")
	path, err := site.Clean(raw)
	if err != nil {
		c.s.fail(w, r, c.v, http.StatusNotFound, reasonNoFile)
		return
	}
	copyHeaders(w.Header(), resp.Header)
	delete(w.Header(), "Content-Length")
	plain := r
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		plain = r.Clone(r.Context())
		plain.Method = http.MethodGet
	}
	_ = resp.Body.Close() // The worker is free while the file is sent. Closing twice does no harm.
	options := h.files
	options.Keep = true
	if err := h.accel.Serve(w, plain, path, &options); err != nil {
		c.s.failFile(w, r, c.v, err)
	}
}
