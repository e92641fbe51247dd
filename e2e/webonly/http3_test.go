//go:build e2e

package webonly

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

func tlsTo(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// TestHTTP3: a client that comes by TLS is told of HTTP/3, and comes by it; galley stops at once although it keeps its connection.
func TestHTTP3(t *testing.T) {
	cert, roots := certificate(t, "localhost")
	g := serve(t, fmt.Sprintf("  http3: true\n  tls: {listen: HTTPS, cert_file: %q}\n  sites:\n    - {hosts: [\"*\"], root: %q}\n", cert, site(t, "page")))
	ask := func(tr http.RoundTripper) (proto, altSvc, text string) {
		t.Helper()
		resp, err := (&http.Client{Transport: tr, Timeout: 30 * time.Second}).Get("https://" + g.https + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Proto, resp.Header.Get("Alt-Svc"), string(body)
	}
	_, told, _ := ask(&http.Transport{DisableKeepAlives: true, TLSClientConfig: tlsTo(roots)})
	if want := fmt.Sprintf(`h3=":%s"; ma=86400`, port(g.https)); told != want {
		t.Errorf("Alt-Svc is %q, want %q", told, want)
	}
	tr := &http3.Transport{TLSClientConfig: tlsTo(roots)}
	defer tr.Close()
	for range 3 {
		if proto, _, body := ask(tr); proto != "HTTP/3.0" || body != "page" {
			t.Errorf("%s %q", proto, body)
		}
	}
	g.end()
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("galley ended with %d", code)
	}
}
