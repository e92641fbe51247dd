//go:build e2e

package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// put writes a file of a site.
func put(t *testing.T, host, path, text string) {
	t.Helper()
	file := filepath.Join(town.dir, host, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to a site; headers are pairs.
func ask(client *http.Client, host, path string, headers ...string) (*reply, error) {
	req, err := http.NewRequestWithContext(town.ctx, http.MethodGet, "http://"+town.web+path, nil)
	if err != nil {
		return nil, err
	}
	req.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &reply{resp.StatusCode, resp.Header, string(body)}, err
}

// TestTwoSites: sites with the same names of scripts, includes and settings on the same workers never see each other's.
func TestTwoSites(t *testing.T) {
	const script = `<?php
include 'part.php';
$once = defined('ONCE') ? 'again' : 'once';
define('ONCE', 1);
echo implode(' ', [$part, part(), PART, ini_get('user_agent'), $_SERVER['DOCUMENT_ROOT'], $_SERVER['SCRIPT_FILENAME'], __FILE__, realpath('part.php'), $_SERVER['SERVER_NAME'], $_SERVER['HTTP_HOST'], $once, $_SERVER['REQUEST_URI']]);`
	want := map[string]string{}
	for _, host := range []string{hostOne, hostTwo} {
		root := filepath.Join(town.dir, host)
		for _, dir := range []string{"", "deep"} {
			mark := host + dir
			put(t, host, filepath.Join(dir, "index.php"), script)
			put(t, host, filepath.Join(dir, "part.php"), fmt.Sprintf("<?php $part = '%s'; function part() { return '%s'; } const PART = '%s';", mark, mark, mark))
			here := filepath.Join(root, dir)
			uri := "/" + filepath.Join(dir, "index.php")
			want[host+uri] = strings.Join([]string{mark, mark, mark, host, root, here + "/index.php", here + "/index.php", here + "/part.php", host, host, "once", uri}, " ")
		}
		put(t, host, ".user.ini", "user_agent = "+host)
	}
	// What the engine keeps of a path is to be there before the work.
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for range 25 {
				for address, body := range want {
					host, uri, _ := strings.Cut(address, "/")
					got, err := ask(client, host, "/"+uri)
					switch {
					case err != nil:
						t.Errorf("%s: %v", address, err)
					case got.status != http.StatusOK || got.body != body:
						t.Errorf("%s: status %d\n%s\nwant\n%s", address, got.status, got.body, body)
					}
				}
			}
		})
	}
	work.Wait()
	if got, err := ask(http.DefaultClient, hostTwo, "/../"+hostOne+"/index.php"); err != nil || got.status == http.StatusOK {
		t.Error("a site's scripts can be reached by another's host")
	}
}

// TestFiles: parts of a file, and a file that the browser has.
func TestFiles(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	put(t, hostOne, "data.bin", text)
	whole, err := ask(http.DefaultClient, hostOne, "/data.bin")
	if err != nil || whole.status != http.StatusOK || whole.body != text {
		t.Fatalf("%+v, %v", whole, err)
	}
	tag, modified := whole.header.Get("Etag"), whole.header.Get("Last-Modified")
	for _, test := range []struct {
		headers      []string
		status       int
		body         string
		contentRange string
	}{
		{[]string{"Range", "bytes=5-14"}, 206, "5678901234", "bytes 5-14/10000"},
		{[]string{"Range", "bytes=-3"}, 206, "789", "bytes 9997-9999/10000"},
		{[]string{"Range", "bytes=10000-"}, 416, "", "bytes */10000"},
		{[]string{"Range", "bytes=0-1", "If-Range", `"other"`}, 200, text, ""},
		{[]string{"Range", "bytes=0-1", "If-Range", tag}, 206, "01", "bytes 0-1/10000"},
		{[]string{"If-None-Match", tag}, 304, "", ""},
		{[]string{"If-Modified-Since", modified}, 304, "", ""},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", modified}, 200, text, ""},
		{[]string{"If-Match", `"other"`}, 412, "", ""},
	} {
		got, err := ask(http.DefaultClient, hostOne, "/data.bin", test.headers...)
		if err != nil || got.status != test.status || got.header.Get("Content-Range") != test.contentRange || (test.status < 400 && got.body != test.body) {
			t.Errorf("%v: %+v, %v", test.headers, got, err)
		}
	}
}

// TestSessions: with a directory that both pools share, a visitor's session goes on whichever of them runs the script.
func TestSessions(t *testing.T) {
	put(t, hostOne, "session.php", "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'], ' ', posix_getppid(); usleep(20000);")
	masters := map[string]bool{}
	var mu sync.Mutex
	var work sync.WaitGroup
	for range 6 { // Enough of them at a time that one pool is not always the one with less to do.
		work.Go(func() {
			jar, _ := cookiejar.New(nil) // Never fails.
			client := &http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for n := range 20 {
				got, err := ask(client, hostOne, "/session.php")
				if err != nil {
					t.Error(err)
					return
				}
				count, master, _ := strings.Cut(got.body, " ")
				if count != fmt.Sprint(n+1) {
					t.Errorf("visit %d of a session: %+v", n+1, got)
					return
				}
				mu.Lock()
				masters[master] = true
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if len(masters) != len(town.pools) {
		t.Errorf("sessions were in %v: not in both pools", masters)
	}
}
