package demo

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := newTally()
		tl.begin(1, false)
		tl.begin(2, true)
		time.Sleep(time.Second)
		tl.succeeded(1)
		tl.succeeded(2)
		tl.open()
		opened := time.Now()
		time.Sleep(3 * time.Second)
		tl.succeeded(2)
		tl.failed(1, "connection lost")
		if tl.allSince(opened) {
			t.Error("the reader has not succeeded since")
		}
		time.Sleep(2 * time.Second)
		n := tl.seen()
		if n.Reads != 0 || n.Writes != 1 || n.Count() != 1 || n.ReadErrors != 1 || n.Kinds() != "1 × connection lost" {
			t.Errorf("window: %+v", n)
		}
		if n.WritePause != 3*time.Second || n.ReadPause != 5*time.Second {
			t.Errorf("pauses: %s of writes, %s of reads, of which the last has not ended", n.WritePause, n.ReadPause)
		}
		tl.succeeded(1)
		if !tl.allSince(opened) {
			t.Error("both have succeeded since")
		}
		if all := tl.all(); all.Reads != 2 || all.Writes != 2 || all.ReadPause != 5*time.Second {
			t.Errorf("all: %+v", all)
		}
	})
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name                  string
		acknowledged, unknown int
		n, spent              int
		wrong                 string
	}{
		{"all there", 10, 0, 10, 10, ""},
		{"autocommit", 10, 0, 10, 0, ""},
		{"an unknown one is there", 10, 1, 11, 11, ""},
		{"an unknown one is not", 10, 1, 10, 10, ""},
		{"lost", 10, 3, 9, 9, "1 acknowledged writes are lost"},
		{"twice", 10, 1, 12, 12, "1 writes too many"},
		{"half", 10, 0, 10, 9, "half of a transaction"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &client{id: 1, acknowledged: test.acknowledged, unknown: test.unknown}
			v := &Verdict{}
			c.judge(v, test.n, test.spent)
			if got := strings.Join(v.Wrong, "; "); got == "" != (test.wrong == "") || !strings.Contains(got, test.wrong) {
				t.Errorf("got %q, want %q", got, test.wrong)
			}
			if v.Found != test.n || v.Acknowledged != test.acknowledged || v.Unknown != test.unknown {
				t.Errorf("counts: %+v", v)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	answer := func(code uint16) error { return fmt.Errorf("x: %w", &mysql.MySQLError{Number: code}) }
	for _, test := range []struct {
		err             error
		kind            string
		goesOn, unclear bool
	}{
		{nil, "", true, false},
		{answer(1213), "error 1213 (rolled back by another write)", true, false},
		{answer(1047), "error 1047 (no node for it)", true, true},
		{answer(1927), "error 1927 (lost connection: may have run or not)", false, true},
		{driver.ErrBadConn, "connection lost", false, true},
		{mysql.ErrInvalidConn, "connection lost", false, true},
		{context.DeadlineExceeded, "no answer in 40s", false, true},
		{errors.New("odd"), "odd", false, true},
	} {
		if got := kindOf(test.err); got != test.kind || goesOn(test.err) != test.goesOn || uncertain(test.err) != test.unclear {
			t.Errorf("%v: got %q, goes on %v, uncertain %v", test.err, got, goesOn(test.err), uncertain(test.err))
		}
	}
}

// TestReaderOfTheScript: never the writer, and another node than the one just killed where there is one.
func TestReaderOfTheScript(t *testing.T) {
	a, b, c := fakeNode("a"), fakeNode("b"), fakeNode("c")
	for _, test := range []struct {
		nodes       []Node
		writer      string
		other, want Node
	}{
		{[]Node{a, b, c}, "b", a, c},
		{[]Node{a, b, c}, "c", a, b},
		{[]Node{a, b}, "b", a, a},
		{[]Node{b}, "b", a, nil},
	} {
		s := &Stage{Nodes: test.nodes, Writer: func() string { return test.writer }}
		if got := s.reader(test.other); got != test.want {
			t.Errorf("writer %s after %s: got %v, want %v", test.writer, test.other.Addr(), got, test.want)
		}
	}
}

type fakeNode string

func (n fakeNode) Name() string                    { return string(n) }
func (n fakeNode) Addr() string                    { return string(n) }
func (n fakeNode) Kill() error                     { return nil }
func (n fakeNode) Terminate(context.Context) error { return nil }
func (n fakeNode) Start(context.Context) error     { return nil }
