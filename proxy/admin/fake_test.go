package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

const testToken = "a-long-enough-token-for-tests"

// fakeSource answers with whatever was set last.
type fakeSource struct{ now atomic.Pointer[Snapshot] }

func newFakeSource(s Snapshot) *fakeSource {
	f := &fakeSource{}
	f.now.Store(&s)
	return f
}

func (f *fakeSource) Snapshot() Snapshot { return *f.now.Load() }

var testTime = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// healthy is a snapshot of three nodes with nothing wrong.
func healthy() Snapshot {
	node := func(id, name, addr, role string, share float64) NodeRow {
		return NodeRow{
			ID: id, Name: name, Addr: addr, Role: role, State: "Synced", RecvQueue: 1, SendQueue: 2, FCLimit: 80,
			FlowControlPausedSecondsTotal: 1.5, FlowControlPaused: 0.25, ThreadsRunning: 3, ThreadsConnected: 40, MaxConnections: 200,
			InFlight: 4, BackendConns: 12, Share: share, Queries: 1000, LastCommitted: 77, Version: "10.11.14-MariaDB",
			ProbeAge: 250 * time.Millisecond, ProbeDuration: 800 * time.Microsecond,
			Pool: NodePool{
				InUse: 3, Idle: 9, Limit: 150, Running: 2, Pinned: 1, PinnedBy: []PinCount{{"user_lock", 1}}, Users: []UserPool{{User: "wp", InUse: 3, Idle: 9}},
				Waits: 20, Waited: 250 * time.Millisecond, Timeouts: 1, LastTimeout: testTime.Add(-75 * time.Second), Opened: 14, Resets: 5, Moved: 600,
			},
		}
	}
	return Snapshot{
		At: testTime, Version: "0.1.0", StartedAt: testTime.Add(-90 * time.Second), Ready: true, ConfigPath: "/etc/galley.yaml", Instance: "g1",
		Cluster: Cluster{
			Name: "shop", StateUUID: "6f1c3c1e-93c2-11ee-b7a5-1f6d9d1c8a11", ConfID: 7, Size: 3, Primary: true, Writer: "u1",
			WriterHistory: []WriterChange{{At: testTime.Add(-80 * time.Second), To: "u1", Reason: "first_choice"}},
			Events:        []Event{{At: testTime.Add(-70 * time.Second), Node: "u3", Text: "joined", Reason: "discovered"}},
		},
		Nodes: []NodeRow{
			node("u1", "node1", "10.0.0.1:3306", RoleWriter, 0),
			node("u2", "node2", "10.0.0.2:3306", RoleReader, 0.5),
			node("u3", "node3", "10.0.0.3:3306", RoleReader, 0.5),
		},
		MySQL: MySQL{
			Listen: "127.0.0.1:3306", Sessions: 2, ActiveSessions: 1, MaxSessions: 1000,
			SessionsTotal: 10, QueriesTotal: 3000, ReadsTotal: 2500, WritesTotal: 500, ErrorsTotal: 5,
			Latency: []Bucket{{LE: time.Millisecond, Count: 2000}, {LE: 10 * time.Millisecond, Count: 2990}, {Count: 3000}},
			SessionRows: []SessionRow{
				{ID: 11, User: "wp", ClientAddr: "10.0.1.1:5000", Schema: "wp", State: "query", Node: "u2", Holds: []string{"u2"}, Age: 3 * time.Second, StateAge: time.Second},
				{ID: 12, User: "wp", ClientAddr: "10.0.1.2:5000", State: "idle", Node: "u1", Pins: []string{"transaction"}, Age: time.Second},
			},
		},
		Lease:    Lease{State: "kept", Epoch: 5, Writer: "u1", Holder: "K7", Own: true, Galleys: 2},
		Problems: []Problem{{Severity: SeverityNote, Text: "A note.", Do: "Nothing."}},
	}
}

// newTestServer gives a server that listens nowhere yet; change may alter the options.
func newTestServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	opts := Options{
		Listen: "127.0.0.1:0", Logger: hclog.NewNullLogger(), Gatherer: prometheus.NewRegistry(), Source: newFakeSource(healthy()),
	}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request to the handler of the TCP listener (or the socket's).
func ask(s *Server, overSocket bool, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler(overSocket).ServeHTTP(w, r)
	return w
}

func request(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:9306"
	return r
}

func newRecorderFor(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func runNothing(context.Context, map[string]string) (string, error) { return "", nil }
