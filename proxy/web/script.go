package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"galley/proxy/web/fpm"
	"galley/proxy/web/spool"
)

// Pool gives requests to php-fpm backends.
type Pool interface {
	Do(ctx context.Context, req *fpm.Request) (*fpm.Response, error)
}

// script runs a visit's script. It may be asked several times, for copies of the client's request.
type script struct {
	s   *Server
	v   *visit
	use *settings
}

// The reasons for which a script is not run, or its answer not passed on.
const (
	reasonNoPool   = "no_pool"
	reasonTooLarge = "body_too_large"
	reasonSlowBody = "body_too_slow"
	reasonNoBody   = "body_not_received"
	reasonSpool    = "no_room_for_body"
	reasonGone     = "client_gone"
	reasonStatus   = "bad_status"
	reasonAccel    = "no_accel_root"
	reasonCut      = "truncated"
)

// ServeHTTP implements http.Handler.
func (c *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := c.v.host
	if h.pool == nil {
		c.s.fail(w, r, c.v, http.StatusServiceUnavailable, reasonNoPool)
		return
	}
	body, err := c.takeBody(w, r)
	if err != nil {
		c.failBody(w, r, err)
		return
	}
	h.count.running.Add(1)
	defer h.count.running.Add(-1)
	at := place{root: h.documentRoot(), name: c.v.route.Path, pathInfo: c.v.route.PathInfo}
	req := &fpm.Request{
		Site: h.name, Params: params(c.v, r, at, body.Size()), Repeatable: repeatable(r, c.v.route.Path),
		Streaming: strings.Contains(r.Header.Get("Accept"), "text/event-stream"), Stderr: c.stderr(r.RequestURI),
	}
	if body.Size() > 0 {
		req.Body = body
	}
	for c.run(w, r, req, body) {
		req.Repeatable = false // Once more is enough.
	}
}

// run has the script run and passes its answer on. again says that the answer broke off before any of it was sent, and that the script may run once more.
func (c *script) run(w http.ResponseWriter, r *http.Request, req *fpm.Request, body *spool.Body) (again bool) {
	began := time.Now()
	resp, err := c.v.host.pool.Do(r.Context(), req)
	if err != nil {
		_ = body.Close()
		if why, ok := errors.AsType[*fpm.Error](err); ok {
			c.took(why.Backend, why.Timing, began)
		}
		c.failPool(w, r, err)
		return false
	}
	resp.Body = &answerBody{ReadCloser: resp.Body, request: body}
	defer func() { c.took(resp.Backend, resp.Timing, began) }()
	return c.answer(w, r, resp, req.Repeatable && req.Body == nil && !req.Streaming)
}

// took is for the access log: where the script ran, and how long everything took.
func (c *script) took(backend string, t fpm.Timing, began time.Time) {
	c.v.queue.Store(int64(t.Queue))
	c.v.accept.Store(int64(t.Accept))
	if backend != "" {
		c.v.backend.Store(&backend)
		c.v.script.Store(int64(time.Since(began) - t.Queue))
	}
}

// stderr logs what PHP writes there, a line for each, with the site and the request that it is about.
func (c *script) stderr(uri string) func([]byte) {
	log, name, id := c.s.log, c.v.host.name, c.v.id
	return func(b []byte) {
		for text := range strings.Lines(string(b)) {
			if text = strings.TrimRight(text, "\r\n"); text != "" {
				log.Warn("php", "site", name, "id", id, "uri", uri, "message", text)
			}
		}
	}
}

// takeBody takes the whole body from the client, before a worker is asked for.
func (c *script) takeBody(w http.ResponseWriter, r *http.Request) (*spool.Body, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return &spool.Body{}, nil
	}
	paced := &pacedBody{r: r.Body, control: http.NewResponseController(w), rate: int64(c.use.conf.MinBodyRate), start: time.Now()}
	body, err := spool.Take(paced, r.ContentLength, int64(c.v.host.conf.MaxBody), c.use.conf.TempDir)
	paced.done()
	return body, err
}

// headStart is the time that a body has besides what its length gives it.
const headStart = 10 * time.Second

// pacedBody lets a client take its time, but not any time.
type pacedBody struct {
	r       io.Reader
	control *http.ResponseController
	rate    int64 // Bytes a second.
	start   time.Time
	n       int64
	limited bool
}

// errSlow says that a client sends its body too slowly.
var errSlow = errors.New("the body comes too slowly")

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	until := b.start.Add(headStart + time.Duration(float64(b.n)/float64(b.rate)*float64(time.Second)))
	b.limited = b.control.SetReadDeadline(until) == nil // A copy of a request without a client has no deadline, and no slow body.
	n, err := b.r.Read(p)
	b.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.limited && !time.Now().Before(until) {
		return n, errSlow
	}
	return n, err
}

// done leaves no deadline behind: the connection goes on.
func (b *pacedBody) done() {
	if b.limited {
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// failBody answers where the body was not received.
func (c *script) failBody(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Connection", "close") // What is left of the body is not waited for.
	switch {
	case errors.Is(err, spool.ErrTooLarge):
		c.s.fail(w, r, c.v, http.StatusRequestEntityTooLarge, reasonTooLarge)
		linger(w, r)
	case errors.Is(err, errSlow):
		c.s.fail(w, r, c.v, http.StatusRequestTimeout, reasonSlowBody)
	case errors.Is(err, spool.ErrNoRoom):
		c.s.log.Error("a request's body cannot be kept", "site", c.v.host.name, "id", c.v.id, "error", err)
		c.s.fail(w, r, c.v, http.StatusInsufficientStorage, reasonSpool)
	default:
		c.s.fail(w, r, c.v, http.StatusBadRequest, reasonNoBody)
	}
}

// lingerBytes and lingerTime bound what is still read of a body that is not wanted.
const (
	lingerBytes = 8 << 20
	lingerTime  = 3 * time.Second
)

// linger reads on for a while: a connection that is closed with something unread is reset, and the client would never see the answer.
func linger(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if control.Flush() == nil && control.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
	}
}

// failPool answers where the pool had no answer.
func (c *script) failPool(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		c.v.because(reasonGone)
		panic(http.ErrAbortHandler) // Nobody is there to be told.
	}
	status, reason := http.StatusBadGateway, "php"
	if why, ok := errors.AsType[*fpm.Error](err); ok {
		status, reason = why.HTTPStatus(), string(why.Reason)
		if why.RetryAfter > 0 {
			w.Header().Set("Retry-After", seconds(max(why.RetryAfter, time.Second)))
		}
	}
	c.s.log.Warn("a script was not answered", "site", c.v.host.name, "id", c.v.id, "uri", r.RequestURI, "status", status, "error", err)
	c.s.fail(w, r, c.v, status, reason)
}

// repeatable says that a request may run twice: a safe method, and nothing of which WordPress and WooCommerce are known to change something on a GET.
func repeatable(r *http.Request, path string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		return false
	}
	if strings.HasSuffix(path, "/wp-cron.php") || strings.Contains(path, "/wp-admin/") || strings.HasSuffix(path, "/wp-activate.php") || strings.HasSuffix(path, "/wp-login.php") && !loginForm(path, r.URL.RawQuery) {
		return false
	}
	query := strings.ToLower(r.URL.RawQuery)
	for _, part := range []string{"nonce", "action", "add-to-cart", "remove_item", "undo_item", "wc-ajax", "wc-api", "doing_wp_cron", "%5b", "["} {
		if strings.Contains(query, part) {
			return false
		}
	}
	return true
}

// answerBody is a script's answer. With it goes the body of the request, which may be sent until then.
type answerBody struct {
	io.ReadCloser
	request *spool.Body
	once    sync.Once
	err     error
}

// Close implements io.Closer.
func (b *answerBody) Close() error {
	b.once.Do(func() { b.err = errors.Join(b.ReadCloser.Close(), b.request.Close()) })
	return b.err
}
