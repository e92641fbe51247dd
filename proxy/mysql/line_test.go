package mysql

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"galley/config"
)

// isClosed says whether a channel is closed.
func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestLineIsInOrder(t *testing.T) {
	var l line
	p := make([]*place, 6)
	for i := range p {
		p[i] = &place{kind: lineWriter, size: 1}
		if i == 3 {
			p[i].kind = lineReader
		}
		if !l.enter(p[i], 10, 10) {
			t.Fatal("refused")
		}
	}
	turns := func(want string) {
		t.Helper()
		var got []string
		for i := range p {
			if p[i].in && isClosed(p[i].turn) {
				got = append(got, fmt.Sprint(i))
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("it is the turn of %q, want %q", g, want)
		}
	}
	turns("0 3")
	l.leave(p[1]) // Gone from the middle.
	turns("0 3")
	l.leave(p[0])
	turns("2 3")
	if !l.enter(p[0], 10, 10) { // Its node could not be reached: it is where it was.
		t.Fatal("refused")
	}
	turns("0 2 3")
	l.leave(p[0])
	l.leave(p[0])
	turns("2 3")
	l.leave(p[2])
	turns("3 4")
	for _, one := range p {
		l.leave(one)
	}
	if l.n != 0 || l.bytes != 0 || l.oldest() != nil {
		t.Errorf("%d with %d bytes are left", l.n, l.bytes)
	}
}

func TestLineIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		most  int
		bytes int64
		sizes []int64
		out   []int // In whatever order they came.
		no    int   // The one that does not come in, or -1.
	}{
		"by number":          {2, 100, []int64{1, 1, 1, 1}, []int{0, 1}, -1},
		"by bytes":           {9, 100, []int64{60, 30, 30}, []int{0}, -1},
		"a large one":        {9, 100, []int64{30, 30, 30, 95}, []int{0, 1, 2}, -1},
		"larger than may be": {9, 100, []int64{30, 101}, nil, 1},
		"just fits":          {2, 100, []int64{50, 50}, nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var l line
			var all []*place
			for i, size := range c.sizes {
				p := &place{kind: lineKind(i % int(lineKinds)), size: size}
				if l.enter(p, c.most, c.bytes) == (i == c.no) {
					t.Fatalf("%d: not as it should be", i)
				}
				all = append(all, p)
			}
			for i, p := range all {
				if out := i != c.no && isClosed(p.out); out != slices.Contains(c.out, i) {
					t.Errorf("%d was let go: %v", i, out)
				}
				l.leave(p)
			}
			if l.n != 0 || l.bytes != 0 {
				t.Errorf("%d with %d bytes are left", l.n, l.bytes)
			}
		})
	}
}

// TestLineUnderLoad has many come, go on in turn, come back and be let go, at the same time.
func TestLineUnderLoad(t *testing.T) {
	var l line
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for range 200 {
				p := &place{kind: lineKind(i % 2), size: int64(i)}
				for range 1 + i%3 {
					l.enter(p, 20, 500)
					select {
					case <-p.turn:
					case <-p.out:
					}
					l.leave(p)
				}
			}
		})
	}
	all.Wait()
	if l.n != 0 || l.bytes != 0 || l.oldest() != nil {
		t.Errorf("%d with %d bytes are left", l.n, l.bytes)
	}
}

// waiters sends one write from each of n clients, one behind the other, while there is no writer. The answers come on the channels.
func (d *door) waiters(t *testing.T, n int, sql string) (answers []<-chan error) {
	t.Helper()
	for i := range n {
		c, done := d.client(), make(chan error, 1)
		was := d.srv.Line()
		answers = append(answers, done)
		go func() { _, err := c.Query(fmt.Sprintf(sql, i)); done <- err }()
		until(t, "it waits", func() bool { now := d.srv.Line(); return now.Sessions > was.Sessions || now.LetGo > was.LetGo })
	}
	return answers
}

func TestWaitingStatementsGoOnInOrder(t *testing.T) {
	d := newDoor(t, 2, func(c *config.MySQL) { c.Pool.MaxPerNode = 1 }) // What is sent behind the other is seen in that order.
	d.client()
	d.cluster.Set(nil, d.n[1])
	const n = 40
	answers := d.waiters(t, n, "INSERT INTO t VALUES (%d)")
	if l := d.srv.Line(); l.Sessions != n || l.Bytes < n*20 {
		t.Errorf("%+v", l)
	}
	d.cluster.Set(d.n[0], d.n[1])
	answered(t, answers...)
	if l := d.srv.Line(); l.Sessions != 0 || l.Bytes != 0 || l.LetGo != 0 {
		t.Errorf("%+v", l)
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
	}
	if got := slices.DeleteFunc(d.n[0].Texts(), func(text string) bool { return !strings.HasPrefix(text, "INSERT") }); !slices.Equal(got, want) {
		t.Errorf("the node got %q", got)
	}
}

func TestTheOldestIsLetGo(t *testing.T) {
	t.Run("by number", func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) { c.MaxWaitingForNode = 3 })
		d.client()
		d.cluster.Set(nil, d.n[1])
		answers := d.waiters(t, 5, "INSERT INTO t VALUES (%d)")
		for _, a := range answers[:2] {
			if err := <-a; err == nil || !strings.Contains(err.Error(), "mysql.max_waiting_for_node") || !strings.Contains(err.Error(), "was not run") {
				t.Errorf("let go with %v", err)
			}
		}
		d.cluster.Set(d.n[0], d.n[1])
		answered(t, answers[2:]...)
		for i, want := range []int{0, 0, 1, 1, 1} {
			d.expectRan(fmt.Sprintf("INSERT INTO t VALUES (%d)", i), want, 0)
		}
		if l := d.srv.Line(); l.Sessions != 0 || l.LetGo != 2 {
			t.Errorf("%+v", l)
		}
	})
	t.Run("by bytes", func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) { c.MaxWaitingSize = 2500 })
		c := d.client()
		d.cluster.Set(nil, d.n[1])
		answers := d.waiters(t, 3, "INSERT INTO t VALUES (%d, '"+strings.Repeat("x", 1000)+"')")
		if err := <-answers[0]; err == nil || !strings.Contains(err.Error(), "mysql.max_waiting_for_node_size") {
			t.Errorf("let go with %v", err)
		}
		c.fails("INSERT INTO t VALUES ('"+strings.Repeat("y", 3000)+"')", codeUnknownCommand)
		if l := d.srv.Line(); l.Sessions != 2 {
			t.Errorf("%+v", l)
		}
		d.cluster.Set(d.n[0], d.n[1])
		answered(t, answers[1:]...)
	})
	t.Run("a login", func(t *testing.T) {
		d := newDoor(t, 2, func(c *config.MySQL) { c.MaxWaitingForNode = 1 })
		c := d.client()
		d.cluster.Set(nil)
		first, second := make(chan error, 1), make(chan error, 1)
		login := func(done chan error) {
			nc := d.raw()
			_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
			var head [64]byte
			_, err := nc.Read(head[:])
			if err == nil && head[4] == 0xff {
				err = fmt.Errorf("%q", head[7:])
			}
			done <- err
		}
		go login(first)
		until(t, "it waits", func() bool { return d.srv.Line().Sessions == 1 })
		go func() { _, err := c.Query("UPDATE t SET a=1"); second <- err }()
		if err := <-first; err == nil {
			t.Error("the login went on")
		}
		d.cluster.Set(d.n[0], d.n[1])
		answered(t, second)
	})
}
