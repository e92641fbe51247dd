// Package wordpress puts a WordPress on a lab's cluster, uses it as its visitors and its editors do, and says what they saw. It serves the demo and the
// end-to-end tests.
//
// It is not a browser: it follows forms and links, and runs no scripts. The one thing to know first: a Visitor is one browser, with its own cookies and
// connections.
package wordpress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Visitor is somebody with a browser. It is for one goroutine.
type Visitor struct {
	// Base is the site, like http://127.0.0.1:8080.
	Base   string
	client *http.Client
	nonce  string
}

// NewVisitor makes one without cookies. Redirections are followed; no request is sent again.
func NewVisitor(base string) *Visitor {
	jar, _ := cookiejar.New(nil) // Never fails.
	return &Visitor{Base: base, client: &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}}
}

// Close ends its connections.
func (v *Visitor) Close() { v.client.CloseIdleConnections() }

// Page is an answer, read whole.
type Page struct {
	Status int
	Header http.Header
	URL    *url.URL // Behind redirections.
	Body   string
}

// StatusError is an answer that says that something went wrong.
type StatusError struct {
	Method, URL string
	Status      int
	Body        string
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %.300s", e.Method, e.URL, e.Status, strings.Join(strings.Fields(e.Body), " "))
}

// errMissing is a page that lacks what should be on it.
var errMissing = errors.New("not on the page")

// Get reads a page of the site.
func (v *Visitor) Get(ctx context.Context, path string) (*Page, error) {
	return v.do(ctx, http.MethodGet, path, content{})
}

// Post sends a form.
func (v *Visitor) Post(ctx context.Context, path string, form url.Values) (*Page, error) {
	return v.do(ctx, http.MethodPost, path, content{kind: "application/x-www-form-urlencoded", body: []byte(form.Encode())})
}

// content is the body of a request, and headers that go with it.
type content struct {
	kind    string
	body    []byte
	headers http.Header
}

func (v *Visitor) do(ctx context.Context, method, path string, c content) (*Page, error) {
	target := path
	if strings.HasPrefix(path, "/") {
		target = v.Base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(c.body))
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	req.GetBody = nil // Never sent again by itself.
	maps.Copy(req.Header, c.headers)
	if c.kind != "" {
		req.Header.Set("Content-Type", c.kind)
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", target, err)
	}
	p := &Page{Status: res.StatusCode, Header: res.Header, URL: res.Request.URL, Body: string(text)}
	if res.StatusCode >= http.StatusBadRequest {
		return p, &StatusError{res.Request.Method, res.Request.URL.String(), res.StatusCode, p.Body} // Behind redirections another than was asked for.
	}
	return p, nil
}

// Login logs in, as the form does, and looks at the dashboard.
func (v *Visitor) Login(ctx context.Context, user, password string) error {
	if _, err := v.Get(ctx, "/wp-login.php"); err != nil { // Brings the cookie by which WordPress tests for cookies.
		return err
	}
	p, err := v.Post(ctx, "/wp-login.php", url.Values{
		"log": {user}, "pwd": {password}, "wp-submit": {"Log In"}, "redirect_to": {v.Base + "/wp-admin/"}, "testcookie": {"1"},
	})
	if err != nil {
		return err
	}
	if !strings.HasPrefix(p.URL.Path, "/wp-admin/") || !strings.Contains(p.Body, "wp-admin-bar-logout") {
		return fmt.Errorf("the dashboard behind the login: %w (at %s)", errMissing, p.URL)
	}
	p, err = v.Get(ctx, "/wp-admin/admin-ajax.php?action=rest-nonce")
	if err != nil {
		return err
	}
	v.nonce = strings.TrimSpace(p.Body)
	return nil
}

// api calls WordPress's REST interface as whoever is logged in.
func (v *Visitor) api(ctx context.Context, path string, c content, into any) error {
	if c.headers == nil {
		c.headers = http.Header{}
	}
	c.headers.Set("X-Wp-Nonce", v.nonce)
	p, err := v.do(ctx, http.MethodPost, "/wp-json/wp/v2/"+path, c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(p.Body), into); err != nil {
		return fmt.Errorf("the answer of %s: %w: %.200s", path, err, p.Body)
	}
	return nil
}

// Article is a post that was published.
type Article struct {
	ID    int    `json:"id"`
	Link  string `json:"link"`
	Title string `json:"-"`
}

// Publish publishes a post, and looks at it at once: its title must be there.
func (v *Visitor) Publish(ctx context.Context, title, text string) (*Article, error) {
	body, err := json.Marshal(map[string]string{"title": title, "content": text, "status": "publish"})
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	a := &Article{Title: title}
	if err := v.api(ctx, "posts", content{kind: "application/json", body: body}, a); err != nil {
		return nil, err
	}
	return a, v.expect(ctx, a.Link, title)
}

// expect reads a page that must have a text on it.
func (v *Visitor) expect(ctx context.Context, path, want string) error {
	p, err := v.Get(ctx, path)
	if err != nil {
		return err
	}
	if !strings.Contains(html.UnescapeString(p.Body), want) {
		return fmt.Errorf("%q: %w %s", want, errMissing, path)
	}
	return nil
}

// Upload puts a picture into the library and reads it back; what comes must be what went.
func (v *Visitor) Upload(ctx context.Context, name string, picture []byte) (link string, err error) {
	var media struct {
		SourceURL string `json:"source_url"` //nolint:tagliatelle // WordPress's
	}
	headers := http.Header{"Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": name})}}
	if err := v.api(ctx, "media", content{kind: "image/png", body: picture, headers: headers}, &media); err != nil {
		return "", err
	}
	p, err := v.Get(ctx, media.SourceURL)
	if err != nil {
		return "", err
	}
	if p.Body != string(picture) {
		return "", fmt.Errorf("the picture at %s: %w: %d bytes of %d", media.SourceURL, errMissing, len(p.Body), len(picture))
	}
	return media.SourceURL, nil
}

// Comment comments on an article as a stranger; the comment must be on the page that follows.
func (v *Visitor) Comment(ctx context.Context, a *Article, author, text string) error {
	p, err := v.Post(ctx, "/wp-comments-post.php", url.Values{
		"comment": {text}, "author": {author}, "email": {author + "@example.com"}, "url": {""}, "submit": {"Post Comment"},
		"comment_post_ID": {fmt.Sprint(a.ID)}, "comment_parent": {"0"},
	})
	if err != nil {
		return err
	}
	if !strings.Contains(html.UnescapeString(p.Body), text) {
		return fmt.Errorf("the comment %q: %w %s", text, errMissing, p.URL)
	}
	return nil
}

// Search looks for a word, and finds an article by its title.
func (v *Visitor) Search(ctx context.Context, word, title string) error {
	return v.expect(ctx, "/?s="+url.QueryEscape(word), title)
}

// logoutLink is in the bar at the top for whoever is logged in.
var logoutLink = regexp.MustCompile(`href=['"]([^'"]*wp-login\.php\?action=logout[^'"]*)['"]`)

// Logout follows the link to log out; the dashboard then asks for a login.
func (v *Visitor) Logout(ctx context.Context) error {
	p, err := v.Get(ctx, "/wp-admin/profile.php")
	if err != nil {
		return err
	}
	link := logoutLink.FindStringSubmatch(p.Body)
	if link == nil {
		return fmt.Errorf("the link to log out: %w", errMissing)
	}
	if _, err := v.Get(ctx, html.UnescapeString(link[1])); err != nil {
		return err
	}
	p, err = v.Get(ctx, "/wp-admin/")
	if err != nil {
		return err
	}
	if p.URL.Path != "/wp-login.php" {
		return fmt.Errorf("the login behind the logout: %w (at %s)", errMissing, p.URL)
	}
	return nil
}
