package cache

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// words is long enough to be taken for a page, and for packing.
var words = "<html>" + strings.Repeat("words ", 400) + "</html>"

// script counts its runs and prints their number.
type script struct {
	runs   atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request, run int64)
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	run := s.runs.Add(1)
	if s.answer != nil {
		s.answer(w, r, run)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "run %d %s", run, words)
}

func blog() Site {
	return Site{Name: "blog", Rules: Rules{WordPress: true, TTL: 5 * time.Second, StaleWhileRevalidate: time.Minute, StaleIfError: time.Hour}}
}

func newCache(t *testing.T, change func(o *Options)) *Cache {
	t.Helper()
	o := Options{MaxBytes: 1 << 20, MaxObject: 64 << 10, Wait: 5 * time.Second, FillTime: time.Minute}
	if change != nil {
		change(&o)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// ask sends a request and gives the answer, the beginning of its body and X-Cache.
func ask(c *Cache, site Site, s http.Handler, r *http.Request) (w *httptest.ResponseRecorder, run, how string) {
	w = httptest.NewRecorder()
	c.Serve(w, r, site, s)
	body := w.Body.String()
	if strings.HasPrefix(body, "run ") {
		run = strings.Fields(body)[1]
	}
	return w, run, w.Header().Get(headerCache)
}

func TestFreshStaleGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCache(t, nil), &script{}
		expect := func(wantRun, wantHow string) {
			t.Helper()
			synctest.Wait()
			if _, run, how := ask(c, blog(), s, get("/")); run != wantRun || how != wantHow {
				t.Errorf("run %s %s, want %s %s", run, how, wantRun, wantHow)
			}
			synctest.Wait()
		}
		expect("1", "MISS")
		expect("1", "HIT")
		time.Sleep(6 * time.Second)
		expect("1", "STALE")
		expect("2", "HIT") // Made anew behind the visitor's back.
		time.Sleep(2 * time.Minute)
		expect("3", "MISS")
		if st := c.Stats(); st.Hits != 2 || st.Stale != 1 || st.Misses != 2 || st.Refreshed != 1 || st.Entries != 1 {
			t.Errorf("%+v", st)
		}
		// The figures of the site are all there are; another has none.
		all := c.Stats()
		if st := c.SiteStats(blog().Name); st != all.SiteStats || st.Bytes == 0 {
			t.Errorf("%+v, of all sites %+v", st, all)
		}
		if st := c.SiteStats("another"); st != (SiteStats{}) {
			t.Errorf("%+v", st)
		}
	})
}

func TestNobodysPage(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, r *http.Request, run int64) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "run %d for %q %s", run, r.Header.Get("Cookie"), words)
	}}
	w, _, _ := ask(c, blog(), s, get("/", "Cookie", "_ga=secret"))
	if strings.Contains(w.Body.String(), "secret") {
		t.Error("a stored page was made with a visitor's cookie")
	}
	w, run, how := ask(c, blog(), s, get("/", "Cookie", "wordpress_logged_in_1=ann"))
	if how != "BYPASS" || run != "2" || !strings.Contains(w.Body.String(), "ann") {
		t.Errorf("a user who is logged in got run %s, %s", run, how)
	}
	if w, _, how := ask(c, blog(), s, get("/")); how != "HIT" || strings.Contains(w.Body.String(), "ann") {
		t.Errorf("a stranger got %s %.60s", how, w.Body)
	}
}

func TestCookieIsNeverStored(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, _ *http.Request, run int64) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Set-Cookie", fmt.Sprintf("session=%d", run))
		fmt.Fprintf(w, "run %d %s", run, words)
	}}
	for i := 1; i <= 3; i++ {
		if w, run, _ := ask(c, blog(), s, get("/")); run != fmt.Sprint(i) || w.Header().Get("Set-Cookie") != fmt.Sprintf("session=%d", i) {
			t.Errorf("visitor %d got run %s with %q", i, run, w.Header().Get("Set-Cookie"))
		}
	}
	if st := c.Stats(); st.Entries != 0 || st.Refused[NotCookie] != 1 || st.Passed != 2 {
		t.Errorf("%+v", st)
	}
}

func TestOneFillForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, nil)
		s := &script{answer: func(w http.ResponseWriter, _ *http.Request, run int64) {
			time.Sleep(time.Second)
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "run %d %s", run, words)
		}}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, run, _ := ask(c, blog(), s, get("/")); run != "1" {
					t.Errorf("run %s", run)
				}
			})
		}
		all.Wait()
		if n := s.runs.Load(); n != 1 {
			t.Errorf("%d runs", n)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, nil)
		s := &script{answer: func(w http.ResponseWriter, _ *http.Request, run int64) {
			time.Sleep(20 * time.Second)
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "run %d %s", run, words)
		}}
		var all sync.WaitGroup
		all.Go(func() { ask(c, blog(), s, get("/")) })
		synctest.Wait()
		began := time.Now()
		all.Go(func() {
			if _, run, how := ask(c, blog(), s, get("/")); run != "2" || how != "MISS" || time.Since(began) != 25*time.Second {
				t.Errorf("run %s %s after %s", run, how, time.Since(began))
			}
		})
		all.Wait()
	})
}

func TestStaleInPlaceOfAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, nil)
		mode := "well"
		s := &script{answer: func(w http.ResponseWriter, _ *http.Request, run int64) {
			w.Header().Set("Content-Type", "text/html")
			switch mode {
			case "error":
				w.WriteHeader(http.StatusBadGateway)
				fmt.Fprint(w, "run 0 nobody should see this")
			case "broken":
				fmt.Fprintf(w, "run 0 the first half")
				panic(http.ErrAbortHandler)
			default:
				fmt.Fprintf(w, "run %d %s", run, words)
			}
		}}
		ask(c, blog(), s, get("/"))
		time.Sleep(10 * time.Minute) // Beyond what may be shown while it is made anew.
		for _, mode = range []string{"error", "broken"} {
			if w, run, how := ask(c, blog(), s, get("/")); w.Code != http.StatusOK || run != "1" || how != "STALE" {
				t.Errorf("%s: %d run %s %s", mode, w.Code, run, how)
			}
		}
	})
}

func TestBrokenAnswerIsBrokenOff(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, words)
		panic(http.ErrAbortHandler)
	}}
	defer func() {
		if recover() == nil {
			t.Error("the client's answer ended as if it were whole")
		}
		if st := c.Stats(); st.Entries != 0 {
			t.Error("half a words is stored")
		}
	}()
	ask(c, blog(), s, get("/"))
}

func TestShortBodyIsNotStored(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, words)
	}}
	ask(c, blog(), s, get("/"))
	if st := c.Stats(); st.Entries != 0 || st.Refused[NotWhole] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestLargeAndFlushedGoThrough(t *testing.T) {
	c := newCache(t, func(o *Options) { o.MaxObject = 10_000 })
	large := strings.Repeat("x", 25_000)
	for what, s := range map[string]*script{
		"large": {answer: func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Content-Type", "text/plain")
			for i := range 25 {
				_, _ = io.WriteString(w, large[i*1000:(i+1)*1000])
			}
		}},
		"flushed": {answer: func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, large[:5])
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, large[5:])
		}},
	} {
		w, _, how := ask(c, blog(), s, get("/"+what))
		if w.Body.String() != large || how != "MISS" || c.Stats().Entries != 0 || w.Flushed != (what == "flushed") {
			t.Errorf("%s: %d bytes, %s, %d stored, flushed %v", what, w.Body.Len(), how, c.Stats().Entries, w.Flushed)
		}
	}
}

func TestConditionsAndCodings(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, r *http.Request, run int64) {
		if r.Header.Get("If-None-Match") != "" || r.Header.Get("Accept-Encoding") != "" {
			t.Error("PHP was asked with a client's conditions or codings")
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Vary", "Accept-Language")
		fmt.Fprintf(w, "run %d %s", run, words)
	}}
	w, _, _ := ask(c, blog(), s, get("/", "If-None-Match", `"v1"`))
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
	}
	w, _, how := ask(c, blog(), s, get("/", "Accept-Encoding", "gzip"))
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || how != "HIT" || string(plain) != "run 1 "+words || w.Header().Get("Etag") != `W/"v1"` || w.Header().Get("Vary") != "Accept-Language, Accept-Encoding" {
		t.Errorf("%s: %v, %d bytes, %v", how, err, len(plain), w.Header())
	}
	if _, run, how := ask(c, blog(), s, get("/", "Accept-Language", "de")); run != "2" || how != "MISS" {
		t.Errorf("another language: run %s %s", run, how)
	}
	if _, run, how := ask(c, blog(), s, get("/")); run != "1" || how != "HIT" {
		t.Errorf("the first language again: run %s %s", run, how)
	}
	head := get("/")
	head.Method = http.MethodHead
	if w, _, how := ask(c, blog(), s, head); how != "HIT" || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %s, %d bytes, length %s", how, w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestPurge(t *testing.T) {
	c := newCache(t, nil)
	s := &script{answer: func(w http.ResponseWriter, r *http.Request, run int64) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set(headerTags, "post-"+r.URL.Query().Get("p")+", front")
		fmt.Fprintf(w, "run %d %s", run, words)
	}}
	fill := func() {
		for _, path := range []string{"/?p=1", "/?p=2", "/blog/a", "/blog/b"} {
			if w, _, _ := ask(c, blog(), s, get(path)); w.Header().Get(headerTags) != "" {
				t.Error("tags are shown to visitors")
			}
		}
		if n := c.Stats().Entries; n != 4 {
			t.Fatalf("%d stored", n)
		}
	}
	for _, step := range []struct {
		method, target, tags string
		want                 int
	}{
		{MethodPurge, "/blog/a", "", 1},
		{MethodPurge, "/blog/*", "", 2},
		{MethodPurge, "/", "", 2}, // Of all arguments.
		{MethodPurge, "/*", "", 4},
		{MethodPurge, "/", "post-1", 1},
		{MethodPurge, "/", "front", 4},
		{http.MethodGet, "/purge/blog/b", "", 1},
		{MethodPurge, "/nothing", "", 0},
		{MethodPurge, "http://elsewhere/*", "", 0},
	} {
		fill()
		r := httptest.NewRequest(step.method, step.target, nil)
		if step.tags != "" {
			r.Header.Set(headerTags, step.tags)
		}
		p, ok := AsPurge(r, "blog")
		w := httptest.NewRecorder()
		c.ServePurge(w, p)
		if !ok || w.Body.String() != fmt.Sprintf("%d purged\n", step.want) || (w.Code == http.StatusNotFound) != (step.want == 0) {
			t.Errorf("%s %s %s: %v %d %q", step.method, step.target, step.tags, ok, w.Code, w.Body)
		}
	}
	if _, ok := AsPurge(get("/purge"), "blog"); ok {
		t.Error("a page called purge purges")
	}
}

func TestChangesInvalidate(t *testing.T) {
	c, s := newCache(t, nil), &script{}
	ask(c, blog(), s, get("/a"))
	ask(c, blog(), s, get("/b"))
	ask(c, blog(), s, httptest.NewRequest(http.MethodPost, "/a", nil))
	if _, run, how := ask(c, blog(), s, get("/a")); run != "4" || how != "MISS" {
		t.Errorf("behind a POST: run %s %s", run, how)
	}
	if _, run, how := ask(c, blog(), s, get("/b")); run != "2" || how != "HIT" {
		t.Errorf("another page: run %s %s", run, how)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c, s := newCache(t, func(o *Options) { o.MaxBytes = 100 << 10 }), &script{}
	site := blog()
	site.Rules.TTL = time.Hour // The machine may be slow.
	for i := range 500 {
		ask(c, site, s, get(fmt.Sprintf("/?p=%d", i)))
		ask(c, site, s, get("/?p=0")) // Always in use.
		if st := c.Stats(); st.Bytes > st.MaxBytes {
			t.Fatalf("%d bytes of %d", st.Bytes, st.MaxBytes)
		}
	}
	if st := c.Stats(); st.Entries < 10 || st.Entries > 50 {
		t.Errorf("%+v", st)
	}
	if _, run, how := ask(c, site, s, get("/?p=0")); run != "1" || how != "HIT" {
		t.Errorf("the page in use was dropped: run %s %s", run, how)
	}
	c.Purge(Purge{Site: "blog", Path: "/", Prefix: true})
	if st := c.Stats(); st.Bytes != 0 || st.Entries != 0 || c.store.used.Len() != 0 || len(c.store.pages) != 0 {
		t.Errorf("%+v, and %d in the order of use, behind a purge of everything", st, c.store.used.Len())
	}
}

func TestMarksAreBounded(t *testing.T) {
	c := newCache(t, func(o *Options) { o.MaxBytes = 10 << 10 })
	s := &script{answer: func(w http.ResponseWriter, _ *http.Request, _ int64) { w.Header().Set("Set-Cookie", "a=b") }}
	for i := range 500 {
		ask(c, blog(), s, get(fmt.Sprintf("/?p=%d", i)))
	}
	if st := c.Stats(); st.Bytes > st.MaxBytes || len(c.store.pages) > 40 {
		t.Errorf("%d bytes of %d, %d pages", st.Bytes, st.MaxBytes, len(c.store.pages))
	}
}

func TestPanicInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCache(t, nil), &script{}
		ask(c, blog(), s, get("/"))
		time.Sleep(6 * time.Second)
		s.answer = func(http.ResponseWriter, *http.Request, int64) { panic("a mistake") }
		if _, run, how := ask(c, blog(), s, get("/")); run != "1" || how != "STALE" {
			t.Errorf("run %s %s", run, how)
		}
		synctest.Wait()
		if n := s.runs.Load(); n != 2 {
			t.Errorf("%d runs", n)
		}
	})
}

func TestDatabaseInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trouble := false
		c := newCache(t, func(o *Options) { o.PreferStale = func() bool { return trouble } })
		s := &script{}
		ask(c, blog(), s, get("/"))
		time.Sleep(10 * time.Minute)
		trouble = true
		s.answer = func(http.ResponseWriter, *http.Request, int64) { time.Sleep(15 * time.Second) }
		began := time.Now()
		if _, run, how := ask(c, blog(), s, get("/")); run != "1" || how != "STALE" || time.Since(began) != 0 {
			t.Errorf("run %s %s after %s", run, how, time.Since(began))
		}
	})
}

func BenchmarkHit(b *testing.B) {
	c := New(Options{MaxBytes: 1 << 20, MaxObject: 64 << 10, Wait: time.Second, FillTime: time.Minute})
	defer c.Close()
	s, site := &script{}, blog()
	ask(c, site, s, get("/"))
	r := get("/")
	for b.Loop() {
		c.Serve(httptest.NewRecorder(), r, site, s)
	}
}
