package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"galley/config"
)

func TestSlowHeaderIsCut(t *testing.T) {
	b := serve(t, func(c *config.Web) { c.HeaderTimeout, c.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond })
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: exam", "", "GET /pic.png HTTP/1.1\r\nHost: example.com\r\n\r\n"} {
		nc, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, text)
		_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(nc); err != nil {
			t.Errorf("%q: the connection is kept: %v", text, err)
		}
		nc.Close()
	}
	if b.pool.last() != nil {
		t.Error("a script was run for half a request")
	}
}

// slowBody is a body by a clock: what a client has sent, and when.
type slowBody struct{ deadline time.Time }

func (s *slowBody) Read([]byte) (int, error) {
	if !time.Now().Before(s.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return 1, nil
}

// control is a connection as http.ResponseController knows it.
type control struct {
	http.ResponseWriter
	body *slowBody
}

func (c *control) SetReadDeadline(at time.Time) error {
	c.body.deadline = at
	return nil
}

func TestPacedBody(t *testing.T) {
	s := &slowBody{}
	long := time.Now().Add(-time.Minute)
	b := &pacedBody{r: s, control: http.NewResponseController(&control{body: s}), rate: 100, start: long, n: 5100}
	if _, err := b.Read(nil); err != nil { // 10 s and 51 s for 5,100 bytes: a second is left.
		t.Error(err)
	}
	b.n = 4900
	if _, err := b.Read(nil); err != errSlow { //nolint:errorlint // it is this very error
		t.Error(err)
	}
	if b.done(); !s.deadline.IsZero() {
		t.Error("a deadline is left on the connection")
	}
}

func TestAccessLog(t *testing.T) {
	for _, format := range []string{config.AccessLogCombined, config.AccessLogJSON} {
		path := t.TempDir() + "/access.log"
		b := serve(t, func(c *config.Web) { c.AccessLog, c.AccessLogFormat = path, format })
		b.get(t, `GET /x%22?a="b`, "example.com", `User-Agent: a"b\`, "Referer: r")
		b.get(t, "GET /.env", "example.com")
		b.access.flush()
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		b.access.flush()
		b.get(t, "GET /pic.png", "example.com")
		b.access.flush()
		old, _ := os.ReadFile(path + ".1")
		after, _ := os.ReadFile(path)
		if bytes.Count(old, []byte("\n")) != 2 || bytes.Count(after, []byte("\n")) != 1 {
			t.Fatalf("%s\n--\n%s", old, after)
		}
		lines := strings.Split(string(old), "\n")
		if format == config.AccessLogJSON {
			var v struct {
				Site, Method, URI, Agent, ID, Backend string
				Status                                int
				Queue, PHP, Total                     float64
			}
			if err := json.Unmarshal([]byte(lines[0]), &v); err != nil {
				t.Fatal(err)
			}
			if v.Site != "example.com" || v.URI != `/x%22?a="b` || v.Agent != `a"b\` || v.Status != 200 || v.Queue != 0.001 || v.Backend != "10.0.0.1:9000" || v.ID == "" || v.Total <= 0 {
				t.Errorf("%s", lines[0])
			}
			continue
		}
		want := `^127\.0\.0\.1 - - \[[^]]+\] "GET /x%22\?a=\\x22b HTTP/1\.1" 200 21 "r" "a\\x22b\\x5c" total=0\.\d+ queue=0\.001000 accept=0\.000000 php=\S+ site=example\.com backend=10\.0\.0\.1:9000 reason=- id=\S+$`
		if !regexp.MustCompile(want).MatchString(lines[0]) || !strings.Contains(lines[1], " 403 ") || !strings.Contains(lines[1], "reason=hidden_file") {
			t.Errorf("%s", old)
		}
	}
}

func TestReloadOfSites(t *testing.T) {
	b := serve(t, nil)
	c := b.settings().conf
	root := b.settings().all[0].root
	c.Sites = append([]config.Site{}, c.Sites...)
	c.Sites[1].Hosts = []string{"new.example.com"}
	if err := b.SetConfig(c); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"new.example.com": 200, "example.com": 200, "elsewhere": 421} {
		if resp, _ := b.get(t, "GET /pic.png", host); resp.StatusCode != want {
			t.Errorf("%s: %d", host, resp.StatusCode)
		}
	}
	if b.settings().all[0].root != root {
		t.Error("what was known of a root that stays is lost")
	}
	c.TLS.Listen, c.TLS.CertFile = "127.0.0.1:0", "/nowhere"
	if err := b.SetConfig(c); err == nil || b.settings().conf.TLS.Listen != "" {
		t.Error("a certificate that is not there was taken")
	}
}

// TestClientThatReadsNothingIsCut holds for what is sent from memory and by the kernel; one that reads slowly but steadily gets all of it.
func TestClientThatReadsNothingIsCut(t *testing.T) {
	b := serve(t, func(c *config.Web) { c.WriteTimeout = 3 * time.Second }) // A steady client has no more than that for a pause on a slow machine.
	b.put(t, "big.bin", strings.Repeat("0123456789abcdef", 2<<20))
	ask := func() net.Conn {
		nc, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.(*net.TCPConn).SetReadBuffer(64 << 10)
		fmt.Fprint(nc, "GET /big.bin HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
		return nc
	}
	idle := ask()
	defer idle.Close()
	for end := time.Now().Add(20 * time.Second); b.open.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(20 * time.Second); b.open.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a client that reads nothing keeps its connection")
		}
	}
	steady := ask()
	defer steady.Close()
	n := 0
	for p := make([]byte, 1<<20); ; time.Sleep(100 * time.Millisecond) { // Longer in all than the timeout.
		m, err := io.ReadFull(steady, p)
		if n += m; err != nil {
			break
		}
	}
	if n < 32<<20 {
		t.Errorf("%d bytes", n)
	}
}
