package fcgi_test

import (
	"io"
	"testing"
	"time"

	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// TestAgain says after which requests a connection may have another one.
func TestAgain(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	whole := fcgitest.Page("hello")
	for name, test := range map[string]struct {
		answer fcgitest.Answer
		body   string
		close  bool
		read   bool
		after  func(*fcgi.Conn)
		want   bool
	}{
		"whole":                {answer: fcgitest.Answer{Bytes: whole}, read: true, want: true},
		"each byte alone":      {answer: fcgitest.Answer{Bytes: whole, Split: -1}, read: true, want: true},
		"not to be kept":       {answer: fcgitest.Answer{Bytes: whole}, read: true, close: true},
		"with a body":          {answer: fcgitest.Answer{Bytes: whole}, read: true, body: "x"},
		"not read":             {answer: fcgitest.Answer{Bytes: whole}},
		"something after that": {answer: fcgitest.Answer{Bytes: fcgitest.Join(whole, fcgitest.Stdout("?"))}, read: true},
		"broken off":           {answer: fcgitest.Answer{Bytes: whole, Cut: len(whole) - 1}, read: true},
		"interrupted":          {answer: fcgitest.Answer{Bytes: whole}, read: true, after: (*fcgi.Conn).Interrupt},
		"closed":               {answer: fcgitest.Answer{Bytes: whole}, read: true, after: func(c *fcgi.Conn) { _ = c.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			p := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer { return test.answer })
			c := fcgi.NewConn(p.Dial(t), nil)
			defer func() { _ = c.Close() }()
			r := request(test.body)
			r.Keep = !test.close
			if _, _, err := c.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if test.read {
				_, _ = io.ReadAll(c)
			}
			if test.after != nil {
				test.after(c)
			}
			if got := c.Again(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestMoreRequests sends several over one connection, some after a probe, and the last one finds it closed.
func TestMoreRequests(t *testing.T) {
	const n = 5
	p := fcgitest.Start(t, fcgitest.Options{}, func(r *fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Page(r.Params["N"]), Leaves: r.Nth == n}
	})
	c := fcgi.NewConn(p.Dial(t), &fcgi.Buffers{})
	defer func() { _ = c.Close() }()
	for i := range n {
		if i%2 == 1 {
			if err := c.Probe(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		r := request("", fcgi.Param{Name: "N", Value: string(rune('a' + i))})
		r.Keep = true
		_, _, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(c); err != nil || string(body) != r.Params[0].Value {
			t.Fatalf("%q %v", body, err)
		}
		if !c.Again() {
			t.Fatal("not again")
		}
	}
	if err := c.Probe(time.Now().Add(10 * time.Second)); err == nil {
		t.Error("the peer has closed, and answers")
	}
	for i, r := range p.Requests() {
		if r.Conn != 1 || r.Nth != i+1 || r.Params["N"] != string(rune('a'+i)) {
			t.Errorf("%d: %+v", i, r)
		}
	}
}
