//go:build e2e

package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-hclog"

	"galley/cluster/clusterlab"
)

// labTest is a real cluster and a monitor of it that is configured with the
// first node only.
type labTest struct {
	t   *testing.T
	ctx context.Context
	lab *clusterlab.Lab
	m   *Monitor
	n   []*clusterlab.Node
}

// TestRealCluster walks one real cluster through every event that a view has
// to follow. The steps build on each other.
func TestRealCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	lab, err := clusterlab.Start(ctx, clusterlab.Options{Nodes: 3, BufferPoolMB: 24, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	l := &labTest{t: t, ctx: ctx, lab: lab, n: slices.Clone(lab.Nodes())}
	// Discovered nodes come in the order of their addresses.
	slices.SortFunc(l.n[1:], func(a, b *clusterlab.Node) int { return strings.Compare(a.Addr(), b.Addr()) })
	s := testSettings(l.n[0].Addr())
	s.User, s.Password = lab.Monitor().User, lab.Monitor().Password
	if l.m, err = New(Options{Settings: s, Logger: hclog.New(&hclog.LoggerOptions{Output: testWriter{t}})}); err != nil {
		t.Fatal(err)
	}
	accounts, err := NewAccounts(AccountsOptions{Monitor: l.m, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	variables, err := NewVariables(l.m, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	runCtx, stop := context.WithCancel(ctx)
	for _, run := range []func(context.Context) error{l.m.Run, accounts.Run, variables.Run} {
		wg.Go(func() { _ = run(runCtx) })
	}
	defer func() { stop(); wg.Wait() }()

	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"discovers", l.discovers},
		{"greeting and variables", func(t *testing.T) { t.Helper(); l.facts(t, variables) }},
		{"accounts", func(t *testing.T) { t.Helper(); l.accounts(t, accounts) }},
		{"desync", l.desync},
		{"reject queries", l.rejects},
		{"read only", l.readOnly},
		{"queue", l.queue},
		{"killed writer", l.killed},
		{"stopped and resumed writer", l.resumed},
		{"sole donor", l.soleDonor},
		{"all down and up", l.allDown},
	} {
		if !t.Run(step.name, func(t *testing.T) { l.t = t; step.run(t) }) {
			break
		}
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// patience is how long a busy machine may take for what an idle one does in a second or two; the log has the figures.
const patience = time.Minute

// eventually waits until the view is as told, and gives that view: the next one may be another.
func (l *labTest) eventually(what string, is func(*View) bool) *View {
	l.t.Helper()
	start := time.Now()
	for tick := time.Tick(2 * time.Millisecond); ; <-tick {
		v := l.m.View()
		if is(v) {
			l.t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
			return v
		}
		if time.Since(start) > patience {
			for _, n := range v.Nodes {
				l.t.Logf("%s: %v %v conf %d size %d %s", n.Addr, n.Role, n.Reason, n.Status.ConfID, n.Status.ClusterSize, n.Err)
			}
			l.t.Fatalf("%s: not within %v; writer %d (%v), readers %v", what, patience, v.Writer, v.WriterReason, v.Readers)
		}
	}
}

// roles says whether the writer and the readers are these nodes.
func roles(v *View, writer *clusterlab.Node, readers ...*clusterlab.Node) bool {
	w := v.WriterNode()
	if w == nil || w.Addr != writer.Addr() || len(v.Readers) != len(readers) {
		return false
	}
	for _, r := range readers {
		if n := v.Node(r.Addr()); n == nil || (n.Role != RoleReader && n.Role != RoleWriter) {
			return false
		}
	}
	return true
}

func (l *labTest) wantRoles(what string, writer *clusterlab.Node, readers ...*clusterlab.Node) *View {
	l.t.Helper()
	return l.eventually(what, func(v *View) bool { return roles(v, writer, readers...) })
}

// allUsed waits until there is a writer and the two others read.
func (l *labTest) allUsed(what string) *View {
	l.t.Helper()
	return l.eventually(what, func(v *View) bool { return v.Writer >= 0 && len(v.Readers) == 2 && v.Size == 3 })
}

// in says whether the view has the node and it is as told: one that the group has evicted is forgotten after a while.
func in(v *View, n *clusterlab.Node, is func(*Node) bool) bool {
	node := v.Node(n.Addr())
	return node != nil && is(node)
}

func (l *labTest) exec(n *clusterlab.Node, statement string) {
	l.t.Helper()
	if err := n.Exec(l.ctx, statement); err != nil {
		l.t.Fatal(err)
	}
}

func (l *labTest) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *labTest) discovers(t *testing.T) {
	t.Helper()
	v := l.wantRoles("three nodes from one address", l.n[0], l.n[1], l.n[2])
	if len(v.Nodes) != 3 || v.Size != 3 || !v.Nodes[0].SeenAs.IsLoopback() {
		t.Errorf("view %+v", v)
	}
}

func (l *labTest) facts(t *testing.T, variables *Variables) {
	t.Helper()
	f := l.m.View().Server
	if !strings.Contains(f.Greeting, "MariaDB") || !strings.Contains(f.Greeting, f.Version) || f.Capabilities&(1<<23) == 0 || f.ExtendedCaps == 0 || f.MaxAllowedPacket == 0 {
		t.Errorf("facts %+v", f)
	}
	l.eventually("system variables", func(*View) bool { return variables.Len() > 300 })
	for name, want := range map[string]VariableKind{"sql_mode": TextVariable, "autocommit": BooleanVariable, "timestamp": NumberVariable, "wait_timeout": NumberVariable} {
		if got := variables.Kind(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// accounts holds the order and the matching of accounts against the server's.
func (l *labTest) accounts(t *testing.T, accounts *Accounts) {
	t.Helper()
	l.must(accounts.Refresh(l.ctx))
	app := l.lab.App()
	if a, ok := accounts.Snapshot().Find(app.User, "127.0.0.1", true); !ok || a.Methods[0].Plugin != "mysql_native_password" || len(a.Methods[0].AuthString) != 41 {
		t.Fatalf("account of the application: %+v", a)
	}
	node := l.n[0]
	hosts := []string{
		"%", "127.%", "127.0.0.%", "127.0.0.1", "127.0.0._", "127.0._.1", "%.1", "1%1", "1%.%.1", "%0.1", "127.0.0.0/255.255.255.0",
		"127.0.0.0/255.0.0.0", "10.%", "localhost", "127.0.0.___", "_27.0.0.1", "12_.0.0._", "%2%", "%%.1",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 25 {
		rng.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		some := hosts[:1+rng.IntN(6)]
		var names []string
		for _, h := range some {
			names = append(names, accountName("t", h))
		}
		anonymous := rng.IntN(3) == 0
		if anonymous {
			names = append(names, accountName("", hosts[len(hosts)-1]))
		}
		l.exec(node, "CREATE USER "+strings.Join(names, ", "))
		l.must(accounts.Refresh(l.ctx))
		want := l.currentUser(node)
		got := "none"
		if a, ok := accounts.Snapshot().Find("t", "127.0.0.1", true); ok {
			got = a.User + "@" + a.Host
		}
		if got != want {
			t.Errorf("among %v the server takes %s, galley %s", names, want, got)
		}
		l.exec(node, "DROP USER "+strings.Join(names, ", "))
	}
	l.fingerprints(accounts)
	l.exec(node, "CREATE USER bare@'%' IDENTIFIED BY 'bare'")
	s := testSettings(node.Addr())
	s.User, s.Password = "bare", "bare"
	m, err := New(Options{Settings: s, Logger: hclog.NewNullLogger()})
	l.must(err)
	bare, err := NewAccounts(AccountsOptions{Monitor: m, Logger: hclog.NewNullLogger()})
	l.must(err)
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	grant := (*GrantError)(nil)
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	wg.Go(func() { _ = bare.Run(ctx) })
	for ctx.Err() == nil && !errors.As(bare.State().Err, &grant) {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if grant == nil {
		t.Fatalf("without the right: %v", bare.State().Err)
	}
	l.exec(node, grant.Grant())
	l.exec(node, "DROP USER bare@'%'")
}

// fingerprints holds that every kind of GRANT and REVOKE changes the fingerprint of whom it is about, and no other.
func (l *labTest) fingerprints(accounts *Accounts) {
	l.t.Helper()
	node := l.n[0]
	prints := func() (out [2]uint64) {
		l.must(accounts.Refresh(l.ctx))
		for i, user := range []string{"granted", "apart"} {
			a, ok := accounts.Snapshot().Find(user, "127.0.0.1", true)
			if !ok {
				l.t.Fatalf("no account %s: %+v", user, accounts.State())
			}
			out[i] = a.Fingerprint
		}
		return out
	}
	for _, s := range []string{
		"CREATE USER granted@'%', apart@'%'", "CREATE ROLE inner_role", "CREATE ROLE outer_role", "CREATE TABLE app.rights (id INT PRIMARY KEY, c INT)", "CREATE PROCEDURE app.right_of() SELECT 1",
		"GRANT SELECT ON app.rights TO apart@'%'", // Each kind of table has a row of somebody else's.
	} {
		l.exec(node, s)
	}
	if unseen := accounts.State().Unseen; unseen != nil {
		l.t.Errorf("rights are not seen: %v", unseen)
	}
	before := prints()
	for _, statement := range []string{
		"GRANT PROCESS ON *.* TO granted@'%'", "GRANT SELECT ON app.* TO granted@'%'", "GRANT SELECT ON app.rights TO granted@'%'", "GRANT UPDATE (c) ON app.rights TO granted@'%'",
		"GRANT EXECUTE ON PROCEDURE app.right_of TO granted@'%'", "GRANT PROXY ON apart@'%' TO granted@'%'", "GRANT inner_role TO outer_role", "GRANT outer_role TO granted@'%'",
		"GRANT SELECT ON app.* TO inner_role", "GRANT PROCESS ON *.* TO outer_role", "REVOKE inner_role FROM outer_role", "REVOKE SELECT ON app.rights FROM granted@'%'",
		"ALTER USER granted@'%' IDENTIFIED BY 'x'", "SET DEFAULT ROLE outer_role FOR granted@'%'", "ALTER USER granted@'%' ACCOUNT LOCK",
	} {
		l.exec(node, statement)
		now := prints()
		if changed := now[0] != before[0]; changed == (statement == "GRANT inner_role TO outer_role") || now[1] != before[1] {
			l.t.Errorf("%s: changed %v, of another user %v", statement, changed, now[1] != before[1])
		}
		before = now
	}
	if again := prints(); again != before {
		l.t.Error("changed although nothing was done")
	}
	for _, s := range []string{"DROP USER granted@'%', apart@'%'", "DROP ROLE inner_role", "DROP ROLE outer_role", "DROP TABLE app.rights", "DROP PROCEDURE app.right_of"} {
		l.exec(node, s)
	}
}

// currentUser is the account as which the server takes the user t.
func (l *labTest) currentUser(n *clusterlab.Node) string {
	l.t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("t@tcp(%s)/", n.Addr()))
	l.must(err)
	defer db.Close()
	var who string
	if err = db.QueryRowContext(l.ctx, "SELECT CURRENT_USER()").Scan(&who); err != nil {
		return "none"
	}
	return who
}

func (l *labTest) desync(*testing.T) {
	l.exec(l.n[0], "SET GLOBAL wsrep_desync=ON")
	l.wantRoles("the desynced writer is left", l.n[1], l.n[2])
	l.exec(l.n[0], "SET GLOBAL wsrep_desync=OFF")
	l.wantRoles("and comes back as a reader", l.n[1], l.n[0], l.n[2])
}

func (l *labTest) rejects(*testing.T) {
	l.exec(l.n[1], "SET GLOBAL wsrep_reject_queries=ALL")
	l.eventually("the rejecting writer is left", func(v *View) bool {
		return in(v, l.n[1], func(n *Node) bool { return n.Reason == RejectingQueries }) && v.WriterNode() != nil && v.WriterNode().Addr == l.n[0].Addr()
	})
	l.exec(l.n[1], "SET GLOBAL wsrep_reject_queries=NONE")
	l.wantRoles("and comes back as a reader", l.n[0], l.n[1], l.n[2])
}

func (l *labTest) readOnly(*testing.T) {
	l.exec(l.n[0], "SET GLOBAL read_only=ON")
	l.eventually("the writer moves and the node takes reads", func(v *View) bool {
		n := v.Node(l.n[0].Addr())
		return n.Reason == ReadOnly && n.Role == RoleReader && v.WriterNode() != nil
	})
	l.exec(l.n[0], "SET GLOBAL read_only=OFF")
	l.eventually("nothing fails back", func(v *View) bool {
		n := v.Node(l.n[0].Addr())
		return n.Reason == OK && n.Role == RoleReader && v.Writer >= 0
	})
}

// queue blocks a reader's applier until its queue takes its share of reads.
func (l *labTest) queue(*testing.T) {
	v := l.allUsed("a writer and two readers")
	writer, reader := l.node(v.WriterNode().Addr), l.node(v.PickReader().Addr)
	l.exec(writer, "CREATE TABLE IF NOT EXISTS app.q (id INT AUTO_INCREMENT PRIMARY KEY)")
	db, err := sql.Open("mysql", l.lab.RootDSN(reader))
	l.must(err)
	defer db.Close()
	conn, err := db.Conn(l.ctx)
	l.must(err)
	defer conn.Close()
	_, err = conn.ExecContext(l.ctx, "FLUSH TABLES WITH READ LOCK")
	l.must(err)
	ctx, cancel := context.WithCancel(l.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		// Until flow control pauses it.
		for ctx.Err() == nil && writer.Exec(ctx, "INSERT INTO app.q VALUES ()") == nil {
		}
	})
	l.eventually("the queue takes its reads", func(v *View) bool {
		return in(v, reader, func(n *Node) bool { return n.Reason != OK && n.Role == RoleNone })
	})
	_, err = conn.ExecContext(l.ctx, "UNLOCK TABLES")
	l.must(err)
	cancel()
	wg.Wait()
	l.eventually("reads come back", func(v *View) bool { return in(v, reader, func(n *Node) bool { return n.Role == RoleReader }) })
}

// node finds a lab node by its address.
func (l *labTest) node(addr string) *clusterlab.Node {
	for _, n := range l.lab.Nodes() {
		if n.Addr() == addr {
			return n
		}
	}
	l.t.Fatalf("no node %s", addr)
	return nil
}

func (l *labTest) killed(t *testing.T) {
	t.Helper()
	writer := l.node(l.allUsed("a writer and two readers").WriterNode().Addr)
	l.must(writer.Kill())
	l.eventually("another writer", func(v *View) bool {
		return v.WriterNode() != nil && v.WriterNode().Addr != writer.Addr()
	})
	l.must(writer.Start(l.ctx))
	// The writer may have moved once more: it is left when it becomes donor.
	l.eventually("the killed one reads", func(v *View) bool {
		return v.Writer >= 0 && len(v.Readers) == 2 && in(v, writer, func(n *Node) bool { return n.Role == RoleReader })
	})
}

// resumed holds facts.md's 'A node that was stopped and resumed' against a
// real one: nothing is read from it until it is back in the newest view.
func (l *labTest) resumed(t *testing.T) {
	t.Helper()
	first := l.allUsed("a writer and two readers").WriterNode()
	writer, id := l.node(first.Addr), first.ID
	l.must(writer.Pause())
	l.eventually("the hung writer is left", func(v *View) bool { return v.WriterNode() == nil || v.WriterNode().Addr != writer.Addr() })
	old := l.eventually("it is evicted", func(v *View) bool { return in(v, writer, func(n *Node) bool { return n.Evicted }) }).ConfID
	l.must(writer.Resume())
	v := l.eventually("it is back", func(v *View) bool {
		n := v.Node(writer.Addr())
		if n == nil {
			return false
		}
		// In use it may be behind only by an answer from before the view of now was known.
		if n.Role != RoleNone && (n.Status.ConfID < old || n.Status.ConfID != v.ConfID && !n.Began.Before(v.agreed.since.Add(settle))) {
			t.Fatalf("used with view %d while the cluster is at %d", n.Status.ConfID, v.ConfID)
		}
		return n.Role == RoleReader
	})
	if n := v.Node(writer.Addr()); n.ID != id {
		t.Logf("its gcomm UUID is another one now: %s, was %s", n.ID, id)
	}
}

// soleDonor holds trap 8: the only node there is serves an SST and is used.
func (l *labTest) soleDonor(t *testing.T) {
	t.Helper()
	for _, n := range l.n[1:] {
		l.must(n.Terminate(l.ctx))
	}
	l.eventually("one node does everything", func(v *View) bool {
		left := func(n *clusterlab.Node) bool { return !in(v, n, (*Node).usable) }
		return v.Size == 1 && left(l.n[1]) && left(l.n[2]) && roles(v, l.n[0], l.n[0])
	})
	// A desync is the donor's state for as long as the test wants it.
	l.exec(l.n[0], "SET GLOBAL wsrep_desync=ON")
	if v := l.eventually("it is a last resort", func(v *View) bool { return v.Node(l.n[0].Addr()).WriteGrade == LastResort }); !roles(v, l.n[0], l.n[0]) {
		t.Errorf("the sole node is refused: writer %d (%v), readers %v", v.Writer, v.WriterReason, v.Readers)
	}
	l.exec(l.n[0], "SET GLOBAL wsrep_desync=OFF")
	bad := make(chan string, 1)
	ctx, cancel := context.WithCancel(l.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		sawDonor := false
		for ctx.Err() == nil {
			changed, v := l.m.Changed(), l.m.View()
			n := v.Node(l.n[0].Addr())
			sawDonor = sawDonor || n.Reason == Donor
			// A starved machine can have it silent for long, or lose its joiner and with it the primary component: then there is nobody to be used.
			lost := slices.Contains([]Reason{ProbeTimeout, NonPrimary, NotConnected, NotReady, BehindView}, n.Reason)
			if !lost && (v.Writer < 0 || v.PickReader() == nil) {
				select {
				case bad <- fmt.Sprintf("it is %v, writer %d (%v), readers %v", n.Reason, v.Writer, v.WriterReason, v.Readers):
				default:
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		t.Logf("donor seen: %v", sawDonor)
	})
	added, err := l.lab.AddNode(l.ctx) // a full SST from the sole node
	l.must(err)
	cancel()
	wg.Wait()
	select {
	case what := <-bad:
		t.Errorf("refused while it was donor: %s", what)
	default:
	}
	l.wantRoles("the joiner is discovered", l.n[0], added)
	l.must(added.Terminate(l.ctx))
	l.eventually("and forgotten when it has left", func(v *View) bool { return v.Node(added.Addr()) == nil })
	for _, n := range l.n[1:] {
		l.must(n.Start(l.ctx))
	}
	l.allUsed("all are back")
}

// allDown holds trap 9: wsrep_cluster_conf_id starts at 1 again.
func (l *labTest) allDown(t *testing.T) {
	t.Helper()
	old := l.allUsed("all are there").ConfID
	for _, n := range l.n {
		l.must(n.Kill())
	}
	l.eventually("nobody is left", func(v *View) bool { return v.Writer < 0 && v.PickReader() == nil })
	l.must(l.lab.Bootstrap(l.ctx, nil))
	v := l.eventually("a writer", func(v *View) bool { return v.Writer >= 0 })
	t.Logf("view %d before, %d now", old, v.ConfID)
	if v.ConfID >= old {
		t.Errorf("view %d before, %d now: this test no longer shows what it should", old, v.ConfID)
	}
	for _, n := range l.n {
		if n.Addr() != v.WriterNode().Addr {
			l.must(n.Start(l.ctx))
		}
	}
	l.allUsed("all are back")
}
