package static

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"galley/proxy/web/site"
)

// Options are how the files of a site are given out.
type Options struct {
	// CacheControl is the header of that name; empty for none.
	CacheControl string
	// Gzips compress texts that have no compressed form beside them; nil where that is not wanted.
	Gzips *Gzips
	// Keep leaves headers that are set already as they are: a script set them.
	Keep bool
}

// smallest is the size from which compressing pays: below, the answer fits into one segment anyhow.
const smallest = 1 << 10

// inMemory is the largest file that is kept in memory; the kernel sends larger ones as fast.
const inMemory = 256 << 10

// onTheFly is the largest text that is compressed each time it is asked for.
const onTheFly = 16 << 20

// body is a small file in memory in all its forms, each with the headers that are always the same.
type body struct {
	modified time.Time
	kind     mediaType
	plain    form
	br, gz   *form // Found beside the file; nil where there is none.
	beside   [2]stamp

	pressed sync.Once
	press   *form // gz as galley makes it; nil where it is not smaller.
}

// form is one encoding of a file. The slices are those that headers are set to: they are never changed.
type form struct {
	data           []byte
	encoding       []string
	etag, length   []string
	lastModified   []string
	contentType    []string
	acceptEncoding []string // The value of Vary; nil for none.
}

func (b *body) cost() int64 {
	if b == nil {
		return 0
	}
	n := len(b.plain.data)
	if b.kind.compressible {
		n += n / 2 // For the compressed form that may come to it.
	}
	for _, f := range []*form{b.br, b.gz} {
		if f != nil {
			n += len(f.data)
		}
	}
	return int64(n)
}

func etagOf(s stamp, suffix string) string {
	return `"` + strconv.FormatInt(s.modified, 36) + "-" + strconv.FormatInt(s.size, 36) + suffix + `"`
}

func (b *body) form(data []byte, s stamp, encoding string) *form {
	suffix := ""
	if encoding != "" {
		suffix = "-" + encoding
	}
	f := &form{
		data: data, etag: []string{etagOf(s, suffix)}, length: []string{strconv.Itoa(len(data))}, lastModified: []string{b.modified.UTC().Format(http.TimeFormat)},
		contentType: []string{b.kind.name},
	}
	if encoding != "" {
		f.encoding = []string{encoding}
	}
	if b.kind.compressible {
		f.acceptEncoding = []string{"Accept-Encoding"}
	}
	return f
}

// gzipped is the compressed form that galley makes, once.
func (b *body) gzipped(s stamp) *form {
	b.pressed.Do(func() {
		if len(b.plain.data) < smallest {
			return
		}
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(b.plain.data); err != nil || z.Close() != nil || out.Len() >= len(b.plain.data) {
			return
		}
		b.press = b.form(bytes.Clone(out.Bytes()), s, "gzip")
	})
	return b.press
}

// choose is the form for a client.
func (e *entry) choose(accept string, o *Options) *form {
	b := e.body
	if !b.kind.compressible || accept == "" {
		return &b.plain
	}
	if b.br != nil && accepts(accept, "br") {
		return b.br
	}
	if (b.gz != nil || o.Gzips != nil) && accepts(accept, "gzip") {
		if b.gz != nil {
			return b.gz
		}
		if f := b.gzipped(e.stamp); f != nil {
			return f
		}
	}
	return &b.plain
}

// Serve answers a GET or HEAD with the file at a clean path. It writes nothing where there is none, and returns the error.
func (r *Root) Serve(w http.ResponseWriter, req *http.Request, path string, o *Options) error {
	now := time.Now()
	e := r.cache.get(r, path)
	if e == nil || e.body == nil || !e.fresh(now) {
		var err error
		var f *os.File
		var s stamp
		if e, f, s, err = r.load(path, e, now); err != nil {
			return err
		}
		if f != nil {
			defer func() { _ = f.Close() }()
			r.serveFile(w, req, &large{f: f, path: path, stamp: s}, o)
			return nil
		}
	}
	e.serve(w, req, o)
	return nil
}

// ErrNoFile says that there is no file, or none that may be read.
var ErrNoFile = errors.New("no such file")

// load looks at a file and reads it, if it is a small one. A large one it opens.
func (r *Root) load(path string, old *entry, now time.Time) (*entry, *os.File, stamp, error) {
	o := r.current(now)
	if o == nil {
		return nil, nil, stamp{}, ErrNoFile
	}
	kind := typeOf(path)
	if old != nil && old.body != nil {
		info, err := o.root.Stat(inside(path))
		if err == nil && stampOf(info) == old.stamp && o.beside(path, kind) == old.body.beside {
			old.checked.Store(now.UnixNano())
			return old, nil, stamp{}, nil
		}
	}
	beside := o.beside(path, kind) // Before the file is read: what changes meanwhile is seen at the next look.
	f, info, err := o.openFile(path)
	if err != nil {
		r.cache.drop(r, path)
		if errors.Is(err, fs.ErrPermission) {
			return nil, nil, stamp{}, err
		}
		return nil, nil, stamp{}, ErrNoFile
	}
	s := stampOf(info)
	if r.cache == nil || info.Size() > inMemory {
		return nil, f, s, nil
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, inMemory+1))
	if err != nil {
		return nil, nil, stamp{}, err
	}
	b := &body{modified: info.ModTime(), kind: kind, beside: beside}
	b.plain = *b.form(data, s, "")
	b.br = o.readBeside(b, path+".br", "br", info)
	b.gz = o.readBeside(b, path+".gz", "gzip", info)
	e := &entry{kind: site.File, stamp: s, body: b}
	r.cache.put(r, path, e, now)
	return e, nil, s, nil
}

// beside is the state of the compressed forms of a file.
func (o *opened) beside(path string, kind mediaType) (s [2]stamp) {
	if !kind.compressible {
		return s
	}
	for i, ending := range []string{".br", ".gz"} {
		if info, err := o.root.Stat(inside(path) + ending); err == nil {
			s[i] = stampOf(info)
		}
	}
	return s
}

// readBeside reads a compressed form that is not older than the file.
func (o *opened) readBeside(b *body, path, encoding string, plain fs.FileInfo) *form {
	if !b.kind.compressible {
		return nil
	}
	f, info, err := o.openFile(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info.ModTime().Before(plain.ModTime()) || info.Size() > inMemory {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, inMemory+1))
	if err != nil {
		return nil
	}
	return b.form(data, stampOf(info), encoding)
}

// serve answers from memory.
func (e *entry) serve(w http.ResponseWriter, req *http.Request, o *Options) {
	f := e.choose(headerOf(req, "Accept-Encoding"), o)
	h := w.Header()
	setHeaders(h, f, o)
	if conditional(req) {
		h["Content-Length"] = f.length
		http.ServeContent(lengthless{w}, req, "", e.body.modified, bytes.NewReader(f.data))
		return
	}
	h["Accept-Ranges"] = acceptRanges()
	h["Content-Length"] = f.length
	w.WriteHeader(http.StatusOK)
	if req.Method != http.MethodHead {
		_, _ = w.Write(f.data) // A client that is gone is seen by the server.
	}
}

// lengthless takes the length away from an answer that has no body. net/http leaves it there where a condition failed, and the client would wait for the content.
type lengthless struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w lengthless) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed {
		delete(w.Header(), "Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

func acceptRanges() []string { return []string{"bytes"} }

func setHeaders(h http.Header, f *form, o *Options) {
	set := func(name string, v []string) {
		if v == nil || o.Keep && h[name] != nil {
			return
		}
		h[name] = v
	}
	set("Content-Type", f.contentType)
	set("Etag", f.etag)
	set("Last-Modified", f.lastModified)
	set("Content-Encoding", f.encoding)
	set("Vary", f.acceptEncoding)
	if o.CacheControl != "" {
		set("Cache-Control", []string{o.CacheControl})
	}
}

func headerOf(req *http.Request, name string) string {
	if v := req.Header[name]; len(v) == 1 {
		return v[0]
	} else if len(v) > 1 {
		return req.Header.Get(name) // The first is enough to choose by.
	}
	return ""
}

// conditional says that a request has a condition or asks for a part.
func conditional(req *http.Request) bool {
	h := req.Header
	return h["If-None-Match"] != nil || h["If-Modified-Since"] != nil || h["Range"] != nil || h["If-Match"] != nil || h["If-Unmodified-Since"] != nil
}
