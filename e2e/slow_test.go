//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// resident is galley's memory, in bytes.
func (g *galleyProcess) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		kilobytes := 0
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, os.ErrNotExist
}

// TestSlowReaders: clients that ask for 80 MB each and do not read cost little memory, and nobody else anything; when they read at last, all is there.
func TestSlowReaders(t *testing.T) {
	needGalley(t)
	settle(t)
	const rows, width, each = 80_000, 1000, 15
	// Random, so that the sockets take no more of it for being compressed.
	query := fmt.Sprintf("SELECT seq, RANDOM_BYTES(%d) FROM seq_1_to_%d", width, rows)
	var slow []*mysqltest.Client
	for _, caps := range []wire.Capability{0, wire.ClientCompress} {
		for range each {
			c := bareClient(t, suite.galley.addr, mysqltest.TrackingCaps|caps)
			if _, err := c.Query("SELECT 1"); err != nil { // It has its conn to a node.
				t.Fatal(err)
			}
			slow = append(slow, c)
		}
	}
	before, err := suite.galley.resident()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slow {
		if err := c.Send(wire.ComQuery, query); err != nil {
			t.Fatal(err)
		}
	}
	// Until nothing moves any more: the sockets are full.
	most, last := 0, -1
	err = eventually(suite.ctx, 40*time.Second, func() error {
		time.Sleep(time.Second)
		now, err := suite.galley.resident()
		if err != nil {
			return err
		}
		most = max(most, now)
		if moved := now - last; last < 0 || moved > 100<<10 || moved < -100<<10 {
			last = now
			return fmt.Errorf("memory is at %d", now)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d clients that do not read: %d KB more in all, %d KB at %d KB", len(slow), (most-before)>>10, before>>10, most>>10)
	// A quarter of a megabyte each, where the collector gets its turn; on a busy machine it has looked at little of it yet. Their answers would be 80 MB each.
	if grown := most - before; grown > len(slow)*2<<20 {
		t.Errorf("%d clients that do not read cost %d KB each", len(slow), grown/len(slow)>>10)
	}
	other := bareClient(t, suite.galley.addr, mysqltest.TrackingCaps)
	if r, err := other.Query("SELECT COUNT(*) FROM whoami"); err != nil || r.Value() != "1" {
		t.Errorf("another client: %v, %v", r, err)
	}
	for _, c := range []*mysqltest.Client{slow[0], slow[len(slow)-1]} {
		got := 0
		for {
			p, err := c.Packet()
			if err != nil {
				t.Fatalf("behind %d packets: %v", got, err)
			}
			if p[0] == 0xfe {
				break
			}
			if p[0] == 0xff {
				t.Fatalf("behind %d packets: %v", got, wire.ParseErr(p))
			}
			got++
		}
		if got != rows+3 { // The column count and two definitions come first.
			t.Errorf("%d packets", got)
		}
	}
	for _, c := range slow {
		c.Close()
	}
}
