package main

import (
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/proxytest"
)

// TestCheckOfWebTLS: what is wrong with them is said, and what ACME would meet.
func TestCheckOfWebTLS(t *testing.T) {
	dir := t.TempDir()
	ca := proxytest.NewAuthority(t, dir, pkix.Name{CommonName: "ca"})
	good := ca.Issue(t, dir, "good", proxytest.Wish{Until: time.Now().Add(18 * 24 * time.Hour)})
	old := ca.Issue(t, dir, "old", proxytest.Wish{Until: time.Now().Add(-time.Hour)})
	acme := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dir" {
			_, _ = io.WriteString(w, `{"newOrder": "x"}`)
		}
	}))
	defer acme.Close()
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: acme.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	own := config.Site{Hosts: []string{"localhost"}, CertFile: good.Cert, KeyFile: good.Key}
	plain := config.Site{Hosts: []string{"shop.test", "*.shop.test"}}
	tests := map[string]struct {
		change func(w *config.Web)
		want   string // Of errors and warnings, each ended by a bar.
	}{
		"fine":         {func(w *config.Web) { w.Sites = []config.Site{own} }, ""},
		"no such file": {func(w *config.Web) { w.TLS.CertFile = filepath.Join(dir, "none") }, "The files of web.tls cannot be used: "},
		"expired": {func(w *config.Web) {
			own := own
			own.CertFile, own.KeyFile = old.Cert, old.Key
			w.Sites = []config.Site{own}
		}, "the site localhost, cert_file (" + old.Cert + "): the certificate expired"},
		"another name": {func(w *config.Web) {
			own := own
			own.Hosts = []string{"localhost", "shop.test", "*"}
			w.Sites = []config.Site{own}
		}, "is not for shop.test: browsers"},
		"acme":           {func(w *config.Web) { w.ACME.Agree, w.Sites = true, []config.Site{plain} }, ""},
		"no directory":   {func(w *config.Web) { w.ACME.Agree, w.ACME.Directory, w.Sites = true, acme.URL, []config.Site{plain} }, "it answers 200 OK, which is no directory of ACME"},
		"not believed":   {func(w *config.Web) { w.ACME.Agree, w.ACME.CAFile, w.Sites = true, ca.File, []config.Site{plain} }, "certificate signed by unknown authority"},
		"other ports":    {func(w *config.Web) { w.ACME.Agree, w.TLS.Listen, w.Sites = true, ":8443", []config.Site{plain} }, "port 80 or 443 of shop.test"},
		"storage a file": {func(w *config.Web) { w.ACME.Agree, w.ACME.Storage, w.Sites = true, root, []config.Site{plain} }, "is no directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.Web.Listen, c.Web.TLS.Listen = ":8080", ":443"
			c.Web.ACME = config.ACME{Directory: acme.URL + "/dir", Storage: dir, CAFile: root}
			tt.change(&c.Web)
			r := plainReport(c)
			r.web(t.Context(), c)
			var got strings.Builder
			for _, f := range append(r.Errors, r.Warnings...) {
				got.WriteString(f.Text + "|")
			}
			if n := strings.Count(got.String(), "|"); !strings.Contains(got.String(), tt.want) || (tt.want == "") != (n == 0) || n > 1 {
				t.Errorf("got %s", got.String())
			}
		})
	}
}
