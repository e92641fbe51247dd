package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const (
	addr1 = "10.0.0.1:3306"
	addr2 = "10.0.0.2:3306"
	addr3 = "10.0.0.3:3306"
)

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestNewRefusesBadSettings(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"no nodes":    func(s *Settings) { s.Nodes = nil },
		"twice":       func(s *Settings) { s.Nodes = append(s.Nodes, s.Nodes[0]) },
		"bad address": func(s *Settings) { s.Nodes[0].Addr = "x" },
		"no interval": func(s *Settings) { s.Interval = 0 },
	} {
		s := testSettings(addr1)
		change(&s)
		if _, err := New(Options{Settings: s, Logger: hclog.NewNullLogger()}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMonitorSeesTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		s := testSettings(addr1, addr2, addr3)
		m, err := New(Options{Settings: s, Logger: hclog.NewNullLogger(), Dial: net.dial})
		if err != nil {
			t.Fatal(err)
		}
		if v := m.View(); v == nil || v.Writer != -1 || v.WriterReason != Starting || len(v.Nodes) != 3 || v.PickReader() != nil {
			t.Errorf("before Run: %+v", v)
		}
		r := runMonitor(t, net, s)
		changed := r.Changed()
		seen := r.View().Writer >= 0 // Else it is still to come, and has to be told.
		after(100 * time.Millisecond)
		select {
		case <-changed:
		default:
			if !seen {
				t.Error("no change was told")
			}
		}
		r.want(addr1, addr2+" "+addr3)
		v := r.View()
		if v.ConfID != 3 || v.Server.Greeting != "5.5.5-10.11.19-MariaDB" || v.Server.Collation != 8 || v.Nodes[0].Name != "name of "+addr1 {
			t.Errorf("view %+v", v)
		}
		changed = r.Changed()
		after(time.Minute)
		select {
		case <-changed:
			t.Error("a change without any")
		default:
		}
		// max_connect_errors: no connection that does not log in, and one each.
		for addr, n := range net.nodes {
			if n.dials != 1 || n.logins != 1 {
				t.Errorf("%s: %d connections, %d logins in a minute of health", addr, n.dials, n.logins)
			}
			if n.probes < 100 || n.probes > 140 {
				t.Errorf("%s: %d probes in a minute", addr, n.probes)
			}
		}
	})
}

func TestMonitorHungNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		r := runMonitor(t, net, testSettings(addr1, addr2, addr3))
		after(10 * time.Second)
		start := time.Now()
		resume := net.nodes[addr1].hang()
		seen := net.nodes[addr2].count(&net.nodes[addr2].probes)
		for r.View().WriterNode().Addr == addr1 {
			<-r.Changed()
		}
		if took := time.Since(start); took > 2100*time.Millisecond || took < 1400*time.Millisecond {
			t.Errorf("left the hung writer after %v", took)
		}
		r.want(addr2, addr3)
		after(time.Second)
		// At least 2.4 s at half a second each, and jitter.
		if n := net.nodes[addr2].count(&net.nodes[addr2].probes) - seen; n < 4 {
			t.Errorf("%d probes of another node meanwhile", n)
		}
		// Half an hour: not so many connections given up that the node blocks
		// this host (max_connect_errors).
		after(30 * time.Minute)
		if n := net.nodes[addr1].count(&net.nodes[addr1].dials); n > 90 {
			t.Errorf("%d connections to a node that hangs", n)
		}
		resume()
		after(35 * time.Second)
		r.want(addr2, addr1+" "+addr3)
	})
}

func TestMonitorLostNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		s := testSettings(addr1, addr2, addr3)
		s.Interval = 10 * time.Second
		r := runMonitor(t, net, s)
		after(time.Second)
		net.nodes[addr1].kill()
		before := net.nodes[addr1].count(&net.nodes[addr1].dials)
		for range 500 { // every session meets the trouble
			r.ProbeNow(addr1)
		}
		after(time.Millisecond)
		r.want(addr2, addr3)
		if reason := r.View().Node(addr1).Reason; reason != Unreachable {
			t.Errorf("reason %v", reason)
		}
		for range 100 {
			r.ProbeNow(addr1)
			after(10 * time.Millisecond)
		}
		if n := net.nodes[addr1].count(&net.nodes[addr1].dials) - before; n > 45 {
			t.Errorf("%d connections in one second of calls", n)
		}
		r.ProbeNow("10.9.9.9:1") // nobody's
	})
}

func TestMonitorKilledConnectionIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		r := runMonitor(t, net, testSettings(addr1, addr2))
		after(time.Second)
		version := r.View().Version
		n := net.nodes[addr1]
		n.mu.Lock()
		n.cut()
		n.mu.Unlock()
		after(5 * time.Second)
		if v := r.View(); v.Version != version || v.Writer != 0 {
			t.Errorf("version %d → %d: %v", version, v.Version, r.Events())
		}
		if n.dials != 2 {
			t.Errorf("%d connections", n.dials)
		}
	})
}

func TestMonitorReprobesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		s := testSettings(addr1, addr2, addr3)
		s.Interval = 5 * time.Second
		r := runMonitor(t, net, s)
		after(7 * time.Second)
		newer := map[string]string{"wsrep_cluster_conf_id": "4", "wsrep_cluster_size": "2"}
		net.nodes[addr1].set(newer)
		net.nodes[addr2].set(newer)
		r.ProbeNow(addr2) // whoever sees it first
		after(400 * time.Millisecond)
		r.want(addr1, addr2)
		if reason := r.View().Node(addr3).Reason; reason != BehindView {
			t.Errorf("%s is %v: not found out within one round", addr3, reason)
		}
		net.nodes[addr3].set(newer)
		after(6 * time.Second)
		r.want(addr1, addr2+" "+addr3)
	})
}

func TestDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far, other := "192.168.7.7:3306", "10.0.0.1:3307"
		net := newFakeNet(addr1, addr2, far, other)
		s := testSettings(addr1)
		s.DiscoverNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}
		r := runMonitor(t, net, s)
		after(2 * time.Second)
		// addr2 by the network, other by the host of a configured node.
		r.want(addr1, other+" "+addr2)
		if n := r.View().Node(far); n == nil || n.Reason != NotTrusted {
			t.Errorf("far: %+v", n)
		}
		if net.nodes[far].dials != 0 {
			t.Error("credentials went to an address that nobody trusts")
		}
		// It leaves the group and is gone from here too; a configured one stays.
		net.all(map[string]string{"wsrep_incoming_addresses": strings.Join([]string{addr1, "", "AUTO", other}, ","), "wsrep_cluster_conf_id": "4"})
		net.nodes[addr2].kill()
		after(2 * time.Second)
		r.want(addr1, other)
		if n := r.View().Node(addr2); n == nil || !n.Evicted {
			t.Errorf("whoever has connections to the node that left could not see that it did: %+v", n)
		}
		after(11 * time.Second)
		if r.View().Node(addr2) != nil || r.View().Node(far) != nil || len(r.View().Nodes) != 2 {
			t.Errorf("nodes %+v", r.View().Nodes)
		}
		dials := net.nodes[addr2].count(&net.nodes[addr2].dials)
		after(time.Minute)
		if n := net.nodes[addr2].count(&net.nodes[addr2].dials); n != dials {
			t.Errorf("%d further connections to a node that left", n-dials)
		}
		s.Discover = false
		if err := r.SetSettings(s); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		r.want(addr1, addr1)
	})
}

func TestDiscoveredAlias(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alias := "10.0.0.1:13306"
		net := newFakeNet(addr1, addr2)
		n := net.add(alias, nil)
		n.set(map[string]string{"wsrep_gcomm_uuid": "id-" + addr1})
		// addr1 announces nothing of itself that would show that it is alias.
		net.nodes[addr1].variables["wsrep_node_incoming_address"] = "AUTO"
		net.all(map[string]string{"wsrep_incoming_addresses": alias + "," + addr2})
		r := runMonitor(t, net, testSettings(addr1, addr2))
		after(5 * time.Second)
		r.want(addr1, addr2)
		if len(r.View().Nodes) != 2 {
			t.Errorf("%d nodes", len(r.View().Nodes))
		}
		before := n.count(&n.probes)
		after(time.Minute)
		if now := n.count(&n.probes); now != before {
			t.Errorf("%d probes of a second address", now-before)
		}
		net.nodes[addr1].kill()
		after(2 * time.Second)
		r.want(addr2, alias) // the same node by the way that is left
	})
}

func TestSetSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2, addr3)
		s := testSettings(addr1, addr2)
		s.Discover = false
		r := runMonitor(t, net, s)
		after(time.Second)
		r.want(addr1, addr2)
		kept := r.View().Node(addr2).Backend

		s = testSettings(addr3, addr2)
		s.Nodes[1].Weight, s.Nodes[1].Name = 7, "two"
		s.Discover, s.User = false, "other"
		version := r.View().Version
		if err := r.SetSettings(s); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		r.want(addr2, addr3) // addr1 is gone; addr2 was the first that answered
		n := r.View().Node("two")
		if n == nil || n.Backend != kept || kept.Weight() != 7 || r.View().Version == version {
			t.Errorf("node two %+v", n)
		}
		if users := net.nodes[addr2].users; !slices.Equal(users, []string{"monitor", "other"}) {
			t.Errorf("logins as %v", users)
		}
		probes := net.nodes[addr1].count(&net.nodes[addr1].probes)
		after(5 * time.Second)
		if net.nodes[addr1].count(&net.nodes[addr1].probes) != probes {
			t.Error("a node taken out is still probed")
		}
		s.Nodes = nil
		if err := r.SetSettings(s); err == nil {
			t.Error("settings without nodes accepted")
		}
	})
}

// A configuration that names another cluster altogether is followed.
func TestSetSettingsToAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		net.nodes[addr2].set(map[string]string{"wsrep_cluster_state_uuid": uuidB})
		s := testSettings(addr1)
		s.Discover = false
		r := runMonitor(t, net, s)
		after(time.Second)
		s.Nodes[0].Addr = addr2
		if err := r.SetSettings(s); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		r.want(addr2, addr2)
	})
}

func TestProbeFaults(t *testing.T) {
	for number, want := range map[uint16]Reason{
		1045: AuthFailed, 1129: AuthFailed, 1130: AuthFailed, 1040: TooManyConnections, 1053: ShuttingDown, 1047: NotReady, 1105: ProbeFailed,
	} {
		synctest.Test(t, func(t *testing.T) {
			net := newFakeNet(addr1)
			net.nodes[addr1].loginErr = number
			r := runMonitor(t, net, testSettings(addr1))
			after(time.Second)
			v := r.View()
			if n := v.Node(addr1); n.Reason != want || v.WriterReason != want || !strings.Contains(n.Err, "scripted") {
				t.Errorf("error %d: %v (%s), no writer because of %v", number, n.Reason, n.Err, v.WriterReason)
			}
		})
	}
}

func TestProbeOfAServerThatMakesNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1)
		net.nodes[addr1].set(map[string]string{"wsrep_cluster_conf_id": "many"})
		r := runMonitor(t, net, testSettings(addr1))
		after(time.Second)
		if n := r.View().Node(addr1); n.Reason != ProbeFailed || !strings.Contains(n.Err, "wsrep_cluster_conf_id") {
			t.Errorf("%v: %s", n.Reason, n.Err)
		}
	})
}

func TestMetricsAndHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		net.all(map[string]string{"wsrep_flow_control_paused_ns": "7000000000"})
		r := runMonitor(t, net, testSettings(addr1, addr2))
		after(2 * time.Second)
		net.nodes[addr2].set(map[string]string{"wsrep_flow_control_paused_ns": "7250000000", "wsrep_local_recv_queue": "5", "wsrep_flow_control_sent": "3"})
		after(2 * time.Second)
		net.nodes[addr2].set(map[string]string{"wsrep_flow_control_paused_ns": "1000000000", "wsrep_flow_control_sent": "2"}) // restarted
		net.nodes[addr1].kill()
		after(2 * time.Second)
		const want = `
# HELP galley_node_flow_control_asked_total Pauses of the cluster that the node has asked for since galley started.
# TYPE galley_node_flow_control_asked_total counter
galley_node_flow_control_asked_total{node="10.0.0.1:3306"} 0
galley_node_flow_control_asked_total{node="10.0.0.2:3306"} 5
# HELP galley_node_flow_control_paused_seconds_total Time the node was paused by flow control since galley started.
# TYPE galley_node_flow_control_paused_seconds_total counter
galley_node_flow_control_paused_seconds_total{node="10.0.0.1:3306"} 0
galley_node_flow_control_paused_seconds_total{node="10.0.0.2:3306"} 1.25
# HELP galley_node_max_connections max_connections of the node.
# TYPE galley_node_max_connections gauge
galley_node_max_connections{node="10.0.0.2:3306"} 151
# HELP galley_node_read_share_ratio Part of its normal reads the node gets, by its receive queue; 0 where it gets none.
# TYPE galley_node_read_share_ratio gauge
galley_node_read_share_ratio{node="10.0.0.1:3306"} 0
galley_node_read_share_ratio{node="10.0.0.2:3306"} 0.8125
# HELP galley_node_recv_queue_length Write sets the node has received and not applied.
# TYPE galley_node_recv_queue_length gauge
galley_node_recv_queue_length{node="10.0.0.2:3306"} 5
# HELP galley_writer_changes_total Changes of the writer, by why the old one was left.
# TYPE galley_writer_changes_total counter
galley_writer_changes_total{reason="unreachable"} 1
`
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want),
			"galley_node_flow_control_asked_total", "galley_node_flow_control_paused_seconds_total", "galley_node_recv_queue_length", "galley_node_read_share_ratio", "galley_node_max_connections", "galley_writer_changes_total"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		samples := r.History(addr2)
		if n := len(samples); n < 9 || n > 15 || samples[n-1].RecvQueue != 5 {
			t.Errorf("%d samples, %+v", n, samples)
		}
		events := r.Events()
		if e := events[len(events)-1]; e.Kind != EventWriterChanged || e.Was != addr1 || e.From != Unreachable {
			t.Errorf("last event %+v", e)
		}
	})
}

func TestReportedLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(addr1, addr2)
		net.nodes[addr2].set(map[string]string{"threads_running": "9", "wsrep_local_recv_queue": "3"})
		r := runMonitor(t, net, testSettings(addr1, addr2))
		after(time.Second)
		b := r.View().Node(addr2).Backend
		b.Begin()
		b.Begin()
		after(10 * time.Second)
		// 9 running less the probe and galley's own two, and twice the queue.
		if got := b.Reported(); got < 11.9 || got > 12.1 {
			t.Errorf("reported load %v, want 12", got)
		}
		if b.Load() < 13.9 {
			t.Errorf("load %v", b.Load())
		}
	})
}
