package static_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"galley/proxy/web/site"
	"galley/proxy/web/static"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// get asks a root for a path with headers as "Name: value".
func get(t *testing.T, r *static.Root, what string, o *static.Options, headers ...string) (*reply, string) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	req := httptest.NewRequest(method, "http://a"+path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	if err := r.Serve(w, req, path, o); err != nil {
		return nil, err.Error()
	}
	resp := w.Result()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &reply{resp.StatusCode, resp.Header, resp.ContentLength}, string(body)
}

type reply struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

func unzip(t *testing.T, text string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// roots are a directory without a cache and the same with one: what clients see must not differ.
func roots(dir string) map[string]*static.Root {
	return map[string]*static.Root{"no cache": static.NewRoot(dir, nil), "cache": static.NewRoot(dir, static.NewCache(64<<20))}
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	style := strings.Repeat("a { color: red }\n", 200)
	big := strings.Repeat("0123456789abcdef", 1<<15) // 512 KiB: larger than what is kept in memory.
	write(t, dir+"/style.css", style)
	write(t, dir+"/big.txt", big)
	write(t, dir+"/pic.png", big)
	write(t, dir+"/app.js", style)
	write(t, dir+"/app.js.br", "brotli")
	write(t, dir+"/app.js.gz", "zipped")
	write(t, dir+"/old.js", style)
	write(t, dir+"/old.js.br", "outdated")
	write(t, dir+"/big.js", big)
	write(t, dir+"/big.js.gz", "zipped big")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir+"/old.js.br", past, past); err != nil {
		t.Fatal(err)
	}
	plain, zipping := &static.Options{}, &static.Options{Gzips: &static.Gzips{}, CacheControl: "public, max-age=60"}
	for name, r := range roots(dir) {
		for round := range 2 { // The second time from memory.
			for _, test := range []struct {
				path, accept string
				o            *static.Options
				body         string
				encoding     string
			}{
				{"/style.css", "", plain, style, ""},
				{"/style.css", "gzip", plain, style, ""},
				{"/style.css", "br, gzip", zipping, style, "gzip"},
				{"/style.css", "gzip;q=0, *;q=0", zipping, style, ""},
				{"/style.css", "*", zipping, style, "gzip"},
				{"/big.txt", "gzip", zipping, big, "gzip"},
				{"/big.txt", "", zipping, big, ""},
				{"/pic.png", "gzip", zipping, big, ""},
				{"/app.js", "gzip, br", plain, "brotli", "br"},
				{"/app.js", "gzip", plain, "zipped", "gzip"},
				{"/app.js", "identity", plain, style, ""},
				{"/old.js", "br", plain, style, ""},
				{"/big.js", "gzip", zipping, "zipped big", "gzip"},
			} {
				what := fmt.Sprint(name, " ", round, " ", test.path, " ", test.accept)
				resp, body := get(t, r, "GET "+test.path, test.o, "Accept-Encoding: "+test.accept)
				if resp == nil {
					t.Fatal(what, body)
				}
				if test.encoding == "gzip" && !strings.HasPrefix(test.body, "zipped") {
					body = unzip(t, body)
				} else if resp.ContentLength != int64(len(body)) {
					t.Errorf("%s: Content-Length %d of %d", what, resp.ContentLength, len(body))
				}
				if resp.StatusCode != 200 || body != test.body || resp.Header.Get("Content-Encoding") != test.encoding || resp.Header.Get("Cache-Control") != test.o.CacheControl {
					t.Errorf("%s: %d %d bytes %v", what, resp.StatusCode, len(body), resp.Header)
				}
				if vary := resp.Header.Get("Vary"); (vary == "Accept-Encoding") == strings.HasSuffix(test.path, ".png") {
					t.Errorf("%s: Vary %q", what, vary)
				}
				head, nothing := get(t, r, "HEAD "+test.path, test.o, "Accept-Encoding: "+test.accept)
				if head.StatusCode != 200 || nothing != "" || head.Header.Get("Content-Encoding") != test.encoding || head.Header.Get("Etag") != resp.Header.Get("Etag") {
					t.Errorf("%s: HEAD %d %v", what, head.StatusCode, head.Header)
				}
				again, nothing := get(t, r, "GET "+test.path, test.o, "Accept-Encoding: "+test.accept, "If-None-Match: "+resp.Header.Get("Etag"))
				if again.StatusCode != 304 || nothing != "" || again.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s: with its tag: %d %v", what, again.StatusCode, again.Header)
				}
			}
		}
	}
}

func TestTagsOfEncodingsDiffer(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.css", strings.Repeat("x", 5000))
	r := static.NewRoot(dir, static.NewCache(1<<20))
	o := &static.Options{Gzips: &static.Gzips{}}
	plain, _ := get(t, r, "GET /a.css", o)
	zipped, _ := get(t, r, "GET /a.css", o, "Accept-Encoding: gzip")
	if plain.Header.Get("Etag") == zipped.Header.Get("Etag") {
		t.Error("a part of one could be put together with a part of the other")
	}
}

func TestRangesAndConditions(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/small.bin", "0123456789")
	write(t, dir+"/large.bin", "0123456789"+strings.Repeat("x", 1<<20))
	for name, r := range roots(dir) {
		for _, path := range []string{"/small.bin", "/large.bin"} {
			first, _ := get(t, r, "GET "+path, &static.Options{})
			tag, modified := first.Header.Get("Etag"), first.Header.Get("Last-Modified")
			for _, test := range []struct {
				headers []string
				status  int
				body    string
			}{
				{[]string{"Range: bytes=2-4"}, 206, "234"},
				{[]string{"Range: bytes=0-0"}, 206, "0"},
				{[]string{"Range: bytes=99999999-"}, 416, ""},
				{[]string{"Range: bytes=4-2"}, 416, ""},
				{[]string{"Range: bytes=2-4", "If-Range: " + tag}, 206, "234"},
				{[]string{"Range: bytes=2-4", `If-Range: "other"`}, 200, ""},
				{[]string{"If-Modified-Since: " + modified}, 304, ""},
				{[]string{"If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT"}, 200, ""},
				{[]string{`If-Match: "other"`}, 412, ""},
				{[]string{"If-Match: " + tag}, 200, ""},
				{[]string{`If-None-Match: "other"`}, 200, ""},
				{[]string{"If-None-Match: *"}, 304, ""},
				{[]string{"Range: lines=1-2"}, 416, ""},
			} {
				resp, body := get(t, r, "GET "+path, &static.Options{}, test.headers...)
				if resp.StatusCode != test.status || test.body != "" && body != test.body || test.status == 412 && resp.Header.Get("Content-Length") != "" {
					t.Errorf("%s %s %v: %d %.20q", name, path, test.headers, resp.StatusCode, body)
				}
			}
			resp, body := get(t, r, "GET "+path, &static.Options{}, "Range: bytes=0-1,5-6")
			_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
			if err != nil || resp.StatusCode != 206 {
				t.Fatalf("%d %v", resp.StatusCode, err)
			}
			var parts []string
			for m := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
				p, err := m.NextPart()
				if err != nil {
					break
				}
				b, _ := io.ReadAll(p)
				parts = append(parts, string(b))
			}
			if strings.Join(parts, " ") != "01 56" {
				t.Errorf("%s %s: parts %v", name, path, parts)
			}
		}
	}
}

func TestNothingOutsideOfTheRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/secret.txt", "secret")
	write(t, dir+"/www/a.txt", "a")
	for from, to := range map[string]string{"/www/out.txt": "../secret.txt", "/www/abs.txt": dir + "/secret.txt", "/www/up": "..", "/www/in.txt": "a.txt"} {
		if err := os.Symlink(to, dir+from); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(dir+"/www/pipe.txt", 0o644); err != nil {
		t.Fatal(err)
	}
	for name, r := range roots(dir + "/www") {
		for _, path := range []string{"/out.txt", "/abs.txt", "/up/secret.txt", "/../secret.txt", "/none.txt", "/pipe.txt", "/"} {
			if resp, body := get(t, r, "GET "+path, &static.Options{}); resp != nil {
				t.Errorf("%s %s: %q", name, path, body)
			}
		}
		if resp, body := get(t, r, "GET /in.txt", &static.Options{}); resp == nil || body != "a" {
			t.Errorf("%s: a link within the root: %q", name, body)
		}
		for path, want := range map[string]site.Kind{"/": site.Directory, "/a.txt": site.File, "/out.txt": site.Nothing, "/up": site.Nothing, "/pipe.txt": site.Nothing, "/a.txt/x": site.Nothing} {
			for range 2 {
				if got := r.Is(path); got != want {
					t.Errorf("%s %s: %v, want %v", name, path, got, want)
				}
			}
		}
	}
}

// eventually waits for what is believed for a second.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Error(what)
}

func TestMissing(t *testing.T) {
	for _, tt := range []struct {
		dir     string
		missing bool
	}{{t.TempDir(), false}, {filepath.Join(t.TempDir(), "gone"), true}} {
		r := static.NewRoot(tt.dir, nil)
		if err := r.Check(); (err != nil) != tt.missing || r.Missing() != tt.missing {
			t.Errorf("%s: %v, missing %t", tt.dir, err, r.Missing())
		}
	}
}

func TestChangesAreSeen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/one/a.txt", "before")
	write(t, dir+"/two/a.txt", "deployed")
	if err := os.Symlink("one", dir+"/current"); err != nil {
		t.Fatal(err)
	}
	cache := static.NewCache(1 << 20)
	r := static.NewRoot(dir+"/current", cache)
	body := func() string { _, b := get(t, r, "GET /a.txt", &static.Options{}); return b }
	if got := body(); got != "before" || r.Real() != dir+"/one" {
		t.Fatal(got, r.Real())
	}
	write(t, dir+"/one/a.txt", "after")
	eventually(t, "a file that was changed", func() bool { return body() == "after" })
	if err := os.Symlink("two", dir+"/next"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/next", dir+"/current"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deploy by a link", func() bool { return body() == "deployed" && r.Real() == dir+"/two" })
	if err := os.Remove(dir + "/two/a.txt"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a file that was removed", func() bool { return r.Is("/a.txt") == site.Nothing })
	if resp, _ := get(t, r, "GET /a.txt", &static.Options{}); resp != nil {
		t.Error("a file that was removed is given out")
	}
	if err := os.RemoveAll(dir + "/two"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a root that was removed", func() bool { return r.Check() != nil })
}

func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		write(t, fmt.Sprint(dir, "/", i, ".bin"), strings.Repeat("x", 10<<10))
	}
	const limit = 400 << 10
	cache := static.NewCache(limit)
	r := static.NewRoot(dir, cache)
	for round := range 3 {
		for i := range 200 {
			path := fmt.Sprint("/", i, ".bin")
			if r.Is(path) != site.File {
				t.Fatal(path)
			}
			if _, body := get(t, r, "GET "+path, &static.Options{}); len(body) != 10<<10 {
				t.Fatal(round, path, len(body))
			}
			if n := cache.Bytes(); n > limit || n < 0 {
				t.Fatalf("%d bytes", n)
			}
		}
	}
	if cache.Bytes() < limit/2 {
		t.Errorf("only %d bytes are used", cache.Bytes())
	}
	cache.Forget(r)
	if cache.Bytes() != 0 {
		t.Errorf("%d bytes of a root that was forgotten", cache.Bytes())
	}
}

func TestErrors(t *testing.T) {
	r := static.NewRoot(filepath.Join(t.TempDir(), "none"), nil)
	if r.Check() == nil || r.Is("/") != site.Nothing {
		t.Error("a root that is not there")
	}
	err := r.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), "/a", &static.Options{})
	if !errors.Is(err, static.ErrNoFile) {
		t.Error(err)
	}
}

func BenchmarkSmallFile(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(dir+"/a.css", bytes.Repeat([]byte("x"), 4096), 0o644); err != nil {
		b.Fatal(err)
	}
	r := static.NewRoot(dir, static.NewCache(1<<20))
	req := httptest.NewRequest("GET", "/a.css", nil)
	for b.Loop() {
		if err := r.Serve(&discard{h: http.Header{}}, req, "/a.css", &static.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
