package mysql

import (
	"strings"
	"testing"

	"galley/config"
	"galley/proxy/mysql/wire"
)

// TestLargeExecutionElsewhere: an execution that is too large to be kept whole brings its parameter types to a conn that has not seen them, although its client sends them once.
func TestLargeExecutionElsewhere(t *testing.T) {
	d := newDoor(t, 2, func(c *config.MySQL) { c.MaxAllowedBuffer = 32 << 10 })
	c := d.client()
	st := c.prepare("SELECT a FROM t WHERE b = ?")
	if got := c.execute(st, "x"); got != "n2" {
		t.Fatalf("bound on %q", got)
	}
	c.result("BEGIN") // From here on it runs on the writer.
	value := strings.Repeat("y", 200_000)
	if err := c.Send(wire.ComStmtExecute, st.ExecuteBody(false, 0, value)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); err != nil {
		t.Fatal(err)
	}
	var last []byte
	for _, cmd := range d.n[0].Commands() {
		if cmd.Com == wire.ComStmtExecute {
			last = cmd.Body
		}
	}
	// The flag that types follow, the type of a string, its length and itself.
	if want := "\x01\xfd\x00\xfd\x40\x0d\x03" + value; !strings.HasSuffix(string(last), want) {
		t.Errorf("%d bytes arrived, ending in %.20q before the value, want %.20q", len(last), last[max(0, len(last)-len(want)):], want)
	}
}
