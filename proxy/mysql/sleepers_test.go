package mysql

import (
	"testing"
	"testing/synctest"
	"time"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
)

// TestIdleSessionsSleep: sessions that do nothing are hardly looked at, one that has a command is looked at in each tick, and one that has ended is forgotten.
func TestIdleSessionsSleep(t *testing.T) {
	synctest.Test(withAccounts(t), func(t *testing.T) {
		d := newDoor(t, 1, func(c *config.MySQL) { c.MaxExecutionTime = time.Second })
		var clients []*testClient
		for range 10 {
			clients = append(clients, d.client())
		}
		awake := func(want int) {
			t.Helper()
			synctest.Wait()
			d.srv.sleepers.mu.Lock()
			defer d.srv.sleepers.mu.Unlock()
			if got := len(d.srv.sleepers.awake); got != want {
				t.Errorf("%d sessions awake, want %d", got, want)
			}
		}
		awake(10)
		time.Sleep(sleepAfter + 4*sweepTick)
		awake(0)
		time.Sleep(time.Hour)
		awake(0)
		d.n[0].On("SELECT 7", mysqltest.Hang())
		began := time.Now()
		clients[3].fails("SELECT 7", codeStatementTimeout)
		if took := time.Since(began); took < time.Second || took > time.Second+2*sweepTick {
			t.Errorf("killed after %s", took)
		}
		awake(1)
		clients[3].Close()
		clients[4].Close()
		awake(0)
		time.Sleep(2 * idleLook)
		awake(0)
		clients[5].query("SELECT 1")
		awake(1)
		left := 0
		for i := range d.srv.sleepers.slots {
			left += len(d.srv.sleepers.slots[i])
		}
		if left != 8 {
			t.Errorf("%d naps, want 8", left)
		}
	})
}
