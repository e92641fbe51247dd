package fcgi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"galley/proxy/web/fcgi"
	"galley/proxy/web/fcgi/fcgitest"
)

// ask sends one request to a peer and reads all of its answer.
func ask(t *testing.T, p *fcgitest.Peer, r *fcgi.Request) (status int, header http.Header, body []byte, err error) {
	t.Helper()
	c := fcgi.NewConn(p.Dial(t), nil)
	defer func() { _ = c.Close() }()
	if status, header, err = c.RoundTrip(r); err != nil {
		return 0, nil, nil, err
	}
	body, err = io.ReadAll(c)
	return status, header, body, err
}

func request(body string, params ...fcgi.Param) *fcgi.Request {
	params = append(params, fcgi.Param{Name: "CONTENT_LENGTH", Value: strconv.Itoa(len(body))})
	return &fcgi.Request{Params: params, Body: strings.NewReader(body), Size: int64(len(body)), Timeout: 10 * time.Second}
}

const page = "Status: 404 Not Found\r\nX-A: 1\r\nX-A: 2\r\nContent-Type: text/html\r\n\r\nhello"

func TestRoundTrip(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, size := range []int{0, 1, 5000, 9000, 70_000, 3 << 20} {
			t.Run(fmt.Sprint(network, size), func(t *testing.T) {
				p := fcgitest.Start(t, fcgitest.Options{Network: network}, func(*fcgitest.Request) fcgitest.Answer {
					return fcgitest.Answer{Bytes: fcgitest.Join(fcgitest.Stdout(page), fcgitest.End(fcgi.Complete))}
				})
				sent := strings.Repeat("0123456789", size/10+1)[:size]
				long := strings.Repeat("v", 40_000)
				status, header, body, err := ask(t, p, request(sent, fcgi.Param{Name: "A", Value: "b"}, fcgi.Param{Name: "L", Value: long}, fcgi.Param{Name: "M", Value: long}))
				if err != nil || status != 404 || string(body) != "hello" || fmt.Sprint(header["X-A"]) != "[1 2]" || header.Get("Status") != "" {
					t.Fatalf("%d %v %q %v", status, header, body, err)
				}
				got := p.Requests()[0]
				if string(got.Body) != sent || got.Params["A"] != "b" || got.Params["L"] != long || got.Params["M"] != long {
					t.Errorf("the peer got %d bytes and %d params", len(got.Body), len(got.Params))
				}
			})
		}
	}
}

func TestParamTooLong(t *testing.T) {
	p := fcgitest.Start(t, fcgitest.Options{}, nil)
	_, _, _, err := ask(t, p, request("", fcgi.Param{Name: "A", Value: strings.Repeat("v", 70_000)}))
	if e, ok := errors.AsType[*fcgi.Error](err); !ok || e.Committed || !errors.Is(err, fcgi.ErrParamTooLong) {
		t.Errorf("got %v", err)
	}
}

// TestSplitAndCutAtEachByte sends one answer in two pieces, or breaks it off, at every byte of it.
func TestSplitAndCutAtEachByte(t *testing.T) {
	padded := fcgi.AppendRecord(nil, fcgi.Stdout, 1, []byte("wor"))
	padded[6] = 3 // padding
	answer := fcgitest.Join(
		fcgitest.Stderr("PHP Warning"), fcgitest.Stdout(page[:10]), fcgi.AppendRecord(nil, fcgi.GetValuesResult, 0, []byte("zz")), fcgitest.Stdout(page[10:]),
		append(padded, "xyz"...), fcgitest.Stderr("!"), fcgitest.Stdout("ld"), fcgi.AppendRecord(nil, fcgi.Stdout, 1, nil), fcgitest.End(fcgi.Complete),
	)
	for _, cut := range []bool{false, true} {
		for at := -1; at <= len(answer); at++ {
			if at == 0 {
				continue
			}
			logged := ""
			p := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer {
				if cut {
					return fcgitest.Answer{Bytes: answer, Cut: at}
				}
				return fcgitest.Answer{Bytes: answer, Split: at}
			})
			r := request("body")
			r.Stderr = func(b []byte) { logged += string(b) }
			status, _, body, err := ask(t, p, r)
			switch {
			case !cut || at == len(answer):
				if err != nil || status != 404 || string(body) != "helloworld" || logged != "PHP Warning!" {
					t.Fatalf("at %d: %d %q %q %v", at, status, body, logged, err)
				}
			case !errors.Is(err, fcgi.ErrTruncated) || errors.Is(err, io.EOF):
				t.Fatalf("cut at %d: %d %q %v", at, status, body, err)
			}
			if e, ok := errors.AsType[*fcgi.Error](err); ok && !e.Committed {
				t.Fatalf("cut at %d: not committed", at)
			}
			p.Stop()
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		answer    []byte
		want      error
		committed bool
	}{
		"overloaded":         {fcgitest.End(fcgi.Overloaded), fcgi.ErrRejected, false},
		"cannot multiplex":   {fcgitest.End(fcgi.CantMultiplex), fcgi.ErrRejected, false},
		"overloaded halfway": {fcgitest.Join(fcgitest.Stdout("X: y\n"), fcgitest.End(fcgi.Overloaded)), fcgi.ErrRejected, true},
		"no header":          {fcgitest.End(fcgi.Complete), fcgi.ErrBadHeader, true},
		"half a header":      {fcgitest.Join(fcgitest.Stdout("X: y\r\n"), fcgitest.End(fcgi.Complete)), fcgi.ErrBadHeader, true},
		"no colon":           {fcgitest.Page("")[:0:0], fcgi.ErrTruncated, true},
		"HTTP":               {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), fcgi.ErrMalformed, true},
		"other request":      {fcgi.AppendRecord(nil, fcgi.Stdout, 2, []byte(page)), fcgi.ErrMalformed, true},
		"short end":          {fcgitest.Join(fcgi.AppendRecord(nil, fcgi.EndRequest, 1, []byte{0, 0, 0, 0})), fcgi.ErrMalformed, true},
		"endless header":     {fcgitest.Stdout("X: " + strings.Repeat("y", 300_000)), fcgi.ErrBadHeader, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer { return fcgitest.Answer{Bytes: test.answer} })
			_, _, _, err := ask(t, p, request(""))
			e, ok := errors.AsType[*fcgi.Error](err)
			if !ok || !errors.Is(err, test.want) || e.Committed != test.committed {
				t.Errorf("got %v, committed %v", err, ok && e.Committed)
			}
		})
	}
}

// TestEarlyAnswer answers more than a socket holds before it reads a body that is larger than a socket holds.
func TestEarlyAnswer(t *testing.T) {
	long := strings.Repeat("x", 8<<20)
	p := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Page(long), Early: true}
	})
	status, _, body, err := ask(t, p, request(strings.Repeat("y", 8<<20), fcgi.Param{Name: "EARLY", Value: "1"}))
	if err != nil || status != 200 || string(body) != long {
		t.Errorf("%d, %d bytes, %v", status, len(body), err)
	}
}

func TestStderrFlood(t *testing.T) {
	p := fcgitest.Start(t, fcgitest.Options{}, func(*fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Join(fcgitest.Stderr(strings.Repeat("e", 5<<20)), fcgitest.Page("ok"))}
	})
	n := 0
	r := request("")
	r.Stderr = func(b []byte) { n += len(b) }
	if _, _, body, err := ask(t, p, r); err != nil || string(body) != "ok" || n != 5<<20 {
		t.Errorf("%q, %d bytes logged, %v", body, n, err)
	}
}

func TestTimeoutAndInterrupt(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	p := fcgitest.Start(t, fcgitest.Options{}, func(r *fcgitest.Request) fcgitest.Answer {
		if r.Params["WAIT"] != "" {
			return fcgitest.Answer{Bytes: fcgitest.Stdout("X: y\n"), Hold: hold}
		}
		return fcgitest.Answer{Bytes: fcgitest.Page("ok")}
	})
	r := request("", fcgi.Param{Name: "WAIT", Value: "1"})
	r.Timeout = 50 * time.Millisecond
	if _, _, _, err := ask(t, p, r); !errors.Is(err, fcgi.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	c := fcgi.NewConn(p.Dial(t), &fcgi.Buffers{})
	defer func() { _ = c.Close() }()
	c.Interrupt()
	_, _, err := c.RoundTrip(request(""))
	if e, ok := errors.AsType[*fcgi.Error](err); !ok || !errors.Is(err, fcgi.ErrInterrupted) || !e.Committed {
		t.Fatalf("got %v", err)
	}
	c.Resume()
	status, _, err := c.Header()
	body, readErr := io.ReadAll(c)
	if err != nil || readErr != nil || status != 200 || string(body) != "ok" || !c.Ended() {
		t.Errorf("%d %q %v %v", status, body, err, readErr)
	}
	_ = c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Log("the end is known, so that is no error")
	}
}

func TestProbe(t *testing.T) {
	p := fcgitest.Start(t, fcgitest.Options{Workers: 1}, func(*fcgitest.Request) fcgitest.Answer {
		return fcgitest.Answer{Bytes: fcgitest.Page("ok")}
	})
	first, second := fcgi.NewConn(p.Dial(t), nil), fcgi.NewConn(p.Dial(t), nil)
	if err := first.Probe(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := second.Probe(time.Now().Add(30 * time.Millisecond)); !errors.Is(err, fcgi.ErrTimeout) {
		t.Fatalf("there is no second worker: %v", err)
	}
	if !first.StaysOpen(10 * time.Millisecond) {
		t.Error("the connection was closed")
	}
	if status, _, err := first.RoundTrip(request("x")); err != nil || status != 200 {
		t.Fatalf("%d %v", status, err)
	}
	_ = first.Close()
	if err := second.ProbeAgain(time.Now().Add(10 * time.Second)); err != nil {
		t.Error(err)
	}
	_ = second.Close()
	old := fcgitest.Start(t, fcgitest.Options{Old: true}, nil)
	c := fcgi.NewConn(old.Dial(t), nil)
	if err := c.Probe(time.Now().Add(10 * time.Second)); err != nil || c.StaysOpen(10*time.Second) {
		t.Errorf("%v, or it stays open", err)
	}
}

// TestNotCommitted closes before anything is sent.
func TestNotCommitted(t *testing.T) {
	a, b := net.Pipe()
	_ = b.Close()
	c := fcgi.NewConn(a, nil)
	defer func() { _ = c.Close() }()
	_, _, err := c.RoundTrip(request(""))
	if e, ok := errors.AsType[*fcgi.Error](err); !ok || e.Committed {
		t.Errorf("got %v", err)
	}
}

// TestCommitPoint takes the request byte by byte and breaks off: it is committed when the empty PARAMS record is complete, and not one byte before.
func TestCommitPoint(t *testing.T) {
	params := []fcgi.Param{{Name: "A", Value: "b"}}
	head, err := fcgi.AppendParams(nil, params)
	if err != nil {
		t.Fatal(err)
	}
	commit := 16 + len(head) + 8
	for taken := range commit + 8 {
		a, b := net.Pipe()
		go func() {
			_, _ = io.ReadFull(b, make([]byte, taken))
			_ = b.Close()
		}()
		c := fcgi.NewConn(a, nil)
		_, _, err := c.RoundTrip(&fcgi.Request{Params: params, Timeout: 10 * time.Second})
		e, ok := errors.AsType[*fcgi.Error](err)
		if !ok || e.Committed != (taken >= commit) {
			t.Errorf("%d of %d bytes: %v", taken, commit, err)
		}
		_ = c.Close()
	}
}

func TestLargeBodyThatCannotBeRead(t *testing.T) {
	p := fcgitest.Start(t, fcgitest.Options{}, nil)
	r := request("", fcgi.Param{Name: "CONTENT_LENGTH", Value: "1048576"})
	r.Params = r.Params[:1]
	r.Body, r.Size = bytes.NewReader(make([]byte, 100)), 1<<20
	if _, _, _, err := ask(t, p, r); !errors.Is(err, fcgi.ErrBody) {
		t.Errorf("got %v", err)
	}
}
