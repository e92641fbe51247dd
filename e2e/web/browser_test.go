//go:build e2e

package web

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browse is a browser, and what it complained of.
type browse struct {
	t     *testing.T
	ctx   context.Context
	shots string
	n     int

	mu       sync.Mutex
	answers  map[int64]int // By status.
	troubles []string
}

func openBrowser(t *testing.T, shots string) *browse {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.WindowSize(1280, 1000), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	allocated, end := chromedp.NewExecAllocator(town.ctx, options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	b := &browse{t: t, ctx: ctx, shots: shots, answers: map[int64]int{}}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	for _, enable := range []error{call(ctx, network.Enable, network.EnableParams{}), call(ctx, runtime.Enable, cdp.Empty{})} {
		if enable != nil {
			t.Fatal(enable)
		}
	}
	return b
}

func call[P any](ctx context.Context, command cdp.Command[P, cdp.Empty], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}

// hear notes answers and complaints.
func (b *browse) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventResponseReceived:
		b.answers[e.Response.Status]++
		if e.Response.Status >= 400 {
			b.troubles = append(b.troubles, fmt.Sprintf("status %d: %s", e.Response.Status, e.Response.URL))
		}
	case *network.EventLoadingFailed:
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" {
			b.troubles = append(b.troubles, fmt.Sprintf("%s: %s %s", e.Type, e.ErrorText, e.BlockedReason))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			for _, arg := range e.Args {
				b.troubles = append(b.troubles, "console: "+fmt.Sprintf("%s %s", arg.Value, arg.Description))
			}
		}
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Text)
	}
}

// step does something and takes a picture of the page.
func (b *browse) step(name string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 25*time.Second)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	b.n++
	_ = chromedp.Do(b.ctx, chromedp.Sleep(500*time.Millisecond))
	shot, e := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if e != nil {
		b.t.Error(e)
	}
	if e := os.WriteFile(filepath.Join(b.shots, fmt.Sprintf("%02d-%s.png", b.n, name)), shot, 0o644); e != nil {
		b.t.Error(e)
	}
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", name, err, strings.Join(b.troubles, "\n"))
	}
}

// walk logs in, writes a post with a picture in the block editor, looks at it, comments, searches and logs out.
func (b *browse) walk(base, name string) {
	title := "A day on the oars " + name
	image := filepath.Join(b.t.TempDir(), name+".png")
	if err := os.WriteFile(image, drawing(), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.step("front", chromedp.Navigate(base+"/"), chromedp.WaitVisible("h1"))
	b.step("login", chromedp.Navigate(base+"/wp-login.php"), chromedp.WaitVisible("#user_login"), chromedp.Sleep(500*time.Millisecond),
		chromedp.SetValue("#user_login", admin.User), chromedp.SetValue("#user_pass", admin.Password))
	b.step("dashboard", chromedp.Click("#wp-submit"), chromedp.WaitVisible("#dashboard-widgets"))
	question(b, chromedp.Evaluate[string](`location.href = "/wp-admin/post-new.php"`))
	b.step("editor", chromedp.Click(`.components-modal__header button`), chromedp.WaitVisible(".editor-post-title__input"))
	b.step("written", chromedp.Click(".editor-post-title__input"), chromedp.KeyEvent(title), chromedp.KeyEvent(kb.Enter), chromedp.Sleep(300*time.Millisecond),
		chromedp.KeyEvent("Two hundred strokes to the harbour."), chromedp.KeyEvent(kb.Enter), chromedp.Sleep(300*time.Millisecond),
		chromedp.KeyEvent("/image"), chromedp.Sleep(1500*time.Millisecond), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(`.block-editor-media-placeholder input[type=file]`))
	b.step("picture", chromedp.SetUploadFiles(`.block-editor-media-placeholder input[type=file]`, []string{image}),
		chromedp.WaitReady(`.wp-block-image img[src*="`+name+`"]`), chromedp.Sleep(500*time.Millisecond))
	b.step("published", chromedp.Click(".editor-post-publish-panel__toggle"), chromedp.WaitVisible(".editor-post-publish-panel .editor-post-publish-button"), chromedp.Sleep(time.Second),
		chromedp.Click(".editor-post-publish-panel .editor-post-publish-button"), chromedp.WaitVisible(".post-publish-panel__postpublish-header a"))
	link := question(b, chromedp.AttributeValue(".post-publish-panel__postpublish-header a", "href")).Value
	b.step("seen", chromedp.Navigate(link), chromedp.WaitVisible("h1.entry-title"))
	b.expect("h1.entry-title", title)
	if width := question(b, chromedp.Evaluate[int](`document.querySelector('.entry-content img').naturalWidth`)); width != 64 {
		b.t.Errorf("the picture has %d pixels", width)
	}
	comment := "I was there, " + name
	b.step("comment", chromedp.ScrollIntoView("#comment"), chromedp.SendKeys("#comment", comment), chromedp.Click("#submit"), chromedp.WaitVisible(".comment-content"))
	b.expect(".comment-content", comment)
	b.step("search", chromedp.Navigate(base+"/?s="+name), chromedp.WaitVisible(".entry-title"))
	b.expect(".entry-title", title)
	b.step("logout", chromedp.Navigate(question(b, chromedp.Evaluate[string](`document.querySelector('#wp-admin-bar-logout a').href`))), chromedp.WaitVisible("#user_login"))
}

func (b *browse) expect(selector, want string) {
	b.t.Helper()
	if text := question(b, chromedp.Text(selector)); !strings.Contains(text, want) {
		b.t.Errorf("%s is %q, want %q", selector, text, want)
	}
}

// question asks the page for something.
func question[T any](b *browse, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// TestBrowser goes through WordPress with a real browser, and leaves pictures of its pages in the directory that E2E_BROWSER names.
func TestBrowser(t *testing.T) {
	shots := os.Getenv("E2E_BROWSER")
	if shots == "" {
		t.Skip("E2E_BROWSER names no directory")
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	base := site(t)
	b := openBrowser(t, shots)
	b.walk(base, word())
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		t.Error(trouble)
	}
	for _, status := range slices.Sorted(maps.Keys(b.answers)) {
		t.Logf("%d answers with status %d", b.answers[status], status)
	}
}
