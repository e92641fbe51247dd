package mysql

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// prepare prepares a statement that must be prepared.
func (c *testClient) prepare(sql string) mysqltest.Statement {
	c.tb.Helper()
	st, err := c.Prepare(sql)
	if err != nil {
		c.tb.Fatalf("preparing %s: %v", sql, err)
	}
	return st
}

// execute runs a prepared statement that must succeed.
func (c *testClient) execute(st mysqltest.Statement, params ...string) string {
	c.tb.Helper()
	r, err := c.Execute(st, params...)
	if err != nil {
		c.tb.Fatalf("executing %d: %v", st.ID, err)
	}
	return r.Value()
}

// command sends a command whose one answer must not be an error.
func (c *testClient) command(com byte, argument string) {
	c.tb.Helper()
	if err := c.Send(com, argument); err != nil {
		c.tb.Fatal(err)
	}
	if _, err := c.Read(); err != nil {
		c.tb.Fatalf("command %d: %v", com, err)
	}
}

func id(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

// count is how many commands of a kind have reached a node.
func count(n *mysqltest.Node, com byte) int {
	got := 0
	for _, c := range n.Commands() {
		if c.Com == com {
			got++
		}
	}
	return got
}

func TestPreparedInEveryStyle(t *testing.T) {
	for name, caps := range capabilityCases() {
		if caps.Has(wire.ClientCacheMetadata) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
			none := c.prepare("DELETE FROM t")
			read := c.prepare("SELECT a FROM t WHERE b = ? AND c = ?")
			write := c.prepare("INSERT INTO t VALUES (?)")
			if none.ID == read.ID || read.ID == write.ID || read.Params != 2 || read.Columns != 1 || write.Params != 1 || write.Columns != 0 {
				t.Errorf("prepared %+v, %+v, %+v", none, read, write)
			}
			for range 3 {
				if got := c.execute(read, "x", "y"); got != "n2" {
					t.Errorf("read on %q", got)
				}
				c.execute(write, "z")
				c.execute(none)
			}
			d.expectRan("INSERT INTO t VALUES (?)", 3, 0)
			d.expectRan("SELECT a FROM t WHERE b = ? AND c = ?", 0, 3)
			d.expectRan("DELETE FROM t", 3, 0)
		})
	}
}

// TestPreparedAgainElsewhere: a statement runs on another conn than the one that prepared it, with the types that were bound once.
func TestPreparedAgainElsewhere(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	const sql = "SELECT a FROM t WHERE b = ?"
	st := c.prepare(sql)
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("on %q", got)
	}
	untyped := func() string {
		t.Helper()
		if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(false, 0, "y")); err != nil {
			t.Fatal(err)
		}
		r, err := c.Read()
		if err != nil {
			t.Fatal(err)
		}
		return r.Value()
	}
	if got := untyped(); got != "n2" {
		t.Errorf("without types on %q", got)
	}
	c.result("BEGIN")
	if got := untyped(); got != "n1" {
		t.Errorf("in a transaction on %q", got)
	}
	if got := untyped(); got != "n1" {
		t.Errorf("in a transaction on %q", got)
	}
	c.result("COMMIT")
	d.n[1].CloseConns()
	if got := untyped(); got != "n2" {
		t.Errorf("on a new conn on %q", got)
	}
	if n := count(d.n[0], wire.ComStmtPrepare); n != 1 {
		t.Errorf("prepared %d times on the writer", n)
	}
	var last []byte
	for _, cmd := range d.n[1].Commands() {
		if cmd.Com == wire.ComStmtExecute {
			last = cmd.Body
		}
	}
	if want := "\x01\xfd\x00\x01y"; !strings.HasSuffix(string(last), want) {
		t.Errorf("sent %q, want its end %q", last, want)
	}
}

func TestPreparedStateIsTheSessions(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.query("SELECT 1")
	c.result("SET sql_mode='ANSI_QUOTES'")
	c.result("USE other")
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	c.execute(st, "x")
	for _, cmd := range d.n[1].Commands() {
		if cmd.Com == wire.ComStmtPrepare && (cmd.Schema != "other" || cmd.Vars != "sql_mode=ANSI_QUOTES") {
			t.Errorf("prepared in %q with %q", cmd.Schema, cmd.Vars)
		}
	}
}

func TestPreparedStatementsOfSets(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	c.execute(c.prepare("SET sql_mode='ANSI_QUOTES'"))
	c.query("SELECT 2")
	if got := stateAt(d.n[1], "SELECT 2"); got != "|sql_mode=ANSI_QUOTES" {
		t.Errorf("the reader had %q", got)
	}
}

func TestUnknownStatement(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	gone := c.prepare("SELECT 1")
	if err := c.Send(wire.ComStmtClose, id(gone.ID)); err != nil {
		t.Fatal(err)
	}
	for com, want := range map[byte]string{
		wire.ComStmtExecute: "Unknown prepared statement handler (%) given to mysqld_stmt_execute",
		wire.ComStmtReset:   "Unknown prepared statement handler (%) given to mysqld_stmt_reset",
		wire.ComStmtFetch:   "Unknown prepared statement handler (%) given to mysqld_stmt_fetch",
	} {
		for number, text := range map[uint32]string{gone.ID: "1", 77: "77"} {
			if err := c.Send(com, id(number)+"\x00\x01\x00\x00\x00"); err != nil {
				t.Fatal(err)
			}
			_, err := c.Read()
			if got := c.failed("unknown", err, 1243); got != strings.Replace(want, "%", text, 1) {
				t.Errorf("told %q", got)
			}
		}
	}
	if err := c.Send(wire.ComStmtSendLongData, id(77)+"\x00\x00data"); err != nil { // No answer.
		t.Fatal(err)
	}
	c.query("SELECT 2")
}

func TestPrepareFails(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	d.n[1].On("PREPARE SELECT broken", mysqltest.Fail(1064, "You have an error in your SQL syntax"))
	_, err := c.Prepare("SELECT broken")
	c.failed("prepare", err, 1064)
	st := c.prepare("SELECT 1")
	if got := c.execute(st); got != "n2" {
		t.Errorf("on %q", got)
	}
}

// TestPrepareFailsOnAReader: a table that the reader does not have yet is the writer's to know.
func TestPrepareFailsOnAnotherNode(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM fresh")
	d.n[1].CloseConns()
	d.n[1].On("PREPARE SELECT a FROM fresh", mysqltest.Fail(1146, "Table 'fresh' doesn't exist"))
	if got := c.execute(st); got != "n1" {
		t.Errorf("on %q", got)
	}
	d.n[0].On("PREPARE SELECT a FROM fresh", mysqltest.Fail(1146, "Table 'fresh' doesn't exist"))
	d.n[0].CloseConns()
	_, err := c.Execute(st)
	c.failed("execute", err, 1146)
	c.query("SELECT 1")
}

func TestLongData(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	send := func(data string) {
		t.Helper()
		if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00"+data); err != nil {
			t.Fatal(err)
		}
	}
	send("one ")
	send("two")
	if got := c.execute(st, "x"); got != "n2:one two" {
		t.Errorf("got %q", got)
	}
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("the long data of before is there: %q", got)
	}
	send("dropped")
	c.command(wire.ComStmtReset, id(st.ID))
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("after a reset %q", got)
	}
	send("lost")
	d.n[1].CloseConns()
	for range 2 { // Once the error, then a run without.
		if _, err := c.Execute(st, "x"); err != nil {
			c.failed("lost long data", err, codeLost)
		}
	}
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("at last %q", got)
	}
}

// TestLongDataBeforeABegin: what was sent to the reader is not where the transaction runs; the value must not be lost silently.
func TestLongDataBeforeABegin(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	if err := c.Send(wire.ComStmtSendLongData, id(st.ID)+"\x00\x00data"); err != nil {
		t.Fatal(err)
	}
	c.result("BEGIN")
	r, err := c.Execute(st, "x")
	if err == nil && !strings.HasSuffix(r.Value(), ":data") {
		t.Errorf("ran without its long data: %q", r.Value())
	}
}

func TestCursors(t *testing.T) {
	for name, caps := range map[string]wire.Capability{"plain": mysqltest.PlainCaps, "tracking": mysqltest.TrackingCaps} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 3)
			d.cluster.Set(d.n[0], d.n[1])
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
			st := c.prepare("SELECT a FROM t")
			if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
				t.Fatal(err)
			}
			r, err := openCursor(c)
			if err != nil || r.OK.Status&wire.StatusCursorExists == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			c.query("SELECT 1")
			c.result("INSERT INTO t VALUES (1)")
			d.cluster.Set(d.n[0], d.n[2]) // The cursor keeps its conn.
			var rows []string
			for {
				if err := c.Send(wire.ComStmtFetch, id(st.ID)+"\x02\x00\x00\x00"); err != nil {
					t.Fatal(err)
				}
				set := mysqltest.Set{Columns: 1}
				if err := c.ReadRows(&set); err != nil {
					t.Fatal(err)
				}
				for _, row := range set.Rows {
					rows = append(rows, string(row[3:]))
				}
				if set.OK.Status&wire.StatusLastRowSent != 0 {
					break
				}
			}
			if want := []string{"n2", "second", "third"}; !slices.Equal(rows, want) {
				t.Errorf("fetched %q", rows)
			}
			if got := c.query("SELECT 2"); got != "n3" {
				t.Errorf("after the cursor on %q", got)
			}
			if err := c.Send(wire.ComStmtFetch, id(st.ID)+"\x02\x00\x00\x00"); err != nil {
				t.Fatal(err)
			}
			_, err = c.Read()
			c.failed("fetch", err, 1421)
		})
	}
}

// openCursor reads the answer that opens a cursor: definitions and the end that says so.
func openCursor(c *testClient) (mysqltest.Set, error) {
	set := mysqltest.Set{}
	for range 2 {
		if _, err := c.Packet(); err != nil {
			return set, err
		}
	}
	set.Columns = 1
	return set, c.ReadRows(&set)
}

func TestCursorLostWithItsNode(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t")
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(true, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openCursor(c); err != nil {
		t.Fatal(err)
	}
	d.n[1].CloseConns()
	if err := c.Send(wire.ComStmtFetch, id(st.ID)+"\x02\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read()
	c.failed("fetch", err, codeLost)
	if got := c.execute(st); got != "n2" {
		t.Errorf("then on %q", got)
	}
}

// TestLastPrepared: a client may send prepare and execute in one go, the statement named by 0xffffffff.
func TestLastPrepared(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.prepare("SELECT 'another'")
	d.n[1].On("SELECT a", mysqltest.Table("value"))
	direct := mysqltest.Statement{ID: lastPrepared}
	execute := append([]byte{wire.ComStmtExecute}, direct.ExecuteBody(true, 0)...)
	both := packets(append([]byte{wire.ComStmtPrepare}, "SELECT a FROM t"...), execute)
	if err := c.SendRaw(both); err != nil {
		t.Fatal(err)
	}
	st, err := c.ReadPrepared()
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Read()
	if err != nil || r.Value() != "value" {
		t.Errorf("%q, %v", r.Value(), err)
	}
	if err := c.Send(wire.ComStmtClose, id(lastPrepared)); err != nil {
		t.Fatal(err)
	}
	_, err = c.Execute(st)
	c.failed("closed", err, 1243)
}

// packets frames payloads as commands.
func packets(payloads ...[]byte) []byte {
	var b []byte
	for _, p := range payloads {
		b = append(b, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), 0)
		b = append(b, p...)
	}
	return b
}

// TestStatementsAreSharedAndBounded: a conn keeps a statement that a session has closed, for whoever prepares the same text; of too many it closes the one unused for longest.
func TestStatementsAreSharedAndBounded(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.MaxStatements, c.Pool.MaxPerNode = 3, 1 })
	first, second := d.client(), d.client()
	prepares := func() int { return count(d.n[0], wire.ComStmtPrepare) }
	a := first.prepare("SELECT a FROM t")
	first.execute(a)
	b := second.prepare("SELECT a FROM t")
	if got := prepares(); got != 2 {
		t.Errorf("%d prepares", got) // The second client is told the definitions.
	}
	for range 3 {
		first.execute(a)
		second.execute(b)
	}
	if err := first.Send(wire.ComStmtClose, id(a.ID)); err != nil {
		t.Fatal(err)
	}
	second.execute(b)
	if got, closes := prepares(), count(d.n[0], wire.ComStmtClose); got != 2 || closes != 1 {
		t.Errorf("%d prepares, %d closes", got, closes)
	}
	for i := range 3 {
		second.execute(second.prepare(fmt.Sprintf("SELECT %d FROM t", i)))
	}
	if closes := count(d.n[0], wire.ComStmtClose); closes != 2 {
		t.Errorf("%d closes", closes)
	}
	second.execute(b)
	if got := prepares(); got != 6 {
		t.Errorf("%d prepares of what was closed", got)
	}
}

func TestPreparedWriteIsNotRunTwice(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	st := c.prepare("INSERT INTO t VALUES (?)")
	c.execute(st, "x")
	d.n[0].Once("INSERT INTO t VALUES (?)", mysqltest.Close())
	_, err := c.Execute(st, "y")
	c.failed("lost", err, codeLost)
	d.expectRan("INSERT INTO t VALUES (?)", 2, 0)
	c.execute(st, "z")
	d.expectRan("INSERT INTO t VALUES (?)", 3, 0)
}

func TestPreparedReadIsRunAgain(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	c.execute(st, "x")
	d.n[1].Once("SELECT a FROM t WHERE b = ?", mysqltest.Close())
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(false, 0, "y")); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Read(); err != nil || r.Value() != "n2" {
		t.Errorf("%q, %v", r.Value(), err)
	}
	d.expectRan("SELECT a FROM t WHERE b = ?", 0, 3)
}

// TestShortExecute: an execution that is too short to be one does not break galley; the node says what is wrong.
func TestShortExecute(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	for _, body := range []string{"", "\x01", id(st.ID)[:3], id(st.ID), id(st.ID) + "\x00\x01\x00\x00\x00", id(st.ID) + "\x00\x01\x00\x00\x00\x00\x01\xfd"} {
		if err := c.Send(wire.ComStmtExecute, body); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Read(); err == nil {
			t.Errorf("%q was executed: %+v", body, r)
		}
	}
	if got := c.execute(st, "x"); got != "n2" {
		t.Errorf("then on %q", got)
	}
}
