package mysql

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// Fuzz targets for what comes from outside as it comes: through a whole session. A panic of the session's goroutine ends the run; so does a session that does not end.

// fuzzLimit is how long a session may take to end when its client has said all and closed, or has been told that it is over.
const fuzzLimit = 10 * time.Second

// fuzzDoor starts a door for all inputs, which gives up at once where it would wait.
func fuzzDoor(f *testing.F) *door {
	f.Helper()
	d := newDoor(f, 2, func(c *config.MySQL) {
		c.WaitForNode, c.ConnectTimeout, c.HandshakeTimeout = time.Nanosecond, time.Second, time.Second
		c.MaxAllowedBuffer, c.Compression = 4<<10, config.CompressionAny
	})
	d.n[0].On("LOAD DATA", mysqltest.AskFile("f", func([]byte) {}))
	return d
}

// fuzzClient logs in over a connection of its own, or only connects.
func fuzzClient(t *testing.T, d *door, caps wire.Capability, login bool) (net.Conn, *mysqltest.Client) {
	t.Helper()
	nc, err := d.mem.Dial()
	if err != nil {
		t.Fatal(err)
	}
	c, err := mysqltest.Greet(nc)
	if err == nil && login {
		err = c.Login(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
	}
	if err != nil {
		t.Fatal(err)
	}
	return nc, c
}

// end reads until the session has ended, or has nothing to say and waits for more of a packet; then the client goes, and the session must.
func end(t *testing.T, d *door, nc net.Conn) {
	t.Helper()
	const silence = 50 * time.Millisecond
	timer := time.AfterFunc(silence, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	_, _ = io.Copy(io.Discard, nc)
	timer.Stop()
	_ = nc.Close()
	ended(t, d)
}

// ended waits until there are no sessions any more.
func ended(t *testing.T, d *door) {
	t.Helper()
	for until := time.Now().Add(fuzzLimit); d.srv.sessionCount() > 0; runtime.Gosched() {
		if time.Now().After(until) {
			buf := make([]byte, 1<<20)
			t.Fatalf("the session does not end:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
	for _, n := range d.n {
		n.Forget()
	}
}

// commandsOf cuts a fuzzer's bytes into packets: a byte of length, then as much payload; numbered on where the length is odd.
func commandsOf(data []byte) (out []byte) {
	seq := byte(0)
	for len(data) > 0 {
		n := min(int(data[0]), len(data)-1)
		if seq++; data[0]&1 == 0 {
			seq = 0
		}
		out = append(out, byte(n), 0, 0, seq)
		out = append(out, data[1:1+n]...)
		data = data[1+n:]
	}
	return out
}

// quit ends a session whatever it is in the middle of: it is a command, or the file's content and its end and then a command.
const quit = "\x01\x00\x00\x00\x01" + "\x00\x00\x00\x01" + "\x01\x00\x00\x00\x01"

// FuzzCommands holds that a session ends well whatever commands its client sends, in one write.
func FuzzCommands(f *testing.F) {
	seed := func(caps byte, payloads ...string) {
		var data []byte
		for _, p := range payloads {
			data = append(data, byte(len(p)))
			data = append(data, p...)
		}
		f.Add(data, caps)
	}
	seed(0, "\x03SELECT 1", "\x03SET NAMES utf8mb4", "\x02app", "\x0e", "\x03BEGIN", "\x03INSERT INTO t VALUES (1)", "\x03COMMIT")
	seed(1, "\x16SELECT ?", "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\x01x", "\x18\x01\x00\x00\x00\x00\x00long", "\x1a\x01\x00\x00\x00", "\x1c\x01\x00\x00\x00\x05\x00\x00\x00", "\x19\x01\x00\x00\x00")
	seed(1, "\x16INSERT INTO t VALUES (?)", "\xfa\x01\x00\x00\x00\x80\x00\xfd\x00\x00\x01x", "\xfa\xff\xff\xff\xff\x00\x00\x00\x01x", "\x17\xff\xff\xff\xff\x00\x01\x00\x00\x00")
	seed(2, "\x16SELECT a", "\x17\x01\x00\x00\x00\x01\x01\x00\x00\x00", "\x1c\x01\x00\x00\x00\x01\x00\x00\x00", "\x1f")
	seed(0, "\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE t", "1,2\n", "3,4\n", "")
	seed(3, "\x11app\x00\x14aaaaaaaaaaaaaaaaaaaaapp\x00\x2d\x00mysql_native_password\x00", "answer")
	seed(0, "\x1b\x00\x00", "\x1b\x01\x00", "\x04t\x00%", "\x09", "\x0a", "\x0c\x05\x00\x00\x00", "\x03KILL QUERY 2147483649", "\x0d", "\x07\x01", "\x12", "\x15", "\xfe")
	f.Add([]byte("\x03\x03SE"), byte(0))
	f.Add([]byte("\x00"), byte(0))
	d := fuzzDoor(f)
	f.Fuzz(func(t *testing.T, data []byte, caps byte) {
		asked := mysqltest.PlainCaps
		if caps&1 != 0 {
			asked = mysqltest.TrackingCaps
		}
		if caps&2 != 0 {
			asked = asked&^wire.ClientMySQL | wire.ClientBulk | wire.ClientProgress | wire.ClientExtendedMetadata
		}
		nc, _ := fuzzClient(t, d, asked, true)
		go func() { _, _ = nc.Write(append(commandsOf(data), strings.Repeat(quit, 3)...)) }()
		end(t, d, nc)
	})
}

// FuzzLogin holds that whatever answers the greeting, the connection ends, with a session or without.
func FuzzLogin(f *testing.F) {
	for _, l := range []wire.Login{
		{Capability: mysqltest.PlainCaps, User: "app", Auth: make([]byte, 20), Plugin: gomysql.AUTH_NATIVE_PASSWORD},
		{Capability: mysqltest.TrackingCaps | wire.ClientConnectWithDB | wire.ClientConnectAttrs | wire.ClientZstd, User: "nopw", Schema: "app", Plugin: gomysql.AUTH_CACHING_SHA2_PASSWORD, Attrs: []byte("\x01a\x01b"), ZstdLevel: 3},
		{Capability: mysqltest.PlainCaps | wire.ClientCompress, User: "ed", Plugin: gomysql.AUTH_MARIADB_ED25519},
		{Capability: wire.ClientProtocol41 | wire.ClientMySQL | wire.ClientSecureConnection, User: "nopw"},
	} {
		f.Add(l.Append(nil), []byte("answer"), []byte("\x03SELECT 1"))
	}
	f.Add([]byte("\x85\xae\x03\x00"), []byte{}, []byte{1})
	d := fuzzDoor(f)
	f.Fuzz(func(t *testing.T, login, answer, command []byte) {
		nc, _ := fuzzClient(t, d, 0, false)
		var out []byte
		for i, p := range [][]byte{login, answer, command} {
			out = append(out, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(i+1))
			out = append(out, p...)
		}
		go func() { _, _ = nc.Write(append(out, quit...)) }()
		end(t, d, nc)
	})
}

// FuzzAnswers holds that whatever a node answers, whole or cut off, the client's session ends well, and the next client has what it asks for.
func FuzzAnswers(f *testing.F) {
	row := "\x01\x00\x00\x01\x01\x17\x00\x00\x02\x03def\x00\x00\x00\x01a\x00\x0c\x2d\x00\xff\xff\x00\x00\xfd\x00\x00\x00\x00\x00"
	for kind := range byte(8) {
		f.Add([]byte("\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"), kind)
		f.Add([]byte("\x09\x00\x00\x01\xff\x28\x04#42000"), kind)
		f.Add([]byte(row+"\x05\x00\x00\x03\xfe\x00\x00\x02\x00\x02\x00\x00\x04\x01x\x05\x00\x00\x05\xfe\x00\x00\x02\x00"), kind)
	}
	f.Add([]byte("\x0c\x00\x00\x01\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00"), byte(2))
	f.Add([]byte("\x02\x00\x00\x01\xfbf"), byte(0))
	f.Add([]byte("\x10\x00\x00\x01\x00\x00\x00\x02\x40\x00\x00\x00\x07\x00\x05\x03a\x01b"), byte(4))
	f.Add([]byte("\x0c\x00\x00\x01\xff\xff\xff\x01\x01\x02\x00\x00\x00\x02ab"), byte(1))
	d := fuzzDoor(f)
	commands := []string{"\x03SELECT fuzzed", "\x03INSERT fuzzed", "\x16SELECT fuzzed", "\x04fuzzed\x00", "\x03SET fuzzed = 1", "\x09", "\x1b\x00\x00", "\x0a"}
	f.Fuzz(func(t *testing.T, answer []byte, kind byte) {
		asked := mysqltest.PlainCaps
		if kind&8 != 0 {
			asked = mysqltest.TrackingCaps
		}
		command := commands[kind%8]
		for _, n := range d.n {
			for _, text := range []string{"SELECT fuzzed", "INSERT fuzzed", "PREPARE SELECT fuzzed", "COM_", "SET fuzzed"} {
				n.Once(text, mysqltest.Bytes(answer))
			}
		}
		nc, _ := fuzzClient(t, d, asked, true)
		out := append([]byte{byte(len(command)), 0, 0, 0}, command...)
		go func() { _, _ = nc.Write(append(out, quit...)) }()
		end(t, d, nc)
		for _, n := range d.n {
			n.NoRules()
		}
		nc, c := fuzzClient(t, d, asked, true)
		defer nc.Close()
		if r, err := c.Query("SELECT 1"); err != nil || r.Value() != "n2" {
			t.Fatalf("the next client gets %v, %v", r, err)
		}
	})
}

// FuzzGreetings holds that whatever a node greets with, and answers the login with, its clients are told of it, and the node is of use again when it is itself.
func FuzzGreetings(f *testing.F) {
	g := wire.Greeting{
		Version: mysqltest.Version, ThreadID: 7, Capability: wire.Capability(mysqltest.Capabilities) | wire.Capability(mysqltest.ExtendedCaps)<<32, Charset: 45, Plugin: gomysql.AUTH_NATIVE_PASSWORD,
	}
	packets := func(payloads ...string) (out []byte) {
		for i, p := range payloads {
			out = append(out, byte(len(p)), byte(len(p)>>8), 0, byte(2*i))
			out = append(out, p...)
		}
		return out
	}
	greeting := string(g.Append(nil))
	sw := wire.AuthSwitch{Plugin: gomysql.AUTH_CACHING_SHA2_PASSWORD, Data: []byte("aaaaaaaaaaaaaaaaaaaa")}
	f.Add(packets(greeting, "\x00\x00\x00\x02\x00\x00\x00"))
	f.Add(packets(greeting, "\x00\x00\x00\x02\x00\x00\x00", "\x00\x00\x00\x02\x00\x00\x00", "\x00\x00\x00\x02\x00\x00\x00"))
	f.Add(packets(greeting, "\xff\x15\x04#28000denied"))
	f.Add(packets(greeting, string(sw.Append(nil)), "\x01\x04", "\x01-----BEGIN PUBLIC KEY-----\n"))
	f.Add(packets(greeting, "\xfeclient_ed25519\x00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add(packets("\xff\x10\x04Too many connections"))
	f.Add(packets("\x0a"))
	d := fuzzDoor(f)
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, n := range d.n {
			n.CloseConns()
			n.Greet(said)
		}
		nc, _ := fuzzClientThatMayFail(t, d)
		for _, n := range d.n {
			n.Greet(nil)
		}
		_ = nc.Close()
		nc, c := fuzzClient(t, d, 0, true)
		defer nc.Close()
		if _, err := c.Query("SELECT 1"); err != nil {
			t.Fatalf("the next client gets %v", err)
		}
	})
}

// fuzzClientThatMayFail asks something of nodes that may not let anybody in: it must be told.
func fuzzClientThatMayFail(t *testing.T, d *door) (net.Conn, error) {
	t.Helper()
	nc, err := d.mem.Dial()
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(fuzzLimit, func() { _ = nc.Close() })
	c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret"})
	if err == nil {
		_, err = c.Query("SELECT 1")
	}
	if !timer.Stop() {
		t.Fatalf("no answer, %v", err)
	}
	return nc, err
}
