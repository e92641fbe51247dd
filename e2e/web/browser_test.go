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
		// Pictures of visitors come from elsewhere, and nothing here calls anybody.
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" && e.ErrorText != "net::ERR_NAME_NOT_RESOLVED" {
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

// walk logs in, writes a post with a picture in the block editor, looks at it, comments, searches and logs out.
func (b *browse) walk(base, name string) {
	title := "A day on the oars " + name
	comment := "I was there, " + name
	b.open("front", base+"/", `document.querySelector("h1, h2")`)
	b.open("login", base+"/wp-login.php", `document.querySelector("#user_login")`)
	b.run("dashboard", fmt.Sprintf(`user_login.value = %q; user_pass.value = %q; document.querySelector("#wp-submit").click()`, admin.User, admin.Password), `document.querySelector("#dashboard-widgets")`)
	b.open("editor", base+"/wp-admin/post-new.php", `window.wp && wp.data && wp.data.select("core/editor").getCurrentPostId() && document.querySelector(".editor-post-title__input")`)
	b.run("written", fmt.Sprintf(`wp.data.dispatch("core/edit-post").closeModal && document.querySelector(".components-modal__header button")?.click();
		wp.data.dispatch("core/editor").editPost({title: %q});
		wp.data.dispatch("core/block-editor").insertBlocks([wp.blocks.createBlock("core/paragraph", {content: "Two hundred strokes to the harbour."}), wp.blocks.createBlock("core/image")])`, title),
		`document.querySelector(".block-editor-media-placeholder input[type=file]")`)
	// The picture goes the way of a file that somebody drops into the editor.
	b.run("picture", fmt.Sprintf(`var canvas = document.createElement("canvas"), pen = canvas.getContext("2d"); pen.fillStyle = "teal"; pen.fillRect(0, 0, 300, 150); canvas.toBlob(blob => wp.mediaUtils.uploadMedia({filesList: [new File([blob], "%s.png", {type: "image/png"})],
		onFileChange: ([m]) => { if (m.id) wp.data.dispatch("core/block-editor").updateBlockAttributes(wp.data.select("core/block-editor").getBlocks().find(x => x.name == "core/image").clientId, {id: m.id, url: m.url}) },
		onError: e => console.error(e.message)}))`, name), `document.querySelector('.wp-block-image img[src*="`+name+`.png"]')?.naturalWidth`)
	b.run("publish", `document.querySelector(".editor-post-publish-panel__toggle").click()`, `document.querySelector(".editor-post-publish-panel .editor-post-publish-button")`)
	b.run("published", `document.querySelector(".editor-post-publish-panel .editor-post-publish-button").click()`, `document.querySelector(".post-publish-panel__postpublish-header a")`)
	b.run("seen", `location.href = document.querySelector(".post-publish-panel__postpublish-header a").href`,
		fmt.Sprintf(`document.querySelector("h1.entry-title")?.innerText == %q && document.querySelector(".entry-content img")?.naturalWidth == 300`, title))
	b.run("comment", fmt.Sprintf(`document.querySelector("#comment").value = %q; document.querySelector("#submit").click()`, comment),
		fmt.Sprintf(`document.querySelector(".comment-content")?.innerText.includes(%q)`, comment))
	b.open("search", base+"/?s="+name, fmt.Sprintf(`document.body.innerText.includes(%q)`, title))
	b.run("logout", `location.href = document.querySelector("#wp-admin-bar-logout a").href`, `document.querySelector("#user_login")`)
}

// open goes to an address and waits until a condition holds there.
func (b *browse) open(name, target, until string) {
	b.t.Helper()
	b.run(name, fmt.Sprintf(`location.href = %q`, target), until)
}

// run runs a script on the page, as a click or a key would, waits until a condition holds, and takes a picture.
func (b *browse) run(name, script, until string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script+"; null")); err != nil {
		b.t.Errorf("%s: %v", name, err)
	}
	holds := false
	for deadline := time.Now().Add(60 * time.Second); !holds && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		holds, _ = chromedp.Run(b.ctx, chromedp.Evaluate[bool]("document.readyState == 'complete' && !!("+until+")")) // A page that is being left answers nothing.
	}
	b.n++
	time.Sleep(300 * time.Millisecond)
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, fmt.Sprintf("%02d-%s.png", b.n, name)), shot, 0o644); err != nil {
		b.t.Error(err)
	}
	if !holds {
		b.t.Fatalf("%s: this does not come to hold: %s\n%s", name, until, strings.Join(b.troubles, "\n"))
	}
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
