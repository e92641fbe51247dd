package mysql

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// heldAtMost is what galley may hold of an answer whose client does not take it, in bytes.
const heldAtMost = 300 << 10

// TestSlowReader: of a result that its client takes slowly or not at all galley holds little, compressed or not, and the node waits.
func TestSlowReader(t *testing.T) {
	for _, test := range []struct {
		size    int
		client  wire.Capability
		setting string
	}{
		{200 << 20, 0, config.CompressionOff},
		{12 << 20, wire.ClientCompress, config.CompressionOff},
		{12 << 20, wire.ClientZstd, config.CompressionOff},
		{12 << 20, 0, config.CompressionZlib},
		{12 << 20, 0, config.CompressionZstd},
		{12 << 20, wire.ClientCompress, config.CompressionZstd},
	} {
		for _, row := range []int{100, 60_000, 5 << 20} {
			size := test.size
			if row < 1000 {
				size = 2 << 20 // Each row is a write of the node's.
			}
			t.Run(fmt.Sprintf("%d MB of rows of %d, client %x, node %s", size>>20, row, test.client, test.setting), func(t *testing.T) {
				synctest.Test(withAccounts(t), func(t *testing.T) { slowReader(t, size, row, test.client, test.setting) })
			})
		}
	}
}

func slowReader(t *testing.T, size, row int, asks wire.Capability, setting string) {
	t.Helper()
	d := newDoor(t, 1, func(c *config.MySQL) { c.Compression, c.NodeCompression = config.CompressionAny, setting })
	d.n[0].Compress(anyCompression, 60_000)
	nc, err := d.mem.DialUnbuffered()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := mysqltest.Connect(nc, mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps | asks})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Query("SELECT 1"); err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int64
	value := strings.Repeat("a value as it may be, 0123456789. ", row/34+1)[:row]
	rows := size / row
	d.n[0].On("SELECT much", mysqltest.Flood(rows, value, &taken))
	before := heap()
	if err := c.Send(wire.ComQuery, "SELECT much"); err != nil {
		t.Fatal(err)
	}
	read := 0
	look := func() {
		synctest.Wait() // All are blocked: galley takes no more by itself.
		if held := int(taken.Load()) - read; held > heldAtMost {
			t.Fatalf("%d bytes have been read, and galley has taken %d more", read, held)
		}
		// What the test itself holds is in it: the node a row and what it is compressed to, the client likewise.
		if grown := int(heap()) - int(before); grown > heldAtMost+8*row {
			t.Fatalf("%d bytes have been read, and memory has grown by %d", read, grown)
		}
	}
	look()
	for i := range 2 + rows { // Column count and definition come before the rows.
		p, err := c.Packet()
		if err != nil {
			t.Fatal(err)
		}
		read += wire.HeaderLen + len(p)
		if i >= 2 && !strings.HasSuffix(string(p), value) {
			t.Fatalf("row %d has %d bytes", i, len(p))
		}
		if i%max(rows/5, 1) == 0 {
			look()
		}
	}
	if p, err := c.Packet(); err != nil || p[0] != 0xfe {
		t.Errorf("%x, %v at the end", p, err)
	}
	if r, err := c.Query("SELECT 2"); err != nil || r.Value() != "n1" {
		t.Errorf("then %v", err)
	}
}

// heap is the memory in use, without what pools keep.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
