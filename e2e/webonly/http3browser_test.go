//go:build e2e

package webonly

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"galley/cluster/clusterlab"
)

// The page takes a form with a file, and shows how much came; what it fetches is a download that galley has to keep back, and events.
const h3page = `<?php
if (isset($_GET['events'])) { header('Content-Type: text/event-stream'); foreach ([1, 2, 3] as $n) { echo "data: $n\n\n"; flush(); usleep(50000); } exit; }
if (isset($_GET['download'])) { header('Content-Type: text/plain'); for ($n = 0; $n < 500; $n++) { echo str_repeat('x', 10000); } exit; }
if ($_POST) { echo '<p id=got>', $_POST['name'], ' ', filesize($_FILES['file']['tmp_name']), '</p>'; exit; }
?><!doctype html><link rel=icon href=data:,><title>h3</title><p id=proto><?= $_SERVER['SERVER_PROTOCOL'] ?></p>
<form method=post enctype=multipart/form-data><input name=name value="rower"><input type=file name=file></form>`

// TestBrowserHTTP3: a real browser comes by HTTP/3 for a page of PHP, a form with a file, a large answer and events, says galley's access log. The browser is told
// to use QUIC for this address at once, as it believes Alt-Svc only where the certificate is by an authority that it knows.
func TestBrowserHTTP3(t *testing.T) {
	if os.Getenv("E2E_BROWSER") == "" {
		t.Skip("E2E_BROWSER is not set: make browser")
	}
	pool, err := clusterlab.StartFPM(t.Context(), clusterlab.FPMOptions{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Script("index.php", h3page); err != nil {
		t.Fatal(err)
	}
	cert, _ := certificate(t, "shop.test")
	log := filepath.Join(t.TempDir(), "access.log")
	g := serve(t, fmt.Sprintf("  http3: true\n  access_log: %q\n  access_log_format: json\n  tls: {listen: HTTPS, cert_file: %q}\n  pools: [{name: php, backends: [%q]}]\n  sites:\n    - {hosts: [shop.test], root: %q, pool: php}\n",
		log, cert, pool.Addr(), pool.Dir()))
	origin := "shop.test:" + port(g.https)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("host-resolver-rules", "MAP shop.test 127.0.0.1"),
		chromedp.Flag("origin-to-force-quic-on", origin), chromedp.Flag("ignore-certificate-errors-spki-list", keyHash(t, cert)))
	allocated, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	holds := func(script, until string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](script+"; null")); err != nil {
			t.Fatal(err)
		}
		eventually(t, until, func() error {
			ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState == 'complete' && !!("+until+")"))
			if err == nil && !ok {
				err = errors.New("it does not hold")
			}
			return err
		})
	}
	holds(fmt.Sprintf(`location.href = "https://%s/"`, origin), `document.querySelector("#proto")?.innerText == "HTTP/3.0"`)
	holds(`fetch("/?download").then(r => r.text()).then(t => window.length_ = t.length)`, `window.length_ == 5000000`)
	holds(`window.events_ = ""; var s = new EventSource("/?events"); s.onmessage = e => { window.events_ += e.data; if (e.data == "3") s.close() }`, `window.events_ == "123"`)
	holds(`var d = new DataTransfer(); d.items.add(new File([new Uint8Array(1500000)], "f.bin")); document.querySelector("[type=file]").files = d.files; document.querySelector("form").submit()`,
		`document.querySelector("#got")?.innerText == "rower 1500000"`)
	end()
	type line struct{ Method, URI, Proto string }
	var lines []line
	eventually(t, "the log has all", func() error {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		lines = nil
		for text := range strings.Lines(string(text)) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return err
			}
			lines = append(lines, l)
		}
		for _, want := range []line{{"GET", "/", "HTTP/3.0"}, {"GET", "/?download", "HTTP/3.0"}, {"GET", "/?events", "HTTP/3.0"}, {"POST", "/", "HTTP/3.0"}} {
			if !slices.Contains(lines, want) {
				return fmt.Errorf("no %v in %v", want, lines)
			}
		}
		return nil
	})
	if other := slices.IndexFunc(lines, func(l line) bool { return l.Proto != "HTTP/3.0" }); other >= 0 {
		t.Errorf("it came by another way: %v", lines[other])
	}
	t.Logf("%d requests by HTTP/3", len(lines))
}

// keyHash is by what a browser is told to believe a certificate: the hash of its public key.
func keyHash(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
