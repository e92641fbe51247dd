package cache

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	headerCache = "X-Cache"
	headerTags  = "X-Cache-Tags"
)

// entry is a whole answer. All but packed is never changed once it is in the store.
type entry struct {
	key, site, host, path string
	vary                  []string // Names of request headers, and of the values that they had.
	varied                []string
	tags                  []string
	made                  time.Time
	age                   time.Duration // What it had when it came.
	freshUntil            time.Time
	staleUntil            time.Time
	errorUntil            time.Time

	status int
	header http.Header
	body   []byte

	pack   sync.Once
	packed []byte // By gzip; nil if that gains nothing.
}

// overhead is what an entry takes besides its texts: about what its maps and pointers are.
const overhead = 1024

// size is what an entry takes in memory, its packed form included, in bytes.
func (e *entry) size() int64 {
	n := overhead + len(e.key) + len(e.body)
	if e.packable() {
		n += len(e.body) / 3
	}
	for name, values := range e.header {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return int64(n)
}

// fits says whether a request has the headers for which the answer was made.
func (e *entry) fits(h http.Header) bool {
	for i, name := range e.vary {
		if strings.Join(h.Values(name), ",") != e.varied[i] {
			return false
		}
	}
	return true
}

// unpackable is the size below which packing gains nothing on the wire.
const unpackable = 1024

func (e *entry) packable() bool {
	return len(e.body) >= unpackable && !hasDirective(e.header.Values("Cache-Control"), "no-transform")
}

// gzipped is the body packed by gzip, made when the first client asks for it, or nil.
func (e *entry) gzipped() []byte {
	if !e.packable() {
		return nil
	}
	e.pack.Do(func() {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, 6) //nolint:mnd // gzip's own default
		if err != nil {
			return
		}
		if _, err = z.Write(e.body); err == nil && z.Close() == nil && b.Len() < len(e.body)*2/3 {
			e.packed = bytes.Clone(b.Bytes())
		}
	})
	return e.packed
}

// serve answers a request with the entry; how is what X-Cache says of it.
func (e *entry) serve(w http.ResponseWriter, r *http.Request, how string, at time.Time) {
	h := w.Header()
	maps.Copy(h, e.header)
	h.Set(headerCache, how)
	h.Set("Age", strconv.FormatInt(int64((e.age+max(0, at.Sub(e.made)))/time.Second), 10))
	if e.status == http.StatusOK && notModified(r.Header, e.header) {
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
			h.Del(name)
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := e.body
	if e.packable() {
		if !hasDirective(h.Values("Vary"), "accept-encoding") {
			h.Set("Vary", strings.Join(append(slices.Clone(h.Values("Vary")), "Accept-Encoding"), ", "))
		}
		if packed := e.gzipped(); packed != nil && acceptsGzip(r.Header) {
			body = packed
			h.Set("Content-Encoding", "gzip")
			if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
				h.Set("Etag", "W/"+tag)
			}
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // A client that is gone is not the cache's affair.
	}
}

// notModified says whether the client has this very answer (RFC 9110, section 13.2.2).
func notModified(asked, have http.Header) bool {
	if match := asked.Values("If-None-Match"); len(match) > 0 {
		tag := have.Get("Etag")
		if tag == "" {
			return false
		}
		for _, line := range match {
			for one := range strings.SplitSeq(line, ",") {
				if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
					return true
				}
			}
		}
		return false
	}
	since, err := http.ParseTime(asked.Get("If-Modified-Since"))
	if err != nil {
		return false
	}
	modified, err := http.ParseTime(have.Get("Last-Modified"))
	return err == nil && !modified.After(since)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(h http.Header) bool {
	accepted := false
	for _, line := range h.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(one, ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "gzip" && coding != "*" {
				continue
			}
			weight := strings.TrimPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			yes := params == "" || err == nil && q > 0
			if coding == "gzip" {
				return yes
			}
			accepted = yes
		}
	}
	return accepted
}
