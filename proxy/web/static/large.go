package static

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// large is a file that is not kept in memory.
type large struct {
	f     *os.File
	path  string
	stamp stamp
}

// serveFile answers from a file. net/http gives a plain file to the kernel (sendfile).
func (r *Root) serveFile(w http.ResponseWriter, req *http.Request, l *large, o *Options) {
	b := &body{modified: time.Unix(0, l.stamp.modified), kind: typeOf(l.path)}
	shape := b.form(nil, l.stamp, "")
	accept := headerOf(req, "Accept-Encoding")
	content, size := l.f, l.stamp.size
	if b.kind.compressible && accept != "" {
		if f, s, encoding := r.besideLarge(l, accept); f != nil {
			defer func() { _ = f.Close() }()
			content, size, shape = f, s.size, b.form(nil, s, encoding)
		} else if o.Gzips != nil && size >= smallest && size <= onTheFly && accepts(accept, "gzip") && req.Header["Range"] == nil {
			setHeaders(w.Header(), b.form(nil, l.stamp, "gzip"), o)
			o.Gzips.compress(w, req, b.modified, content)
			return
		}
	}
	setHeaders(w.Header(), shape, o)
	if shape.encoding != nil {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if req.Header["If-Match"] != nil || req.Header["If-Unmodified-Since"] != nil {
			w = lengthless{w} // Not always: the kernel could not send the file then.
		}
	}
	http.ServeContent(w, req, "", b.modified, content)
}

// besideLarge opens the compressed form of a file that the client takes.
func (r *Root) besideLarge(l *large, accept string) (*os.File, stamp, string) {
	o := r.current(time.Now())
	if o == nil {
		return nil, stamp{}, ""
	}
	for _, form := range []struct{ ending, encoding string }{{".br", "br"}, {".gz", "gzip"}} {
		if !accepts(accept, form.encoding) {
			continue
		}
		f, info, err := o.openFile(l.path + form.ending)
		if err != nil {
			continue
		}
		if info.ModTime().UnixNano() >= l.stamp.modified {
			return f, stampOf(info), form.encoding
		}
		_ = f.Close()
	}
	return nil, stamp{}, ""
}

// compress answers with a text in gzip, made while it is sent. Its headers are set; what a condition spares is not sent.
func (g *Gzips) compress(w http.ResponseWriter, req *http.Request, modified time.Time, content io.Reader) {
	if conditional(req) {
		// ServeContent judges the conditions on an empty content; only if none spares the answer does it come to a status of 200.
		c := &condition{ResponseWriter: w}
		http.ServeContent(c, req, "", modified, emptyContent{})
		if c.answered {
			return
		}
	}
	h := w.Header()
	delete(h, "Content-Length")
	delete(h, "Accept-Ranges")
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodHead {
		return
	}
	z := g.Get(w)
	defer g.Put(z)
	if _, err := io.Copy(z, content); err != nil {
		panic(http.ErrAbortHandler) // The client must not take half of it for the whole.
	}
	if z.Close() != nil {
		panic(http.ErrAbortHandler)
	}
}

// Gzips are compressors that are not in use. The zero value is ready.
type Gzips struct{ idle sync.Pool }

// Get gives a compressor that writes to w.
func (g *Gzips) Get(w io.Writer) *gzip.Writer {
	if z, ok := g.idle.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	z, err := gzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return gzip.NewWriter(w) // The level is a valid one: this does not happen.
	}
	return z
}

// Put takes a compressor back.
func (g *Gzips) Put(z *gzip.Writer) {
	z.Reset(io.Discard)
	g.idle.Put(z)
}

// gzipLevel is where the library is several times as fast as at its default, for a few percent of size.
const gzipLevel = 3

// condition lets only an answer pass that is not the content.
type condition struct {
	http.ResponseWriter
	answered bool
}

// WriteHeader implements http.ResponseWriter.
func (c *condition) WriteHeader(status int) {
	if status != http.StatusOK {
		c.answered = true
		c.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (c *condition) Write(p []byte) (int, error) {
	if !c.answered {
		return len(p), nil
	}
	return c.ResponseWriter.Write(p)
}

// emptyContent is a content that has nothing.
type emptyContent struct{}

// Read implements io.Reader.
func (emptyContent) Read([]byte) (int, error) { return 0, io.EOF }

// Seek implements io.Seeker.
func (emptyContent) Seek(int64, int) (int64, error) { return 0, nil }
