package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

func limited(total int, users ...config.Limit) *config.MySQL {
	return &config.MySQL{MaxInFlight: total, Limits: users}
}

// TestFlightsInOrder: who waits gets its turn in order, and passes only those whose own limit keeps them.
func TestFlightsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		f.set(limited(2, config.Limit{User: "a", MaxInFlight: 1}))
		ctx := context.Background()
		var mu sync.Mutex
		var got []string
		lanes := map[string]*lane{}
		for _, name := range []string{"a1", "b1", "a2", "b2", "c1", "a3"} {
			go func() {
				l, _, _ := f.enter(ctx, nil, name[:1], time.Hour, false)
				mu.Lock()
				defer mu.Unlock()
				got = append(got, name)
				lanes[name] = l
			}()
			synctest.Wait()
		}
		want := []string{"a1", "b1"}
		check := func(leaves string, more ...string) {
			t.Helper()
			f.leave(lanes[leaves])
			synctest.Wait()
			want = append(want, more...)
			if !slices.Equal(got, want) {
				t.Fatalf("when %s had left, %q ran, want %q", leaves, got, want)
			}
		}
		check("b1", "b2") // a2 has its own limit.
		check("a1", "a2")
		check("b2", "c1")
		check("c1")
		check("a2", "a3")
		check("a3")
		if f.in != 0 || f.others.in != 0 || f.lanes["a"].in != 0 || f.waiting.Load() != 0 {
			t.Errorf("left over: %d, %d, %d, %d", f.in, f.others.in, f.lanes["a"].in, f.waiting.Load())
		}
	})
}

func TestFlightsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		f.set(limited(1, config.Limit{User: "a", MaxInFlight: 1}))
		ctx, cancel := context.WithCancel(context.Background())
		first, _, _ := f.enter(ctx, nil, "a", time.Second, false)
		if l, full, _ := f.enter(ctx, nil, "b", time.Second, false); l != nil || full != &f.others {
			t.Error("b has run, or it was its own limit")
		}
		if l, full, _ := f.enter(ctx, nil, "a", time.Second, false); l != nil || full != f.lanes["a"] {
			t.Error("a has run, or it was the limit of all")
		}
		within, _, _ := f.enter(ctx, nil, "b", time.Second, true)
		if within == nil || f.in != 2 {
			t.Error("a transaction waits")
		}
		f.leave(within)
		done := make(chan *lane)
		go func() {
			l, _, _ := f.enter(ctx, nil, "b", time.Hour, false)
			done <- l
		}()
		synctest.Wait()
		cancel()
		if l := <-done; l != nil {
			t.Error("it has run although its session is over")
		}
		go func() {
			l, _, _ := f.enter(context.Background(), nil, "b", time.Hour, false)
			done <- l
		}()
		synctest.Wait()
		f.set(limited(0)) // No limit any more.
		if l := <-done; l == nil || f.on.Load() {
			t.Error("it still waits")
		} else {
			f.leave(l)
		}
		f.leave(first)
		if f.in != 0 || f.others.queue.Len() != 0 {
			t.Errorf("left over: %d", f.in)
		}
	})
}

func TestMaxInFlight(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) {
			c.MaxInFlight, c.Pool.WaitForConnection = 2, 5*time.Second
			c.Limits = []config.Limit{{User: "other", MaxInFlight: 1}}
		})
		for _, n := range d.n {
			n.On("INSERT", mysqltest.Delay(12*time.Second, mysqltest.Done())) // No wait ends in the same moment.
		}
		within := d.client()
		within.result("BEGIN")
		clients := map[string]*testClient{}
		for _, name := range []string{"app1", "other1", "app2", "other2"} {
			l := mysqltest.Login{User: name[:len(name)-1], Password: map[string]string{"app": "secret", "other": "word"}[name[:len(name)-1]]}
			clients[name] = d.client(l)
		}
		st, err := clients["other2"].Prepare("INSERT INTO t VALUES (2)")
		if err != nil {
			t.Fatal(err)
		}
		first, second := asking(clients["app1"], "INSERT INTO t VALUES (1)"), asking(clients["other1"], "INSERT INTO t VALUES (1)")
		synctest.Wait()
		if msg := clients["app2"].fails("SELECT 1", 1040); !strings.Contains(msg, "mysql.max_in_flight") {
			t.Errorf("told %q", msg)
		}
		_, err = clients["other2"].Execute(st)
		if msg := clients["other2"].failed("the execution", err, 1226); msg != "User 'other' has exceeded the 'max_in_flight' resource (current value: 1)" {
			t.Errorf("told %q", msg)
		}
		answered(t, first)
		answered(t, second)
		clients["app2"].query("SELECT 1")
		first, second = asking(clients["app1"], "INSERT INTO t VALUES (1)"), asking(clients["app2"], "INSERT INTO t VALUES (1)")
		synctest.Wait()
		within.result("UPDATE t SET a = 1") // It does not wait.
		clients["other1"].fails(fmt.Sprintf("KILL QUERY %d", 1<<31), 1094)
		third := asking(clients["other2"], "SELECT 2")
		synctest.Wait()
		if n := d.srv.flights.waiting.Load(); n != 1 {
			t.Errorf("%d wait", n)
		}
		clients["other1"].result(fmt.Sprintf("KILL %d", clients["other2"].Greeting.ThreadID))
		if err := <-third; err == nil {
			t.Error("the killed session has an answer")
		}
		<-first
		<-second
	})
}

func TestMaxConnectionsOfAUser(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Limits = []config.Limit{{User: "app", MaxConnections: 2}} })
	one := d.client()
	d.client()
	_, err := d.login(mysqltest.Login{})
	if !mysqltest.IsError(err, 1203) || !strings.Contains(err.Error(), "User app already has more than 'max_user_connections' active connections") {
		t.Errorf("the third: %v", err)
	}
	d.client(mysqltest.Login{User: "other", Password: "word"})
	_ = one.Send(1, "")
	one.ended()
	until(t, "the session ends", func() bool { return d.srv.sessionCount() == 2 })
	d.client()
}
