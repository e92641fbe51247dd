package mysql

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// fewWork makes a door to one node with conns conns, all of them open, of which so many work at a time while sessions wait.
func fewWork(t *testing.T, conns, work int) (*door, *connSet) {
	t.Helper()
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.MaxPerNode, c.Pool.WaitForConnection = conns, time.Hour })
	var all []*testClient
	for range conns {
		c := d.client()
		c.result("BEGIN")
		all = append(all, c)
	}
	for _, c := range all {
		c.result("COMMIT")
		c.Close()
	}
	set := d.srv.conns.of(d.cluster.View().WriterNode())
	set.mu.Lock()
	set.width = width{most: work, last: time.Now()} // Too few for trials, so that it stays.
	set.mu.Unlock()
	return d, set
}

// taking answers after a time, and notes how many statements that began behind the first some ran at once.
func taking(d time.Duration, most *atomic.Int32, some int32) mysqltest.Reply {
	var running, begun atomic.Int32
	return func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		n := running.Add(1)
		if begun.Add(1) > some {
			most.Store(max(most.Load(), n))
		}
		time.Sleep(d)
		running.Add(-1)
		return mysqltest.Table("1")(c, cmd)
	}
}

// quiet checks that conns are counted as what they are when nobody does anything.
func quiet(t *testing.T, set *connSet, conns int) {
	t.Helper()
	synctest.Wait()
	set.mu.Lock()
	defer set.mu.Unlock()
	if n := set.working(); n != 0 || set.idle != conns || len(set.conns) != conns || set.queue.n != 0 {
		t.Errorf("%d conns work, %d of %d are idle, and %d sessions wait", n, set.idle, len(set.conns), set.queue.n)
	}
}

// TestConnsRest: while sessions wait, no more conns work than are to, and those who wait are served in order.
func TestConnsRest(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		const conns, work, clients = 6, 2, 36
		d, set := fewWork(t, conns, work)
		var most atomic.Int32
		d.n[0].On("SELECT", taking(4*time.Millisecond, &most, 2*conns))
		var answers []<-chan error
		for i := range clients {
			answers = append(answers, asking(d.client(), fmt.Sprintf("SELECT %d", i)))
			synctest.Wait()
		}
		began := time.Now()
		for i, answer := range answers {
			if err := <-answer; err != nil {
				t.Error(err)
			}
			if late := time.Since(began); late > time.Duration(i/work+2)*4*time.Millisecond {
				t.Errorf("client %d has its answer after %s", i, late)
			}
		}
		if n := most.Load(); n != work {
			t.Errorf("%d statements ran at once, want %d", n, work)
		}
		quiet(t, set, conns)
	})
}

// TestSlowStatementsHaveAllConns: statements that take their time keep nobody from a conn.
func TestSlowStatementsHaveAllConns(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		const conns, clients = 6, 30
		d, set := fewWork(t, conns, 2)
		var most atomic.Int32
		d.n[0].On("SELECT", taking(time.Second, &most, conns))
		var answers []<-chan error
		for range clients {
			answers = append(answers, asking(d.client(), "SELECT 1"))
		}
		began := time.Now()
		for _, answer := range answers {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		if took, best := time.Since(began), clients/conns*time.Second; took > best+best/5 {
			t.Errorf("took %s, where %s are possible", took, best)
		}
		quiet(t, set, conns)
	})
}

// TestRestingConnsAreForAll: where all conns are one user's, another one gets some although that user's sessions wait, and both are served then.
func TestRestingConnsAreForAll(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		const conns = 6
		d, set := fewWork(t, conns, 2)
		d.n[0].On("SELECT", taking(4*time.Millisecond, new(atomic.Int32), 0))
		var all sync.WaitGroup
		run := func(c *testClient, n int) {
			all.Go(func() {
				for range n {
					c.query("SELECT 1")
				}
			})
		}
		for range 20 {
			run(d.client(), 50)
		}
		synctest.Wait()
		began := time.Now()
		for range 3 {
			c, err := d.login(mysqltest.Login{User: "other", Password: "word"})
			if err != nil {
				t.Fatal(err)
			}
			c.query("SELECT 1")
			run(c, 20)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the other user's first statements took %s", took)
		}
		all.Wait()
		quiet(t, set, conns)
	})
}

// TestRestingConnsKeepNothing: what sessions have set and left is theirs wherever they go on, with conns that rest meanwhile.
func TestRestingConnsKeepNothing(t *testing.T) {
	d, _ := fewWork(t, 4, 1)
	eachItsOwn(t, d)
}
