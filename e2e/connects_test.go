//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"galley/cluster/clusterlab"
)

// TestConnsOfPHP connects as PHP does, one connection behind the other, with the schema chosen behind the login. However many these are, what they leave is a handful of conns to each node,
// by the node's own list, and none of them sees another one's schema.
func TestConnsOfPHP(t *testing.T) {
	needGalley(t)
	const connects, most = 120, 8
	node := suite.lab.Nodes()[0]
	user := clusterlab.Account{User: "connects", Password: "one by one"}
	for _, statement := range []string{
		fmt.Sprintf("CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", user.User, user.Password),
		fmt.Sprintf("GRANT ALL PRIVILEGES ON %s.* TO '%s'@'%%'", clusterlab.Schema, user.User),
	} {
		if err := node.Exec(suite.ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	script, err := filepath.Abs("php/connects.php")
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(suite.galley.addr)
	if err != nil {
		t.Fatal(err)
	}
	if out := program(t, "", "php", script, host, port, user.User, user.Password, clusterlab.Schema, fmt.Sprint(connects)); out != "end\n" {
		t.Errorf("php says\n%.2000s", out)
	}
	for _, n := range suite.lab.Nodes() {
		var conns int
		if err := openNode(t, n).QueryRowContext(suite.ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?", user.User).Scan(&conns); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %d conns", n.Name(), conns)
		if conns > most {
			t.Errorf("%d connections, one at a time, have left %d conns to %s, want %d at most", connects, conns, n.Name(), most)
		}
	}
}
