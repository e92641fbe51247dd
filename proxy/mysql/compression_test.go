package mysql

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestCompression runs everything with compression on either side. The scripted clients and nodes check the numbers of packets: of the compressed ones where there are
// any, and of the others where there are none.
func TestCompression(t *testing.T) {
	for _, node := range []struct {
		setting string
		has     wire.Capability
	}{
		{config.CompressionOff, anyCompression},
		{config.CompressionZlib, anyCompression},
		{config.CompressionZstd, anyCompression},
		{config.CompressionZstd, wire.ClientCompress}, // MariaDB
	} {
		for _, asks := range []wire.Capability{0, wire.ClientCompress, wire.ClientZstd} {
			for _, wants := range []wire.Capability{mysqltest.PlainCaps, mysqltest.TrackingCaps} {
				t.Run(fmt.Sprintf("%s %x, client %x", node.setting, node.has, wants|asks), func(t *testing.T) {
					d := newDoor(t, 2, func(c *config.MySQL) {
						c.Compression, c.NodeCompression, c.MaxAllowedBuffer = config.CompressionAny, node.setting, 32<<10
					})
					for i, n := range d.n {
						n.Compress(node.has, i*5000)
					}
					for _, chop := range []int{0, 3000} {
						everything(t, d, d.client(mysqltest.Login{User: "app", Password: "secret", Caps: wants | asks, Chop: chop}))
					}
				})
			}
		}
	}
}

// everything runs commands and answers of all shapes.
func everything(t *testing.T, d *door, c *testClient) {
	t.Helper()
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("on %q", got)
	}
	c.result("SET sql_mode = 'ANSI'") // Piped in front of the next read.
	long := strings.Repeat("some text that gets smaller ", 20_000)
	for _, n := range d.n {
		n.On("SELECT long", mysqltest.Table("short", long, "short"))
		n.On("SELECT failing", mysqltest.ErrorAmongRows(1105, "in the middle", "one", "two"))
		n.On("INSERT long", mysqltest.Done())
		n.On("CALL two", func(conn *mysqltest.Conn, _ *mysqltest.Command) error {
			conn.More = true
			conn.Rows([]string{"a"}, []string{"one"})
			conn.Rows([]string{"a"}, []string{"two"})
			conn.More = false
			conn.OK(wire.OK{})
			return nil
		})
	}
	r := c.result("SELECT long")
	if len(r.Sets) != 1 || len(r.Sets[0].Rows) != 3 || !strings.HasSuffix(string(r.Sets[0].Rows[1]), long) {
		t.Errorf("%d sets", len(r.Sets))
	}
	if r := c.result("CALL two"); len(r.Sets) != 3 {
		t.Errorf("%d sets", len(r.Sets))
	}
	c.fails("SELECT failing", 1105)
	c.result("INSERT long " + strings.Repeat("x", 300_000)) // More than is kept in memory.
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	if got := c.execute(st, strings.Repeat("v", 20_000)); got != "n2" {
		t.Errorf("executed on %q", got)
	}
	loadFile(t, d, c)
	if got := c.query("SELECT 2"); got != "n2" {
		t.Errorf("on %q", got)
	}
}

// loadFile sends a file of so many packets that their numbers start again.
func loadFile(t *testing.T, d *door, c *testClient) {
	t.Helper()
	file := bytes.Repeat([]byte("line of a file\n"), 10_000)
	var arrived []byte
	d.n[0].On("LOAD DATA", mysqltest.AskFile("f", func(b []byte) { arrived = b }))
	if err := c.Send(wire.ComQuery, "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Packet(); err != nil || p[0] != 0xfb {
		t.Fatalf("%q, %v", p, err)
	}
	for b := file; len(b) > 0; b = b[min(500, len(b)):] {
		if err := c.WritePacket(b[:min(500, len(b))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.WritePacket(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); err != nil || !bytes.Equal(arrived, file) {
		t.Errorf("%d bytes of the file arrived, %v", len(arrived), err)
	}
}

// TestCompressionIsUsed: what goes over each connection is compressed as was agreed, and the small answer of several pieces is one packet.
func TestCompressionIsUsed(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) {
		c.Compression, c.NodeCompression = config.CompressionAny, config.CompressionZstd
	})
	d.n[0].Compress(anyCompression, 0)
	var node *mysqltest.Packed
	d.n[0].On("SELECT it", func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		node = c.Packed()
		return mysqltest.Table("a", "b")(c, cmd)
	})
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.PlainCaps | anyCompression})
	if !c.Greeting.Capability.Has(anyCompression) {
		t.Errorf("offered %x", c.Greeting.Capability)
	}
	c.result("SELECT it")
	if node == nil || node.With != wire.Zstd || node.Got < 2 {
		t.Errorf("the node speaks %+v", node)
	}
	if p := c.Packed(); p.With != wire.Zlib || p.Got != 1 {
		t.Errorf("the client got %d packets of %d", p.Got, p.With)
	}
	c.prepare("SELECT ? FROM it")
	if p := c.Packed(); p.Got != 2 {
		t.Errorf("preparing is answered in %d packets", p.Got-1)
	}
}

// TestCompressionSettings: what is offered to clients, what they get, and who is refused.
func TestCompressionSettings(t *testing.T) {
	for _, test := range []struct {
		setting string
		asks    wire.Capability
		gets    wire.Compression
		refused bool
	}{
		{config.CompressionAny, 0, wire.NoCompression, false},
		{config.CompressionAny, wire.ClientCompress, wire.Zlib, false},
		{config.CompressionAny, wire.ClientZstd, wire.Zstd, false},
		{config.CompressionAny, anyCompression, wire.Zlib, false},
		{config.CompressionZlib, anyCompression, wire.Zlib, false},
		{config.CompressionZlib, wire.ClientZstd, wire.NoCompression, true},
		{config.CompressionZstd, anyCompression, wire.Zstd, false},
		{config.CompressionZstd, wire.ClientCompress, wire.NoCompression, true},
		{config.CompressionOff, 0, wire.NoCompression, false},
		{config.CompressionOff, wire.ClientCompress, wire.NoCompression, true},
		{config.CompressionOff, anyCompression, wire.NoCompression, true},
	} {
		t.Run(fmt.Sprintf("%s %x", test.setting, test.asks), func(t *testing.T) {
			offered := offeredCompression(test.setting)
			login := wire.Login{Capability: wire.Shared | test.asks, User: "u", ZstdLevel: 7}
			l, err := wire.ParseLogin(login.Append(nil), wire.Shared|offered)
			if err != nil {
				t.Fatal(err)
			}
			if got := wire.Chosen(l.Capability); got != test.gets {
				t.Errorf("gets %d, want %d", got, test.gets)
			}
			if test.gets == wire.Zstd && l.ZstdLevel != 7 {
				t.Errorf("level %d", l.ZstdLevel)
			}
			d := newDoor(t, 1, func(c *config.MySQL) { c.Compression = test.setting })
			if test.refused {
				_, err := d.login(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.PlainCaps | test.asks})
				if !mysqltest.IsError(err, codeHandshake) || !strings.Contains(err.Error(), "mysql.compression is "+test.setting) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestBrokenCompression: a client whose compressed packets are none is told so and closed, and its session is over.
func TestBrokenCompression(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Compression = config.CompressionAny })
	for _, asks := range []wire.Capability{wire.ClientCompress, wire.ClientZstd} {
		c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.PlainCaps | asks})
		c.query("SELECT 1")
		if _, err := c.Packed().Conn.Write(append(mysqltest.PackedHeader(nil, 60, 0, 5000), bytes.Repeat([]byte("?"), 60)...)); err != nil {
			t.Fatal(err)
		}
		c.Packed().Began(1)
		if _, err := c.Read(); !mysqltest.IsError(err, codeMalformed) {
			t.Errorf("%v", err)
		}
		c.ended()
	}
}

// TestNodeCompression is what is asked of which node.
func TestNodeCompression(t *testing.T) {
	for _, test := range []struct {
		setting    string
		node, want wire.Capability
	}{
		{config.CompressionOff, anyCompression, 0},
		{"", anyCompression, 0},
		{config.CompressionZlib, anyCompression, wire.ClientCompress},
		{config.CompressionZlib, wire.ClientZstd, 0},
		{config.CompressionZstd, anyCompression, wire.ClientZstd},
		{config.CompressionZstd, wire.ClientCompress, wire.ClientCompress},
		{config.CompressionZstd, 0, 0},
	} {
		if got := nodeCompression(test.setting, wire.Shared|test.node); got != test.want {
			t.Errorf("%s of a node with %x: %x, want %x", test.setting, test.node, got, test.want)
		}
	}
}

// TestHugeCommandToCompressedNode: the answer goes on from the numbers of the client's packets, not of the compressed ones.
func TestHugeCommandToCompressedNode(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.NodeCompression, c.MaxAllowedBuffer = config.CompressionZlib, 32<<10 })
	d.n[0].Compress(anyCompression, 0)
	d.n[0].On("INSERT", mysqltest.Done())
	for range 2 {
		c := d.client()
		c.result("INSERT " + strings.Repeat("x", wire.MaxPayload))
		if got := c.Number(); got != 2 {
			t.Errorf("the answer has the number %d, behind 0 and 1", got)
		}
	}
}
