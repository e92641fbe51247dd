//go:build e2e

package web

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"time"

	"galley/cluster/clusterlab/wordpress"
)

// editor is somebody who writes, and what WordPress says to that.
type editor struct {
	said    *ledger
	name    string
	visitor *wordpress.Visitor
}

func newEditor(said *ledger, base, name string) *editor {
	return &editor{said: said, name: name, visitor: wordpress.NewVisitor(base)}
}

func (e *editor) close() { e.visitor.Close() }

// step is one of a day's; what was begun is finished, so that the end of the test breaks nothing off.
func step(do func(ctx context.Context) error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(town.ctx), time.Minute)
		defer cancel()
		return do(ctx)
	}
}

// day is all that an editor does: log in, write with a picture, see it at once as everybody does, comment, search, log out. A step that fails ends it.
func (e *editor) day() {
	v, name := e.visitor, word()
	if !e.said.page(step(func(ctx context.Context) error { return v.Login(ctx, e.name, admin.Password) })) {
		return
	}
	var link string
	if !e.said.form(picture, name, step(func(ctx context.Context) (err error) {
		link, err = v.Upload(ctx, name+".png", drawing())
		return err
	})) {
		return
	}
	var post *wordpress.Article
	title := "News of " + name
	e.said.form(article, title, step(func(ctx context.Context) (err error) {
		post, err = v.Publish(ctx, title, fmt.Sprintf(`<p>All about %s.</p><img src="%s" alt="">`, name, link))
		return err
	}))
	if post == nil {
		return
	}
	e.said.page(step(func(ctx context.Context) error {
		stranger := wordpress.NewVisitor(v.Base)
		defer stranger.Close()
		return shows(ctx, stranger, "/", title)
	}))
	text := "Who would have thought that, " + word()
	e.said.form(comment, text, step(func(ctx context.Context) error { return v.Comment(ctx, post, e.name, text) }))
	e.said.page(step(func(ctx context.Context) error { return v.Search(ctx, name, title) }))
	e.said.page(step(v.Logout))
}

// shows reads a page that must have a text on it.
func shows(ctx context.Context, v *wordpress.Visitor, path, want string) error {
	p, err := v.Get(ctx, path)
	if err == nil && !strings.Contains(html.UnescapeString(p.Body), want) {
		err = fmt.Errorf("%q is not on %s", want, path)
	}
	return err
}

// editors work day after day until over.
func editors(said *ledger, base, name string, over <-chan struct{}) {
	for {
		e := newEditor(said, base, name)
		e.day()
		e.close()
		select {
		case <-over:
			return
		default:
		}
	}
}

// visitors read until over: pages, and the files that belong to them.
func visitors(said *ledger, base string, over <-chan struct{}) {
	v := wordpress.NewVisitor(base)
	defer v.Close()
	for n := 0; ; n++ {
		path := []string{"/", "/the-oars/", "/?s=oars", "/wp-includes/css/dashicons.min.css"}[n%4]
		said.page(step(func(ctx context.Context) error { _, err := v.Get(ctx, path); return err }))
		select {
		case <-over:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// drawing is a picture that nobody else has drawn.
func drawing() []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range 64 * 48 {
		picture.SetRGBA(i%64, i/64, color.RGBA{R: uint8(rand.N(256)), G: uint8(rand.N(256)), B: 90, A: 255})
	}
	var b bytes.Buffer
	_ = png.Encode(&b, picture) // A buffer takes all.
	return b.Bytes()
}
