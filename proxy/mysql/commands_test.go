package mysql

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestSimpleCommands(t *testing.T) {
	for name, caps := range map[string]wire.Capability{"plain": mysqltest.PlainCaps, "tracking": mysqltest.TrackingCaps} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
			c.command(wire.ComPing, "")
			if err := c.Send(wire.ComStatistics, ""); err != nil {
				t.Fatal(err)
			}
			if p, err := c.Packet(); err != nil || !strings.HasPrefix(string(p), "Uptime") {
				t.Errorf("statistics: %q, %v", p, err)
			}
			if err := c.Send(wire.ComFieldList, "t\x00%"); err != nil {
				t.Fatal(err)
			}
			set := mysqltest.Set{Columns: 1}
			if err := c.ReadRows(&set); err != nil || len(set.Rows) != 1 {
				t.Errorf("field list: %+v, %v", set, err)
			}
			c.command(wire.ComProcessInfo, "")
			for _, com := range []byte{wire.ComBinlogDump, wire.ComBinlogDumpGTID, wire.ComRegisterSlave, wire.ComTableDump, wire.ComShutdown, 0x42} {
				if err := c.Send(com, "xxxxxxxx"); err != nil {
					t.Fatal(err)
				}
				code := uint16(codeNotSupported)
				if com == 0x42 {
					code = codeUnknownCommand
				}
				_, err := c.Read()
				c.failed(fmt.Sprint("command ", com), err, code)
			}
			for _, n := range d.n {
				for _, cmd := range n.Commands() {
					if cmd.Com == wire.ComBinlogDump || cmd.Com == wire.ComShutdown {
						t.Errorf("command %d reached %s", cmd.Com, n.Name)
					}
				}
			}
			c.query("SELECT 1")
			if err := c.Send(wire.ComQuit, ""); err != nil {
				t.Fatal(err)
			}
			c.ended()
		})
	}
}

func TestSetOption(t *testing.T) {
	for name, caps := range map[string]wire.Capability{"plain": mysqltest.PlainCaps, "tracking": mysqltest.TrackingCaps} {
		t.Run(name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps &^ wire.ClientMultiStatements})
			two := func() int { t.Helper(); return len(c.result("SELECT 1; SELECT 2").Sets) }
			if n := two(); n != 1 {
				t.Errorf("%d results without multi-statements", n)
			}
			c.command(wire.ComSetOption, "\x00\x00")
			if n := two(); n != 2 {
				t.Errorf("%d results with multi-statements", n)
			}
			d.n[0].CloseConns()
			pastIdleCheck(t)
			if n := two(); n != 2 {
				t.Errorf("%d results on a new conn", n)
			}
			c.command(wire.ComSetOption, "\x01\x00")
			if n := two(); n != 1 {
				t.Errorf("%d results when they are off again", n)
			}
			for _, bad := range []string{"", "\x02\x00", "\x00\x01"} {
				if err := c.Send(wire.ComSetOption, bad); err != nil {
					t.Fatal(err)
				}
				_, err := c.Read()
				c.failed("bad option", err, codeUnknownCommand)
			}
		})
	}
}

func TestResetConnection(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.query("SELECT 1")
	c.result("SET sql_mode='ANSI_QUOTES'")
	c.result("USE other")
	st := c.prepare("SELECT a FROM t")
	c.result("CREATE TEMPORARY TABLE x (a INT)")
	c.result("BEGIN")
	c.command(wire.ComResetConnection, "")
	if got := c.query("SELECT 2"); got != "n2" {
		t.Errorf("read on %q after a reset", got)
	}
	c.result("INSERT INTO t VALUES (2)")
	if r, w := stateAt(d.n[1], "SELECT 2"), stateAt(d.n[0], "INSERT INTO t VALUES (2)"); r != "other|" || w != "other|" {
		t.Errorf("after a reset: reader %q, writer %q", r, w)
	}
	_, err := c.Execute(st)
	c.failed("a statement from before the reset", err, 1243)
	c.result("SET time_zone='+01:00'") // Still tracked.
	c.query("SELECT 3")
	if got := stateAt(d.n[1], "SELECT 3"); got != "other|time_zone=+01:00" {
		t.Errorf("the reader had %q", got)
	}
}

// changeUser makes the argument of COM_CHANGE_USER.
func changeUser(user, answer, schema string) string {
	return user + "\x00" + string(byte(len(answer))) + answer + schema + "\x00" + "\x2d\x00" + "mysql_native_password\x00"
}

func TestChangeUser(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.query("SELECT 1")
	c.result("SET sql_mode='ANSI_QUOTES'")
	if err := c.Send(wire.ComChangeUser, changeUser("other", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "word"), "theirs")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 2")
	if got := stateAt(d.n[1], "SELECT 2"); got != "theirs|" {
		t.Errorf("after the change: %q", got)
	}
	if rows := d.srv.Sessions(1); rows[0].User != "other" || rows[0].Schema != "theirs" {
		t.Errorf("shown as %+v", rows[0])
	}
	// One that fails leaves the session its user and its schema, without what was set; after three there are no more.
	c.result("SET sql_mode='ANSI_QUOTES'")
	for _, code := range []uint16{1045, 1045, 1045, 1047} {
		if err := c.Send(wire.ComChangeUser, changeUser("app", mysqltest.NativeAnswer(c.Greeting.Scramble[:], "wrong"), "")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read()
		c.failed("a wrong password", err, code)
		c.query("SELECT 3")
		if got := stateAt(d.n[1], "SELECT 3"); got != "theirs|" {
			t.Errorf("after a change that failed: %q", got)
		}
		if rows := d.srv.Sessions(1); rows[0].User != "other" {
			t.Errorf("shown as %+v", rows[0])
		}
	}
}

func TestBigCommands(t *testing.T) {
	for _, size := range []int{1 << 10, 16<<10 - 1, 16 << 10, 64 << 10, 100 << 10, 1<<24 - 2, 1<<24 - 1, 1 << 24, 1<<24 + 5, 40 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			d := newSocketDoor(t, 2, func(c *config.MySQL) { c.MaxAllowedBuffer = 64 << 10 })
			c := d.client()
			sql := "SELECT '" + strings.Repeat("x", size-9) + "'"
			sql = sql[:len(sql)-1] + "'"
			want := "n2"
			if size+1 > 64<<10 {
				want = "n1" // What cannot be read whole goes to the writer.
			}
			if got := c.query(sql); got != want {
				t.Errorf("on %q, want %s", got, want)
			}
			got := 0
			for _, n := range d.n {
				for _, text := range n.Texts() {
					if text == sql {
						got++
					}
				}
			}
			if got != 1 {
				t.Errorf("arrived whole %d times", got)
			}
			c.query("SELECT 1")
		})
	}
}

func TestBigAnswers(t *testing.T) {
	for _, size := range []int{1 << 10, 16 << 10, 100 << 10, 1<<24 - 5, 1<<24 - 4, 1<<24 + 5, 33 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client()
			value := strings.Repeat("y", size)
			d.n[1].On("SELECT big", mysqltest.Table("first", value, "last"))
			r := c.result("SELECT big")
			rows := r.Sets[0].Rows
			if len(rows) != 3 || !bytes.HasSuffix(rows[1], []byte(value)) || string(rows[2]) != "\x04last" {
				t.Errorf("%d rows", len(rows))
			}
			c.query("SELECT 1")
		})
	}
}

// TestManyRows: rows over many reads, which make the buffer grow.
func TestManyRows(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	values := make([]string, 20000)
	for i := range values {
		values[i] = fmt.Sprintf("row %d %s", i, strings.Repeat("z", i%200))
	}
	d.n[1].On("SELECT many", mysqltest.Table(values...))
	rows := c.result("SELECT many").Sets[0].Rows
	for i := range values {
		if string(rows[i][1:]) != values[i] {
			t.Fatalf("row %d is %q", i, rows[i])
		}
	}
}

func TestLocalInfile(t *testing.T) {
	for name, chunks := range map[string][]int{"empty": {}, "small": {10}, "two": {100, 100}, "big": {1 << 20, 5}, "huge": {1<<24 + 3, 7}, "whole packets": {1<<24 - 1}} {
		t.Run(name, func(t *testing.T) {
			d := newSocketDoor(t, 2)
			c := d.client()
			const sql = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"
			var mu sync.Mutex
			var got []byte
			d.n[0].On(sql, mysqltest.AskFile("f", func(b []byte) {
				mu.Lock()
				defer mu.Unlock()
				got = b
			}))
			if err := c.Send(wire.ComQuery, sql); err != nil {
				t.Fatal(err)
			}
			p, err := c.Packet()
			if err != nil || string(p) != "\xfbf" {
				t.Fatalf("%q, %v", p, err)
			}
			var want []byte
			for i, n := range chunks {
				part := bytes.Repeat([]byte{byte('a' + i)}, n)
				want = append(want, part...)
				if err := c.WritePacket(part); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.WritePacket(nil); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !bytes.Equal(got, want) {
				t.Errorf("the node had %d bytes, want %d", len(got), len(want))
			}
			d.expectRan(sql, 1, 0)
			c.query("SELECT 1")
		})
	}
}

// TestLocalInfileLost: the node is gone in the middle of the file; the client, which sends on, gets the error at the end.
func TestLocalInfileLost(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	const sql = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"
	d.n[0].On(sql, mysqltest.AskFile("f", func([]byte) {}))
	if err := c.Send(wire.ComQuery, sql); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Packet(); err != nil {
		t.Fatal(err)
	}
	d.n[0].CloseConns()
	for range 5 {
		if err := c.WritePacket(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.WritePacket(nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read()
	c.failed("a lost load", err, codeLost)
	d.expectRan(sql, 1, 0)
	c.query("SELECT 1")
}

func TestKill(t *testing.T) {
	d := newSocketDoor(t, 2)
	own := func(c *testClient) uint32 { return c.Greeting.ThreadID }
	c, target := d.client(), d.client()
	if own(c) < firstConnectionID || own(c) == own(target) {
		t.Errorf("ids %d and %d", own(c), own(target))
	}
	t.Run("QUERY", func(t *testing.T) {
		d.n[1].Once("SELECT 1", mysqltest.Hang())
		answer := asking(target, "SELECT 1")
		d.n[1].Await(t, "SELECT 1")
		c.result(fmt.Sprintf("KILL QUERY %d", own(target)))
		if err := <-answer; !mysqltest.IsError(err, 1317) {
			t.Errorf("the killed query: %v", err)
		}
		target.query("SELECT 2")
	})
	t.Run("unknown", func(t *testing.T) {
		if msg := c.fails(fmt.Sprintf("KILL %d", uint32(1<<31+999)), 1094); !strings.Contains(msg, "Unknown thread id: 2147484647") {
			t.Errorf("told %q", msg)
		}
		c.fails("KILL 5", 1094) // A node's own thread: the node says.
		var p [4]byte
		binary.LittleEndian.PutUint32(p[:], 1<<31+999)
		if err := c.Send(wire.ComProcessKill, string(p[:])); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read()
		c.failed("COM_PROCESS_KILL", err, 1094)
	})
	t.Run("another user's", func(*testing.T) {
		other := d.client(mysqltest.Login{User: "other", Password: "word"})
		other.fails(fmt.Sprintf("KILL %d", own(target)), 1095)
		other.fails(fmt.Sprintf("KILL %d", own(d.client())), 1095) // Without any backend conn.
		target.query("SELECT 3")
	})
	t.Run("own query", func(*testing.T) {
		c.fails(fmt.Sprintf("KILL QUERY %d", own(c)), 1317)
		c.query("SELECT 1")
	})
	t.Run("CONNECTION", func(t *testing.T) {
		d.n[0].On("UPDATE", mysqltest.Hang())
		answer := asking(target, "UPDATE t SET a = 1")
		d.n[0].Await(t, "UPDATE t SET a = 1")
		c.result(fmt.Sprintf("KILL %d", own(target)))
		if err := <-answer; err == nil {
			t.Error("the killed session has an answer")
		}
		target.ended()
		d.expectRan("UPDATE t SET a = 1", 1, 0)
	})
	t.Run("own", func(*testing.T) {
		c.fails(fmt.Sprintf("KILL %d", own(c)), 1927)
		c.ended()
	})
}

// TestGarbage: whatever bytes a client sends end its own session only.
func TestGarbage(t *testing.T) {
	d := newSocketDoor(t, 2)
	bystander := d.client()
	bystander.result("BEGIN")
	for name, p := range map[string][]byte{
		"an empty command":          {0, 0, 0, 0},
		"half a header":             {5, 0},
		"half a command":            {50, 0, 0, 0, wire.ComQuery, 'S'},
		"half a big command":        append([]byte{0xff, 0xff, 0xff, 0, wire.ComQuery}, make([]byte, 100<<10)...),
		"a short change of user":    {3, 0, 0, 0, wire.ComChangeUser, 'a', 0},
		"another change of user":    {5, 0, 0, 0, wire.ComChangeUser, 0, 0xff, 1, 2},
		"a short kill":              {2, 0, 0, 0, wire.ComProcessKill, 1},
		"a short execute":           {2, 0, 0, 0, wire.ComStmtExecute, 1},
		"a short close":             {2, 0, 0, 0, wire.ComStmtClose, 1},
		"a short long data":         {2, 0, 0, 0, wire.ComStmtSendLongData, 1},
		"HTTP":                      []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"nothing but high bits set": bytes.Repeat([]byte{0xff}, 4096),
	} {
		c := d.client()
		if err := c.SendRaw(p); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		for {
			if _, err := c.Packet(); err != nil {
				break
			}
		}
		if _, err := bystander.Query("SELECT 1"); err != nil {
			t.Fatalf("%s: the bystander has %v", name, err)
		}
	}
	for name, p := range map[string][]byte{
		"nothing":       nil,
		"an empty one":  {0, 0, 0, 1},
		"a short login": {4, 0, 0, 1, 0, 2, 0, 0},
		"a long login":  append([]byte{0xff, 0xff, 0x10, 1}, make([]byte, 1<<20)...),
		"HTTP":          []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		nc := d.raw()
		c, err := mysqltest.Greet(nc)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SendRaw(p)
		c.CloseWrite()
		for {
			if _, err := c.Packet(); err != nil {
				break
			}
		}
		if _, err := bystander.Query("SELECT 1"); err != nil {
			t.Fatalf("%s: the bystander has %v", name, err)
		}
	}
	bystander.result("COMMIT")
}

// TestPipelinedCommands: a client may send several commands before it reads.
func TestPipelinedCommands(t *testing.T) {
	d := newSocketDoor(t, 2)
	c := d.client()
	var all []byte
	for i := range 50 {
		all = append(all, packets(append([]byte{wire.ComQuery}, fmt.Sprintf("SELECT %d", i)...), append([]byte{wire.ComQuery}, fmt.Sprintf("INSERT INTO t VALUES (%d)", i)...))...)
	}
	if err := c.SendRaw(all); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if r, err := c.Read(); err != nil || r.Value() != "n2" {
			t.Fatalf("%d: %q, %v", i, r.Value(), err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
		d.expectRan(fmt.Sprintf("INSERT INTO t VALUES (%d)", i), 1, 0)
	}
}

// TestManySessions: sessions do not see each other's state, under the race detector.
func TestManySessions(t *testing.T) {
	d := newSocketDoor(t, 3)
	var wg sync.WaitGroup
	for i := range 64 {
		c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: fmt.Sprintf("s%d", i), Caps: mysqltest.TrackingCaps})
		wg.Go(func() {
			defer c.Close()
			st, err := c.Prepare("SELECT a FROM t WHERE b = ?")
			if err != nil {
				t.Error(err)
				return
			}
			for k := range 30 {
				for _, sql := range []string{
					fmt.Sprintf("SET time_zone='+%02d:%02d'", i%24, k), fmt.Sprintf("SELECT %d.%d", i, k), fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", i, k),
					"BEGIN", "SELECT 1", "COMMIT",
				} {
					if _, err := c.Query(sql); err != nil {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
				if _, err := c.Execute(st, "x"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() {
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			d.cluster.Set(d.n[0], d.n[1+i%2])
			d.srv.Sessions(10)
			d.srv.Stats()
		}
	})
	wg.Wait()
	close(stop)
	churn.Wait()
	inserts := map[string]int{}
	for _, sql := range d.n[0].Texts() {
		if strings.HasPrefix(sql, "INSERT") {
			inserts[sql]++
		}
	}
	for i := range 64 {
		for k := range 30 {
			if sql := fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", i, k); inserts[sql] != 1 {
				t.Fatalf("%q ran %d times", sql, inserts[sql])
			}
		}
	}
	for _, n := range d.n {
		for _, cmd := range n.Commands() {
			var i, k int
			if _, err := fmt.Sscanf(cmd.Text, "SELECT %d.%d", &i, &k); err != nil || cmd.Com != wire.ComQuery {
				continue
			}
			if want := fmt.Sprintf("time_zone=+%02d:%02d", i%24, k); cmd.Schema != fmt.Sprintf("s%d", i) || cmd.Vars != want {
				t.Fatalf("%s ran in %q with %q, want %q", cmd.Text, cmd.Schema, cmd.Vars, want)
			}
		}
	}
}
