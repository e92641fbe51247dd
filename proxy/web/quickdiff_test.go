package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/web/fpm"
)

// seen is all that can be seen of a request: what the client got, what the script was given, and what the log says.
type seen struct{ answer, params, line string }

// twice has a site answer the same request by net/http, on a connection that is its own since a request before, and where it is read.
func (b *bench) twice(t *testing.T, log, text string) (slow, quick seen) {
	t.Helper()
	ask := func(c *client) (got seen) {
		if err := os.Truncate(log, 0); err != nil {
			t.Fatal(err)
		}
		b.pool.mu.Lock()
		b.pool.seen = nil
		b.pool.mu.Unlock()
		got.answer = c.wire(t, text)
		if r := b.pool.last(); r != nil {
			var params []string
			for _, p := range r.Params {
				if p.Name != "REMOTE_PORT" && p.Name != "HTTP_X_REQUEST_ID" {
					params = append(params, p.Name+"="+p.Value)
				}
			}
			slices.Sort(params)
			got.params = fmt.Sprint(r.Site, r.Repeatable, r.Streaming, r.Body != nil, params)
		}
		for end := time.Now().Add(30 * time.Second); got.line == "" && time.Now().Before(end); time.Sleep(time.Millisecond) {
			b.access.flush() // A client has its answer before the line is written.
			all, _ := os.ReadFile(log)
			got.line = firstLine(all)
		}
		return got
	}
	before := b.quicks.answers.Load()
	c := b.dial(t)
	if got := c.wire(t, "GET "+next+" HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"); !strings.Contains(got, " 200 ") { // What follows such a request is net/http's.
		t.Fatal(got)
	}
	slow = ask(c)
	if b.quicks.answers.Load() != before {
		t.Errorf("%q: behind another request it was answered where it was read", text)
	}
	quick = ask(b.dial(t))
	if b.quicks.answers.Load() == before {
		t.Errorf("%q: at once it was answered by net/http", text)
	}
	return slow, quick
}

// firstLine is what the log says of a request, but for what differs from one to the next.
func firstLine(log []byte) string {
	for line := range strings.Lines(string(log)) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil || fields["uri"] == next {
			continue
		}
		for _, name := range []string{"time", "id", "total", "php"} {
			delete(fields, name)
		}
		return fmt.Sprint(fields)
	}
	return ""
}

// next is asked for behind each answer that leaves the connection open.
const next = "/pic.png?next"

// wire is an answer as it came: the lines of its head in the order of their names, and the body without the marks of its chunks. It ends with whether the connection did.
func (c *client) wire(t *testing.T, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	var raw strings.Builder
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return fmt.Sprint("no answer: ", err)
	}
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	body := withoutID(string(all))
	var lines []string
	for name, values := range r.Header {
		if name == "Date" || name == "X-Request-Id" {
			values = []string{"there"}
		}
		lines = append(lines, name+": "+strings.Join(values, "|"))
	}
	slices.Sort(lines)
	fmt.Fprintf(&raw, "%s %s\n%s\n%d %v %v\n%.300s\n%v, %d bytes %x", r.Proto, r.Status, strings.Join(lines, "\n"), r.ContentLength, r.TransferEncoding, r.Close, body, err, len(body), sha256.Sum256([]byte(body)))
	if err == nil && !r.Close {
		if _, err := io.WriteString(c, "GET "+next+" HTTP/1.1\r\nHost: example.com\r\n\r\n"); err == nil {
			more, err := http.ReadResponse(c.in, nil)
			if err != nil {
				return raw.String() + "\nit ends"
			}
			content, _ := io.ReadAll(more.Body)
			more.Body.Close()
			fmt.Fprintf(&raw, "\nthen %d %s", more.StatusCode, content)
		}
	}
	return raw.String()
}

// pausing is a body that comes in pieces, as a script flushes them.
type pausing struct {
	wait   time.Duration
	pieces []string
	end    error
}

func (p *pausing) Read(b []byte) (int, error) {
	if len(p.pieces) == 0 {
		return 0, p.end
	}
	time.Sleep(p.wait)
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; p.pieces[0] == "" {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

func (p *pausing) Close() error { return nil }

// bodyOf is an answer whose body is read from anything.
func bodyOf(p *fpm.Response, body io.ReadCloser) *fpm.Response {
	p.Body = body
	return p
}

// TestQuickRunsScriptsTheSame holds the two ways side by side, for all that a script may answer.
func TestQuickRunsScriptsTheSame(t *testing.T) {
	log := t.TempDir() + "/access.log"
	b := serve(t, func(c *config.Web) {
		c.AccessLog, c.AccessLogFormat = log, config.AccessLogJSON
		for i := range c.Sites {
			c.Sites[i].AccelRoot = t.TempDir()
			if err := os.WriteFile(c.Sites[i].AccelRoot+"/file.bin", []byte(strings.Repeat("0123456789", 50_000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	short, long, huge := "hello", strings.Repeat("<p>hello</p>", 500), strings.Repeat("<p>hello</p>", 100_000)
	untyped := func(p *fpm.Response) *fpm.Response { p.Header.Del("Content-Type"); return p }
	lost := &fpm.Error{Reason: fpm.Truncated, Err: errors.New("lost")}
	answers := map[string]func() *fpm.Response{
		"short":             func() *fpm.Response { return page(200, short) },
		"whole":             func() *fpm.Response { p := page(200, long); p.Whole = true; return p },
		"empty":             func() *fpm.Response { return page(200, "") },
		"long":              func() *fpm.Response { return page(200, long, "Etag", `"x"`) },
		"huge":              func() *fpm.Response { return page(200, huge, "Content-Length", fmt.Sprint(len(huge))) },
		"untyped":           func() *fpm.Response { return untyped(page(200, long)) },
		"untyped and empty": func() *fpm.Response { return untyped(page(200, "")) },
		"untyped, encoded":  func() *fpm.Response { return untyped(page(200, long, "Content-Encoding", "br")) },
		"flushed": func() *fpm.Response {
			return bodyOf(page(200, ""), &pausing{settle * 3 / 2, []string{"a", "b", long}, io.EOF})
		},
		"flushed, untyped": func() *fpm.Response {
			return untyped(bodyOf(page(200, ""), &pausing{settle * 3 / 2, []string{"<html>a", "b"}, io.EOF}))
		},
		"flushed, of a size": func() *fpm.Response {
			return bodyOf(page(200, "", "Content-Length", "2"), &pausing{settle * 3 / 2, []string{"a", "b"}, io.EOF})
		},
		"flushed, less": func() *fpm.Response {
			return bodyOf(page(200, "", "Content-Length", "3"), &pausing{settle * 3 / 2, []string{"a", "b"}, io.EOF})
		},
		"flushed, then lost": func() *fpm.Response {
			return bodyOf(page(200, ""), &pausing{settle * 3 / 2, []string{"a", huge}, lost})
		},
		"lost": func() *fpm.Response { return bodyOf(page(200, ""), brokenBody{strings.NewReader("half")}) },
		"events": func() *fpm.Response {
			return bodyOf(page(200, "", "X-Accel-Buffering", "no"), &pausing{time.Millisecond, []string{"a", "b"}, io.EOF})
		},
		"events, none":       func() *fpm.Response { return page(200, "", "X-Accel-Buffering", "no") },
		"events, no content": func() *fpm.Response { return page(204, "x", "X-Accel-Buffering", "no") },
		"events, then lost": func() *fpm.Response {
			return bodyOf(page(200, "", "X-Accel-Buffering", "no"), &pausing{time.Millisecond, []string{"a"}, lost})
		},
		"a length that is so": func() *fpm.Response { return page(200, short, "Content-Length", "5") },
		"too short a length":  func() *fpm.Response { return page(200, short, "Content-Length", "2") },
		"too long a length":   func() *fpm.Response { return page(200, short, "Content-Length", "9") },
		"no length at all":    func() *fpm.Response { return page(200, short, "Content-Length", "x") },
		"below zero":          func() *fpm.Response { return page(200, short, "Content-Length", "-1") },
		"no content":          func() *fpm.Response { return page(204, "x", "Content-Length", "1") },
		"not modified":        func() *fpm.Response { return page(304, "x", "Content-Length", "1", "Etag", `"x"`) },
		"redirect": func() *fpm.Response {
			return page(302, "", "Location", "/elsewhere", "Set-Cookie", "a=1", "Set-Cookie", "b=2")
		},
		"odd status":   func() *fpm.Response { return page(299, short) },
		"odder status": func() *fpm.Response { return page(799, short) },
		"no status":    func() *fpm.Response { return page(103, short) },
		"error":        func() *fpm.Response { return page(500, short) },
		"odd headers": func() *fpm.Response {
			return page(200, short, "X-A", "  a\r\nb ", "X B", "c", "Date", "once", "Connection", "x", "Trailer", "y")
		},
		"file":    func() *fpm.Response { return page(200, "", "X-Accel-Redirect", "/file.bin") },
		"no file": func() *fpm.Response { return page(200, "", "X-Accel-Redirect", "/nothing") },
	}
	requests := []string{
		"GET /|", "HEAD /|", "GET /|Accept-Encoding: gzip|", "GET /index.php/a/b?x=%20&y[]=1|Cookie: a=b|Cookie: c=d|Accept: */*|X-A: 1|x-a: 2|X_B: 3|Proxy: x|Accept: text/event-stream|Connection: keep-alive|",
		"GET /a%20page/?q|If-None-Match: \"x\"|Range: bytes=1-3|Authorization: Basic eDp5|Referer: r|User-Agent: a\"b|",
	}
	for name, answer := range answers {
		b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) { return answer(), nil })
		for n, request := range requests {
			if n > 2 && name != "short" && name != "long" && name != "events" && name != "redirect" {
				continue
			}
			if strings.HasPrefix(name, "flushed") && n > 2 {
				continue // They take their time.
			}
			if strings.HasPrefix(name, "flushed") {
				if n == 1 {
					continue // It takes its time.
				}
				request = strings.Replace(request, " /", " /?action=x", 1) // It may not run twice, so that its beginning is not waited for.
			}
			line, headers, _ := strings.Cut(request, "|")
			text := strings.ReplaceAll(line+" HTTP/1.1|Host: example.com|"+headers+"|", "|", "\r\n")
			slow, quick := b.twice(t, log, text)
			for try := 0; quick != slow && try < 5; try++ {
				slow, quick = b.twice(t, log, text) // Whether an answer is whole in time to have a length is chance.
			}
			if quick != slow {
				t.Errorf("%s, %q:\nwhere it is read %.1000s\nby net/http      %.1000s", name, text, fmt.Sprint(quick), fmt.Sprint(slow))
			}
		}
	}
}

// TestQuickFailsTheSame holds the two ways side by side where no script answers.
func TestQuickFailsTheSame(t *testing.T) {
	log := t.TempDir() + "/access.log"
	b := serve(t, func(c *config.Web) {
		c.AccessLog, c.AccessLogFormat = log, config.AccessLogJSON
		c.Sites = c.Sites[:1]
		c.MaxURI = 100
	})
	for _, failure := range []*fpm.Error{{Reason: fpm.QueueFull, RetryAfter: 3 * time.Second}, {Reason: fpm.Timeout}, {Reason: fpm.Refused}, {Reason: fpm.LostAfterCommit, Backend: "b"}} {
		failure.Err = errors.New("no")
		b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) { return nil, failure })
		slow, quick := b.twice(t, log, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if quick != slow {
			t.Errorf("%s:\nwhere it is read %v\nby net/http      %v", failure.Reason, quick, slow)
		}
	}
	for _, line := range []string{"GET /.env", "GET /wp-config.php.bak", "HEAD /.env", "GET /a/../b", "GET /a%2fb", "GET /" + strings.Repeat("x", 200), "GET /sub", "GET /sub?a=b", "GET //sub/", "GET /%00", "GET /x#y"} {
		slow, quick := b.twice(t, log, line+" HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if quick != slow {
			t.Errorf("%s:\nwhere it is read %v\nby net/http      %v", line, quick, slow)
		}
	}
	for _, host := range []string{"nobody.test", "a:b:c", "example.com:x"} {
		slow, quick := b.twice(t, log, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if quick != slow {
			t.Errorf("%s:\nwhere it is read %v\nby net/http      %v", host, quick, slow)
		}
	}
}

// withoutID takes the request's id out of an error page.
func withoutID(text string) string {
	before, after, found := strings.Cut(text, "request ")
	if !found {
		return text
	}
	_, after, _ = strings.Cut(after, "\n")
	return before + after
}

// TestOneLength: an answer says its length once, whatever the script said.
func TestOneLength(t *testing.T) {
	b := serve(t, nil)
	for _, lengths := range [][]string{{"Content-Length", "5", "Content-Length", "9"}, {"Content-Length", "+5"}} {
		b.pool.runs(func(context.Context, *fpm.Request) (*fpm.Response, error) {
			p := page(200, "hello")
			for i := 0; i < len(lengths); i += 2 {
				p.Header[lengths[i]] = append(p.Header[lengths[i]], lengths[i+1])
			}
			return p, nil
		})
		for _, method := range []string{"GET", "HEAD"} {
			got := b.dial(t).text(t, method+" / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n")
			if strings.Count(got, "Content-Length: ") != 1 || !strings.Contains(got, "Content-Length: 5\r\n") {
				t.Errorf("%v, %s:\n%s", lengths, method, got)
			}
		}
	}
}
