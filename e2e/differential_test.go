//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// The size of the differential test.
const (
	differentialSessions = 50
	lifeSteps            = 80 // Besides those that set it up.
	differencesWanted    = 3  // After so many the rest is not worth the wait.

	// seedInCI is that of the run in CI, always the same: CI is to find what a change has broken, and not what nobody has seen before. That is looked for by make differential, whose seeds are random.
	seedInCI = 163512177
)

// TestDifferential runs random sessions side by side on the writer and through a galley in which all of them share two backend conns to each node.
// No answer may differ. In CI it takes 20 seconds, always has the same seed (seedInCI) and uses a part of the grammar only (familiesInCI, notInCI): with all of it some rare differences are left.
// make differential searches: it has the whole grammar, a random seed, and takes E2E_DIFFERENTIAL seconds; E2E_NARROW=1 gives it the grammar of CI. The seed is printed; E2E_SEED repeats it,
// E2E_LIFE=session/life runs that life alone, and E2E_WITHOUT leaves out the steps that contain one of its parts, separated by commas, to look at the rest. What is known to differ is in exceptions.
func TestDifferential(t *testing.T) {
	needGalley(t)
	d := newDifferential(t)
	if only := os.Getenv("E2E_LIFE"); only != "" {
		d.alone(t, only)
		return
	}
	for attempt := 1; ; attempt++ {
		before := d.galley.writerChanges(t)
		d.run(t)
		settle(t)
		now := d.galley.writer(t)
		if now == d.writer && d.galley.writerChanges(t) == before {
			break
		}
		if attempt == 3 {
			t.Fatal("the writer moved in the middle: nothing can be compared")
		}
		t.Logf("the writer moved from %s to %s in the middle: once more", d.writer.Name(), now.Name()) // As a busy machine may.
		d.writer, d.found = now, nil
		d.stop.Store(false)
	}
	lives, aborted := d.lives.Load(), d.aborted.Load()
	fmt.Fprintf(os.Stdout, "differential: seed %d, %d sessions over two backend conns a node, %d lives of %d commands in %s, %d ended by conflicts in the cluster, %d by a refusal of galley's\n",
		d.seed, differentialSessions, lives, d.commands.Load(), d.time, aborted, d.refused.Load())
	if n := d.commands.Load(); n == 0 || n > 5000 && (aborted+d.refused.Load())*500 > n { // By commands: how many lives come to their end depends on the machine.
		t.Errorf("%d commands, in which conflicts ended %d lives and refusals %d, show little", n, aborted, d.refused.Load())
	}
	for i, found := range d.found {
		d.report(t, found, i < differencesWanted)
	}
}

// run lets all sessions live for the time there is.
func (d *differential) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(suite.ctx, d.time)
	defer cancel()
	writerPID := d.writer.PID()
	var all sync.WaitGroup
	for i := range differentialSessions {
		all.Go(func() {
			if s := d.session(t, i); s != nil {
				d.live(ctx, s)
			}
		})
	}
	all.Wait()
	if pid := d.writer.PID(); pid != writerPID {
		log, _ := os.ReadFile(d.writer.LogFile())
		for _, found := range d.found {
			d.report(t, found, false)
		}
		t.Fatalf("the writer ended (process %d, now %d): nothing can be compared; its log ends with\n%s", writerPID, pid, log[max(0, len(log)-6000):])
	}
}

// alone runs single lives, as E2E_LIFE has them.
func (d *differential) alone(t *testing.T, lives string) {
	t.Helper()
	for only := range strings.SplitSeq(lives, ",") {
		var session, life int
		if _, err := fmt.Sscanf(only, "%d/%d", &session, &life); err != nil {
			t.Fatalf("E2E_LIFE=%q: %v", only, err)
		}
		s := d.session(t, session)
		if s == nil {
			return
		}
		if found := d.compare(suite.ctx, s, d.steps(session, life)); found != nil {
			found.life = life
			d.report(t, found, true)
		}
	}
}

// differential is one run of the test.
type differential struct {
	seed     uint64
	time     time.Duration
	writer   *clusterlab.Node
	galley   *galleyProcess
	accounts [2]account

	lives, aborted, refused, commands atomic.Int64

	mu    sync.Mutex
	found []*difference
	stop  atomic.Bool
}

// difference is a life in which the answers differ at the last step that was run.
type difference struct {
	session, life   int
	steps           []step
	answers         [][]string // Of the direct side.
	direct, through []string
}

func newDifferential(t *testing.T) *differential {
	t.Helper()
	d := &differential{seed: seedInCI, time: 20 * time.Second, accounts: [2]account{{"df_one", "first secret"}, {"df_two", "second secret"}}}
	if os.Getenv("E2E_DIFFERENTIAL") != "" {
		d.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	if text := os.Getenv("E2E_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("E2E_SEED: %v", err)
		}
		d.seed = seed
	}
	if text := os.Getenv("E2E_DIFFERENTIAL"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("E2E_DIFFERENTIAL: %v", err)
		}
		d.time = time.Duration(n) * time.Second
	}
	fmt.Fprintf(os.Stdout, "differential: E2E_SEED=%d\n", d.seed)
	first := nodeNamed(t, settle(t).writer)
	setEverywhere(t, "log_bin_trust_function_creators", "1", "0")
	// A node that forgets a table for another begins its AUTO_INCREMENT with the number behind the greatest that was used, and not behind those that were only drawn. All tables must have room.
	setEverywhere(t, "table_definition_cache", "4000", "400")
	statements := []string{
		"CREATE OR REPLACE DATABASE df_shared CHARACTER SET utf8mb4", "CREATE TABLE df_shared.fixed (id INT PRIMARY KEY, s TEXT)", "INSERT INTO df_shared.fixed VALUES (1, 'a'), (2, 'b'), (3, 'c')",
		"CREATE OR REPLACE DATABASE df_rolled CHARACTER SET utf8mb4", "CREATE TABLE df_rolled.r (id INT PRIMARY KEY)", "INSERT INTO df_rolled.r VALUES (1)",
		"CREATE OR REPLACE ROLE df_role", "GRANT SELECT ON df_rolled.* TO df_role",
	}
	for _, a := range d.accounts {
		statements = append(statements, fmt.Sprintf("CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", a.user, a.password),
			fmt.Sprintf("GRANT ALL PRIVILEGES ON `df\\_d%%`.* TO '%s'@'%%'", a.user), fmt.Sprintf("GRANT ALL PRIVILEGES ON `df\\_g%%`.* TO '%s'@'%%'", a.user),
			fmt.Sprintf("GRANT SELECT ON df_shared.* TO '%s'@'%%'", a.user), fmt.Sprintf("GRANT df_role TO '%s'@'%%'", a.user))
	}
	for _, sql := range statements {
		if err := first.Exec(suite.ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.galley, err = startGalley(suite.ctx, t.TempDir(), "  pool: {max_per_node: 2, wait_for_connection: 55s}\n", ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.galley.exited(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of the galley with small pools ends with\n%s", d.galley.logTail(25))
		}
		d.galley.stop()
	})
	d.writer = d.galley.writer(t) // Not the other galley's: each stays with the writer that it chose when it began.
	return d
}

// writer is the node that a galley writes to.
func (g *galleyProcess) writer(t *testing.T) *clusterlab.Node {
	t.Helper()
	var found *clusterlab.Node
	err := eventually(suite.ctx, 30*time.Second, func() error {
		body, err := g.get(suite.ctx, "/api/status")
		if err != nil {
			return err
		}
		var status struct{ Cluster struct{ Writer string } }
		if err := json.Unmarshal([]byte(body), &status); err != nil {
			return err
		}
		for _, n := range suite.lab.Nodes() {
			if n.Addr() == status.Cluster.Writer {
				found = n
				return nil
			}
		}
		return fmt.Errorf("the writer is %q", status.Cluster.Writer)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// writerChanges is what a galley's metrics say of changes of its writer.
func (g *galleyProcess) writerChanges(t *testing.T) string {
	t.Helper()
	text, err := g.get(suite.ctx, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "galley_writer_changes_total") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// pair is a session: its two connections.
type pair struct {
	number int
	sides  [2]*side
}

// hasBulk says whether a session's client has MariaDB's extended capabilities.
func hasBulk(session int) bool { return session%10 == 8 }

// hasRoutines says whether a session has procedures, functions and triggers of its own. Definitions go through the whole cluster one by one.
func hasRoutines(session int) bool { return session%3 == 0 }

// capsOf is what a session's client asks for.
func capsOf(session int) wire.Capability {
	switch n := session % 10; {
	case n%2 == 1 && n < 9:
		return mysqltest.TrackingCaps
	case n == 6:
		return mysqltest.PlainCaps | wire.ClientFoundRows
	case hasBulk(session):
		return mysqltest.TrackingCaps&^wire.ClientMySQL | wire.ClientBulk | wire.ClientExtendedMetadata
	}
	return mysqltest.PlainCaps // As mysqlnd.
}

// session makes the schemas of a session on both sides, or gives nil. Its connections come with its first step.
func (d *differential) session(t *testing.T, number int) *pair {
	t.Helper()
	caps := capsOf(number)
	p := &pair{number: number}
	plain := fmt.Sprintf("df_d%03d", number)
	for i, addr := range []string{d.writer.Addr(), d.galley.addr} {
		s := &side{addr: addr, schema: fmt.Sprintf("df_%c%03d", "dg"[i], number), plain: plain, caps: caps, account: d.accounts[0]}
		p.sides[i] = s
		if err := s.define(hasRoutines(number)); err != nil {
			t.Errorf("session %d on %s: %v", number, addr, err)
			return nil
		}
	}
	return p
}

// define makes the side's schema and what is in it.
func (s *side) define(routines bool) error {
	if err := s.connect(false); err != nil {
		return err
	}
	for _, sql := range append([]string{"CREATE OR REPLACE DATABASE " + s.schema + " CHARACTER SET utf8mb4", "USE " + s.schema}, definitionsOf(routines)...) {
		if _, err := s.client.Query(sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// steps are those of a life, for ever the same with one seed.
func (d *differential) steps(session, life int) []step {
	rng := rand.New(rand.NewPCG(d.seed, uint64(session)<<32|uint64(life)))
	steps := generate(rng, setUpSteps()+lifeSteps, hasBulk(session), hasRoutines(session), d.accounts)
	return slices.DeleteFunc(steps, func(st step) bool { return excepted(&st, capsOf(session).Has(wire.ClientSessionTrack)) })
}

// live runs lives of one session until the time is over or enough has been found.
func (d *differential) live(ctx context.Context, p *pair) {
	for _, s := range p.sides {
		s.until, _ = ctx.Deadline()
	}
	defer func() {
		for _, s := range p.sides {
			s.close()
		}
	}()
	for life := 0; ctx.Err() == nil && !d.stop.Load(); life++ {
		found := d.compare(ctx, p, d.steps(p.number, life))
		d.lives.Add(1)
		if found == nil {
			continue
		}
		found.session, found.life = p.number, life
		d.mu.Lock()
		d.found = append(d.found, found)
		d.stop.Store(d.stop.Load() || len(d.found) >= differencesWanted)
		d.mu.Unlock()
		return
	}
}

// compare runs a life on both sides, as far as there is time, and gives the first difference.
func (d *differential) compare(ctx context.Context, p *pair, steps []step) *difference {
	found := &difference{session: p.number}
	for i := range steps {
		if ctx.Err() != nil {
			return nil
		}
		st := &steps[i]
		direct, through := p.sides[0].run(st), p.sides[1].run(st)
		if until := p.sides[0].until; !until.IsZero() && !time.Now().Before(until) {
			return nil // What came may be less than all of the answer.
		}
		d.commands.Add(1)
		found.steps, found.answers = append(found.steps, *st), append(found.answers, direct)
		if !slices.Equal(direct, through) {
			if conflict(direct) || conflict(through) {
				d.aborted.Add(1)
				return nil
			}
			if refusedByName(through) {
				d.refused.Add(1)
				return nil
			}
			found.direct, found.through = direct, through
			return found
		}
		if forget(st, direct) {
			again := step{kind: stepQuery, sql: "SELECT COUNT(*) FROM df_shared.fixed"}
			for _, s := range p.sides {
				s.run(&again)
			}
		}
		if closed(direct) && i+1 < len(steps) && steps[i+1].kind != stepReconnect {
			again := step{kind: stepReconnect, schema: schemaToken, account: d.accounts[0]}
			for _, s := range p.sides {
				s.run(&again)
			}
		}
	}
	return nil
}

func closed(answer []string) bool { return len(answer) > 0 && answer[len(answer)-1] == errClosed }

// conflict says whether an answer is about another transaction: replication has chosen one of two, or somebody waited for too long.
func conflict(answer []string) bool {
	return len(answer) > 0 && (strings.HasPrefix(answer[len(answer)-1], "error ERROR 1213 ") || strings.HasPrefix(answer[len(answer)-1], "error ERROR 1205 "))
}

// report shows a difference: the whole history, both answers, and what is left when all is left out without which the answers still differ.
func (d *differential) report(t *testing.T, found *difference, shrink bool) {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "E2E_SEED=%d E2E_LIFE=%d/%d: the answers to the last of these differ.\n", d.seed, found.session, found.life)
	found.write(&out)
	if shrink {
		if small := d.shrink(t, found); small != nil {
			fmt.Fprintf(&out, "alone it happens with these as well:\n")
			small.write(&out)
		} else {
			fmt.Fprintf(&out, "alone the session shows no difference: it takes others at the same time\n")
		}
	}
	t.Error(out.String())
}

func (f *difference) write(out *bytes.Buffer) {
	for i := range f.steps {
		if i > 0 && i < setUpSteps()-1 {
			continue
		}
		fmt.Fprintf(out, "%3d  %s\n", i, f.steps[i].String())
		if i < len(f.steps)-1 {
			fmt.Fprintf(out, "       -> %.160q\n", f.answers[i][max(0, len(f.answers[i])-1):])
		}
	}
	for i := range max(len(f.direct), len(f.through)) {
		var lines [2]string
		for side, answer := range [][]string{f.direct, f.through} {
			if i < len(answer) {
				lines[side] = answer[i]
			}
		}
		if lines[0] == lines[1] {
			fmt.Fprintf(out, "  both      %.200q\n", lines[0])
			continue
		}
		fmt.Fprintf(out, "  directly  %.600q\n  galley    %.600q\n", lines[0], lines[1])
	}
}

// shrink runs a life alone, again and again with fewer steps. It gives nil if the answers are equal then.
func (d *differential) shrink(t *testing.T, found *difference) *difference {
	t.Helper()
	until := time.Now().Add(10 * time.Second)
	p := d.session(t, found.session)
	if p == nil {
		return nil
	}
	smallest := d.compare(suite.ctx, p, found.steps)
	if smallest == nil {
		return nil
	}
	for size := len(smallest.steps) / 2; size > 0; size /= 2 {
		for at := setUpSteps(); at < len(smallest.steps) && time.Now().Before(until); {
			fewer := slices.Concat(smallest.steps[:at], smallest.steps[min(at+size, len(smallest.steps)):])
			if less := d.compare(suite.ctx, p, fewer); less != nil {
				smallest = less
				continue
			}
			at += size
		}
	}
	return smallest
}
