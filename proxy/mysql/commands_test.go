package mysql

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

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

// TestResetKeepsRole: a role outlasts a reset, and with it the conn that has it.
func TestResetKeepsRole(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	c.result("SET sql_mode='ANSI_QUOTES'")
	c.result("SET ROLE r")
	c.result("BEGIN")
	c.command(wire.ComResetConnection, "")
	if got := c.query("SELECT 2"); got != "n1" {
		t.Errorf("read on %q", got)
	}
	if got := stateAt(d.n[0], "SELECT 2"); got != "app|" {
		t.Errorf("after a reset: %q", got)
	}
	roles := map[uint32]bool{}
	for _, cmd := range d.n[0].Commands() {
		if cmd.Text == "SET ROLE r" || cmd.Text == "SELECT 2" {
			roles[cmd.Thread] = true
		}
	}
	if len(roles) != 1 {
		t.Errorf("the role and the read were on %d conns", len(roles))
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
