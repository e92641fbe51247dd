//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// nodeClient runs a script of node/.
func nodeClient(t *testing.T, script string, compress bool) func(addr string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("node", script))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	var rows strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&rows, "%d,row %d of the file\n", 10_000+i, i)
	}
	if err := os.WriteFile(file, []byte(rows.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	flag := "0"
	if compress {
		flag = "1"
	}
	app := suite.lab.App()
	return func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		out := program(t, "", "node", path, host, port, app.User, app.Password, clusterlab.Schema, flag, file)
		if !strings.HasSuffix(out, "end\n") {
			t.Errorf("%s on %s did not come to its end:\n%s", script, addr, out[max(0, len(out)-1000):])
		}
		return out
	}
}

// TestNode runs the transcripts of the drivers for Node.js. That of MariaDB asks for all of MariaDB's extended capabilities.
func TestNode(t *testing.T) {
	needGalley(t)
	for _, script := range []string{"mariadb.js", "mysql2.js"} {
		t.Run(script, func(t *testing.T) { compare(t, nodeClient(t, script, false)) })
	}
}

// compressingGalley starts a second galley, which compresses towards the nodes.
func compressingGalley(t *testing.T) *galleyProcess {
	t.Helper()
	settle(t)
	g, err := startGalley(suite.ctx, t.TempDir(), "", "  compression: zlib\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("its log ends with\n%s", g.logTail(25))
		}
	})
	cfg := galleyConfig()
	cfg.Addr = g.addr
	db := openDB(t, cfg)
	var name, value string
	if err := db.QueryRowContext(suite.ctx, "SHOW SESSION STATUS LIKE 'Compression'").Scan(&name, &value); err != nil || value != "ON" {
		t.Fatalf("%s is %s, %v", name, value, err)
	}
	return g
}

// TestCompression runs the transcripts of clients that compress, and of clients that do and do not through a galley that compresses towards the nodes.
func TestCompression(t *testing.T) {
	needGalley(t)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("10,ten\n11,eleven\n12,twelve\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	clients := func(g *galleyProcess, compress bool, names ...string) func(t *testing.T) {
		return func(t *testing.T) {
			t.Helper()
			flags := []string{"--table"}
			if compress {
				t.Setenv("E2E_COMPRESS", "1")
				flags = append(flags, "--compress")
			}
			for _, name := range names {
				var run func(addr string) string
				switch filepath.Ext(name) {
				case ".php":
					run = phpClient(t, name)
				case ".js":
					run = nodeClient(t, name, compress)
				case ".go":
					run = goClient(t, false, func(cfg *mysql.Config) {
						if err := cfg.Apply(mysql.EnableCompression(compress)); err != nil {
							t.Fatal(err)
						}
					})
				default:
					run = cliClient(t, file, flags...)
				}
				t.Run(name, func(t *testing.T) { compareAt(t, g, run) })
			}
		}
	}
	t.Run("clients", clients(suite.galley, true, "driver.go", "mysqli.php", "mariadb.js", "mysql2.js", "mariadb"))
	far := compressingGalley(t)
	t.Run("nodes", clients(far, false, "pdo.php", "mariadb.js", "mariadb"))
	t.Run("both", clients(far, true, "driver.go"))
	t.Run("zstd", func(t *testing.T) { zstdClient(t, far.addr) })
}

// bareClient logs in as the tests' user with a client that shows packets.
func bareClient(t *testing.T, addr string, caps wire.Capability) *mysqltest.Client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	app := suite.lab.App()
	c, err := mysqltest.Connect(nc, mysqltest.Login{User: app.User, Password: app.Password, Schema: clusterlab.Schema, Caps: caps})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// zstdClient reads the same by zstd as directly from a node; no node of MariaDB speaks it.
func zstdClient(t *testing.T, addr string) {
	t.Helper()
	direct := bareClient(t, suite.lab.Nodes()[0].Addr(), mysqltest.TrackingCaps)
	through := bareClient(t, addr, mysqltest.TrackingCaps|wire.ClientZstd)
	queries := []string{"SELECT seq, REPEAT('r', 1000) FROM seq_1_to_20000", "SELECT 1; SELECT 2", "SELECT broken", "DO 1"}
	for _, n := range []int{1, 40, 60, 5000, 70_000, 3 << 20} {
		queries = append(queries, "SELECT '"+strings.Repeat("0123456789", n/10+1)[:n]+"' AS v")
	}
	for _, query := range queries {
		want, werr := direct.Query(query)
		got, gerr := through.Query(query)
		if fmt.Sprint(werr) != fmt.Sprint(gerr) {
			t.Errorf("%.50s: %v in place of %v", query, gerr, werr)
			continue
		}
		if len(want.Sets) != len(got.Sets) {
			t.Errorf("%.50s: %d results in place of %d", query, len(got.Sets), len(want.Sets))
			continue
		}
		for i := range want.Sets {
			if !slices.EqualFunc(want.Sets[i].Rows, got.Sets[i].Rows, bytes.Equal) {
				t.Errorf("%.50s: other rows", query)
			}
		}
	}
	if p := through.Packed(); p == nil || p.With != wire.Zstd || p.Got < 100 {
		t.Errorf("compressed by %+v", p)
	}
}
