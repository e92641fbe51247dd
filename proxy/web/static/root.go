// Package static gives out the files of a directory: with conditions, ranges, compression, and small files from memory.
//
// It does not decide what may be given out: that is package site's. It writes nothing to the directory and follows no link that leads out of it (os.Root).
//
// The one thing to know first: what is known of a path is believed for a second. Within it a file that was looked at costs no system call; after it the
// file is looked at again, and its content is read again if it is another one.
package static

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"galley/proxy/web/site"
)

// believed is how long what is known of a path holds.
const believed = time.Second

// Root is a directory. Its methods may be called from any goroutine.
type Root struct {
	dir   string
	cache *Cache

	mu     sync.Mutex // Held by who looks whether dir is another directory by now; nobody waits for it.
	looked time.Time
	open   atomic.Pointer[opened]
}

// opened is a directory that dir was when it was looked at. A deploy that puts another one there, or changes a link, is seen within a second; what is being
// read from the one before can be read to its end.
type opened struct {
	root *os.Root
	real string
	id   os.FileInfo
}

// NewRoot is the directory dir, which need not be there yet. cache may be nil.
func NewRoot(dir string, cache *Cache) *Root { return &Root{dir: dir, cache: cache} }

// Check says why there is nothing to give out.
func (r *Root) Check() error {
	if r.current(time.Now()) != nil {
		return nil
	}
	root, err := os.OpenRoot(r.dir)
	if err == nil {
		err = root.Close()
	}
	return err
}

// Missing says that the directory could not be opened when it was last asked for. It looks at nothing itself.
func (r *Root) Missing() bool { return r.open.Load() == nil }

// Real is where the directory is, links resolved: what php-fpm's opcache tells one deploy from another by.
func (r *Root) Real() string {
	if o := r.current(time.Now()); o != nil {
		return o.real
	}
	return r.dir
}

// current is the directory as of a second ago; nil where there is none.
func (r *Root) current(now time.Time) *opened {
	if r.mu.TryLock() {
		if now.Sub(r.looked) >= believed {
			r.looked = now
			r.look()
		}
		r.mu.Unlock()
	} else if r.open.Load() == nil {
		r.mu.Lock() // The first look is waited for.
		defer r.mu.Unlock()
	}
	return r.open.Load()
}

func (r *Root) look() {
	id, err := os.Stat(r.dir)
	if err != nil {
		r.open.Store(nil)
		return
	}
	if o := r.open.Load(); o != nil && os.SameFile(o.id, id) {
		return
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		r.open.Store(nil)
		return
	}
	o := &opened{root: root, real: r.dir}
	if o.id, err = root.Stat("."); err != nil {
		o.id = id
	}
	if real, err := filepath.EvalSymlinks(r.dir); err == nil {
		o.real = real
	}
	if whole, err := filepath.Abs(o.real); err == nil {
		o.real = whole
	}
	// The one before is closed by the collector, when nobody reads from it any more.
	r.open.Store(o)
}

// Is implements site.Files.
func (r *Root) Is(path string) site.Kind {
	now := time.Now()
	if e := r.cache.get(r, path); e != nil && e.fresh(now) {
		return e.kind
	}
	o := r.current(now)
	if o == nil {
		return site.Nothing
	}
	info, err := o.root.Stat(inside(path))
	if err != nil {
		r.cache.drop(r, path)
		return site.Nothing
	}
	kind := kindOf(info)
	if kind == site.Nothing {
		r.cache.drop(r, path)
		return kind
	}
	if e := r.cache.get(r, path); e == nil || e.stamp != stampOf(info) {
		r.cache.put(r, path, &entry{kind: kind, stamp: stampOf(info)}, now)
	} else if e.body == nil {
		e.checked.Store(now.UnixNano()) // Of a file in memory, who gives it out looks: at its compressed forms too.
	}
	return kind
}

func kindOf(info fs.FileInfo) site.Kind {
	switch {
	case info.Mode().IsRegular():
		return site.File
	case info.IsDir():
		return site.Directory
	}
	return site.Nothing
}

// inside is a clean path as os.Root takes it.
func inside(path string) string {
	if path == "/" {
		return "."
	}
	return path[1:]
}

// openFile opens what is at a path if it is a file. It never waits, whatever else it is.
func (o *opened) openFile(path string) (*os.File, fs.FileInfo, error) {
	f, err := o.root.OpenFile(inside(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// stamp tells one content of a file from another, as far as the file system does.
type stamp struct {
	modified, changed int64
	size              int64
	inode             uint64
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{modified: info.ModTime().UnixNano(), size: info.Size()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.changed = st.Ino, st.Ctim.Nano()
	}
	return s
}
