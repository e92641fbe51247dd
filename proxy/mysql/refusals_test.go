package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/proxy/mysql/mysqltest"
)

func TestRefusalsAreLoggedSparingly(t *testing.T) {
	var r refusals
	start := time.Unix(1000, 0)
	var lines, counted int
	for i := range 100 {
		if n, tell := r.note("a", start.Add(time.Duration(i)*time.Second)); tell {
			lines, counted = lines+1, counted+n
		}
	}
	if lines != 2 || counted != 61 {
		t.Errorf("%d lines for %d refusals", lines, counted)
	}
	if _, tell := r.note("b", start); !tell {
		t.Error("another host is not told of")
	}
	for i := range 3 * refusalHosts {
		r.note(fmt.Sprint(i), start)
	}
	if len(r.hosts) > refusalHosts {
		t.Errorf("%d hosts are remembered", len(r.hosts))
	}
}

// TestRefusalSaysThatGalleyIsBlind: where the cluster's accounts cannot be imported, the log says so with the refusal, and the client is told no more than else.
func TestRefusalSaysThatGalleyIsBlind(t *testing.T) {
	d := newDoor(t, 1)
	out := &logged{}
	d.srv.log = hclog.New(&hclog.LoggerOptions{Output: out})
	try := func() {
		if _, err := d.login(mysqltest.Login{User: "nobody", Password: "secret"}); err == nil || !strings.Contains(err.Error(), "Access denied for user 'nobody'") || strings.Contains(err.Error(), "GRANT") {
			t.Errorf("told %v", err)
		}
	}
	d.accounts.FailRefresh(errors.New("run on any node: GRANT SELECT ON x"))
	for range 3 {
		try()
	}
	if said := out.String(); strings.Count(said, "GRANT SELECT ON x") != 1 || !strings.Contains(said, "[WARN]") || !strings.Contains(said, "cannot see those of the cluster") {
		t.Errorf("the log says: %s", said)
	}
}

// logged is a log that many goroutines write.
type logged struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}
