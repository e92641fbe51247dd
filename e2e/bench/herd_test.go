package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"galley/proxy/mysql/wire"
)

// packets frames payloads.
func packets(payloads ...string) []byte {
	var b []byte
	for i, p := range payloads {
		b = append(b, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(i+1))
		b = append(b, p...)
	}
	return b
}

const (
	eofPacket = "\xfe\x00\x00\x02\x00"
	okPacket  = "\x00\x00\x00\x02\x00\x00\x00"
)

func answers() []struct {
	name    string
	bytes   []byte
	prepare bool
	bad     bool
} {
	return []struct {
		name    string
		bytes   []byte
		prepare bool
		bad     bool
	}{
		{"ok", packets(okPacket), false, false},
		{"error", packets("\xff\x15\x04#28000no"), false, true},
		{"empty packet", packets(""), false, true},
		{"one row", packets("\x01", "def", eofPacket, "\x011", eofPacket), false, false},
		{"a row as long as an EOF is not", packets("\x01", "def", eofPacket, "\xfe12345678", eofPacket), false, false},
		{"error within rows", packets("\x01", "def", eofPacket, "\xff\x25\x05#70100gone"), false, true},
		{"prepared, with columns and parameters", packets("\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", "?", eofPacket, "c", eofPacket), true, false},
		{"prepared, without columns", packets("\x00\x07\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", "?", eofPacket), true, false},
		{"prepared, with neither", packets("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), true, false},
	}
}

func TestAnswerEnd(t *testing.T) {
	for _, test := range answers() {
		end, err := answerEnd(append(bytes.Clone(test.bytes), "more"...), test.prepare)
		if (err != nil) != test.bad || !test.bad && end != len(test.bytes) {
			t.Errorf("%s: ends at %d of %d, %v", test.name, end, len(test.bytes), err)
		}
		for cut := range test.bytes {
			if end, err := answerEnd(test.bytes[:cut], test.prepare); end != 0 || err != nil && !test.bad {
				t.Errorf("%s: its first %d bytes end at %d, %v", test.name, cut, end, err)
			}
		}
	}
}

func FuzzAnswerEnd(f *testing.F) {
	for _, test := range answers() {
		f.Add(test.bytes, test.prepare)
	}
	f.Fuzz(func(t *testing.T, b []byte, prepare bool) {
		if end, _ := answerEnd(b, prepare); end < 0 || end > len(b) {
			t.Errorf("ends at %d of %d", end, len(b))
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte("\x4a\x00\x00\x00\x0a5.5.5-10.11.19-MariaDB\x00\x01\x00\x00\x00abcdefgh\x00"))
	l := newLogin("app", "secret", "app")
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = l.answer(b) })
}

// node is a server for clients of a herd: it greets, checks the login, and answers what it is asked with OK, in two pieces.
func node(t *testing.T, l net.Listener) {
	t.Helper()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer nc.Close()
			if err := serveOne(nc); err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		}()
	}
}

func serveOne(nc net.Conn) error {
	greeting := wire.Greeting{Version: "5.5.5-10.11.19-MariaDB", ThreadID: 1, Capability: wire.Capability(clientCapabilities), Charset: clientCharset, Plugin: "mysql_native_password"}
	copy(greeting.Scramble[:], "abcdefghijklmnopqrst")
	first := packets(string(greeting.Append(nil)))
	first[3] = 0
	if _, err := nc.Write(first); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		if _, err := io.ReadFull(nc, buf[:4]); err != nil {
			return err
		}
		n := int(buf[0]) | int(buf[1])<<8
		if _, err := io.ReadFull(nc, buf[:n]); err != nil {
			return err
		}
		if buf[0] != comQuery && buf[0] != comQuit {
			l, err := wire.ParseLogin(buf[:n], wire.Capability(clientCapabilities))
			if err != nil || l.User != "app" || l.Schema != "app" || l.Charset != clientCharset || len(l.Auth) != 20 {
				return fmt.Errorf("login %+v: %w", l, err)
			}
		}
		if n == 1 && buf[0] == comQuit {
			return io.EOF
		}
		answer := packets(okPacket)
		if _, err := nc.Write(answer[:5]); err != nil {
			return err
		}
		if _, err := nc.Write(answer[5:]); err != nil {
			return err
		}
	}
}

func TestHerd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go node(t, l)
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	h := &herd{
		door: &door{name: "test"}, to: unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}},
		login: newLogin("app", "secret", "app"), poll: poll, clients: make([]client, n), buf: make([]byte, 4096),
	}
	for i := range h.clients {
		h.clients[i].number, h.clients[i].fd = i, -1
	}
	defer h.close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.once(ctx, round{steps: []step{query("SET NAMES utf8mb4")}}); err != nil {
		t.Fatal(err)
	}
	for i := range h.clients {
		if c := &h.clients[i]; c.rounds != 1 || c.fd < 0 {
			t.Fatalf("client %d did %d rounds, socket %d", i, c.rounds, c.fd)
		}
	}
	got, err := h.during(ctx, round{quit: true, steps: []step{query("SELECT 1"), query("SELECT 2")}}, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, rounds := range got.each {
		sum += rounds
	}
	if len(got.waits) < n || int(sum) != len(got.waits) || len(got.each) != n {
		t.Errorf("%d waits, %v rounds of %d clients", len(got.waits), sum, len(got.each))
	}
	for i := range h.clients {
		if h.clients[i].fd >= 0 {
			t.Fatalf("client %d has not quit", i)
		}
	}
}
