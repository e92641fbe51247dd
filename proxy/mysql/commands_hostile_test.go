package mysql

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

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
