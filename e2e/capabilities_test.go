//go:build e2e

package e2e

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestGreetedCapabilities holds what galley offers against what a node does.
func TestGreetedCapabilities(t *testing.T) {
	needGalley(t)
	direct := bareClient(t, suite.lab.Nodes()[0].Addr(), 0).Greeting.Capability
	through := bareClient(t, suite.galley.addr, 0).Greeting.Capability
	for _, flag := range []struct {
		name         string
		flag         wire.Capability
		node, galley bool
	}{
		{"bulk", wire.ClientBulk, true, true},
		{"extended metadata", wire.ClientExtendedMetadata, true, true},
		{"progress", wire.ClientProgress, true, true},
		{"cached metadata", wire.ClientCacheMetadata, true, false},
		{"bulk unit results", wire.ClientBulkUnitResults, direct.Has(wire.ClientBulkUnitResults), false},
		{"optional metadata", 1 << 25, false, false},
		{"query attributes", 1 << 27, false, false},
		{"zlib", wire.ClientCompress, true, true},
		{"zstd", wire.ClientZstd, false, true},
	} {
		if direct.Has(flag.flag) != flag.node || through.Has(flag.flag) != flag.galley {
			t.Errorf("%s: the node has it: %v, galley: %v", flag.name, direct.Has(flag.flag), through.Has(flag.flag))
		}
	}
	// A client that asks for all that there is gets what was offered, and works.
	all := bareClient(t, suite.galley.addr, mysqltest.TrackingCaps&^wire.ClientMySQL|wire.ClientCacheMetadata|wire.ClientBulkUnitResults|wire.ClientBulk|wire.ClientExtendedMetadata|1<<25|1<<27)
	if r, err := all.Query("SELECT 1"); err != nil || r.Value() != "1" {
		t.Errorf("%v, %v", r, err)
	}
}

// packetsOf gives the packets of an answer of one result.
func packetsOf(t *testing.T, c *mysqltest.Client, query string) []string {
	t.Helper()
	if err := c.Send(wire.ComQuery, query); err != nil {
		t.Fatal(err)
	}
	var all []string
	first := true
	for ends := 0; ends < 2; {
		p, err := c.Packet()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hex.EncodeToString(p))
		switch {
		case p[0] == 0xff && len(p) >= 3 && binary.LittleEndian.Uint16(p[1:]) == 0xffff: // A progress report.
			continue
		case p[0] == 0xff, first && p[0] == 0:
			return all
		case p[0] == 0xfe && len(p) < 9:
			ends++
		}
		first = false
	}
	return all
}

// TestExtendedMetadata: the definitions of columns come with the names of their types, as from a node.
func TestExtendedMetadata(t *testing.T) {
	needGalley(t)
	caps := mysqltest.PlainCaps&^wire.ClientMySQL | wire.ClientExtendedMetadata
	node := bareClient(t, nodeNamed(t, settle(t).writer).Addr(), caps)
	if _, err := node.Query("CREATE OR REPLACE TABLE extended (id INT PRIMARY KEY, j JSON, u UUID, i INET6, p POINT, g GEOMETRYCOLLECTION)"); err != nil {
		t.Fatal(err)
	}
	const query = "SELECT j, u, i, p, g, id FROM extended"
	direct := packetsOf(t, node, query)
	through := packetsOf(t, bareClient(t, suite.galley.addr, caps), query+" FOR UPDATE")
	if fmt.Sprint(direct) != fmt.Sprint(through) {
		t.Errorf("directly %s\nthrough galley %s", direct, through)
	}
	text := strings.Join(direct, "")
	for _, name := range []string{"json", "uuid", "inet6", "point"} {
		if !strings.Contains(text, hex.EncodeToString([]byte(name))) {
			t.Errorf("no definition says %q: the test shows nothing", name)
		}
	}
	if _, err := node.Query("DROP TABLE extended"); err != nil {
		t.Fatal(err)
	}
}

// TestProgress: reports of a long ALTER TABLE reach a client that asked for them, and only such a one.
func TestProgress(t *testing.T) {
	needGalley(t)
	settle(t)
	const caps = mysqltest.PlainCaps &^ wire.ClientMySQL
	clients := map[string]*mysqltest.Client{
		"asking":             bareClient(t, suite.galley.addr, caps|wire.ClientProgress),
		"asking, compressed": bareClient(t, suite.galley.addr, caps|wire.ClientProgress|wire.ClientCompress),
		"not asking":         bareClient(t, suite.galley.addr, caps),
	}
	c := clients["asking"]
	for _, query := range []string{
		"CREATE OR REPLACE TABLE slow (id INT PRIMARY KEY, s CHAR(200), k CHAR(200))",
		"INSERT INTO slow SELECT seq, seq, UUID() FROM seq_1_to_100000",
	} {
		if _, err := c.Query(query); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range clients {
		if _, err := c.Query("SET progress_report_time = 1"); err != nil {
			t.Fatal(err)
		}
		reports := 0
		// Copying with a key that is not sorted takes seconds; without the key it would be done again as fast as before.
		for _, query := range []string{"ALTER TABLE slow ADD KEY (k), ADD KEY (s, k), ALGORITHM=COPY", "ALTER TABLE slow DROP KEY k, DROP KEY s, ALGORITHM=COPY"} {
			packets := packetsOf(t, c, query)
			// On a busy machine Galera gives a definition up now and then, before anything of it is done.
			for again := 0; again < 3 && slices.ContainsFunc(packets, func(p string) bool { return strings.HasPrefix(p, "ffbd04") /* 1213 */ }); again++ {
				packets = packetsOf(t, c, query)
			}
			for _, p := range packets {
				if strings.HasPrefix(p, "ffffff") {
					reports++
				} else if !strings.HasPrefix(p, "00") {
					t.Errorf("%s: %s", name, p)
				}
			}
		}
		t.Logf("%s: %d reports", name, reports)
		if asked := name != "not asking"; asked != (reports > 0) {
			t.Errorf("%s: %d reports", name, reports)
		}
		if r, err := c.Query("SELECT COUNT(*) FROM slow"); err != nil || r.Value() != "100000" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Query("DROP TABLE slow"); err != nil {
		t.Fatal(err)
	}
}

// TestBulkTypes: a second execution in bulk need not say its parameters' types, also where galley runs it on another connection or another session has run the
// same statement meanwhile.
func TestBulkTypes(t *testing.T) {
	needGalley(t)
	settle(t)
	const caps = mysqltest.TrackingCaps&^wire.ClientMySQL | wire.ClientBulk
	first, second := bareClient(t, suite.galley.addr, caps), bareClient(t, suite.galley.addr, caps)
	ask := func(c *mysqltest.Client, query string) *mysqltest.Result {
		t.Helper()
		r, err := c.Query(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return r
	}
	ask(first, "CREATE OR REPLACE TABLE bulk (id INT AUTO_INCREMENT PRIMARY KEY, who CHAR(1), v VARCHAR(20))")
	defer ask(first, "DROP TABLE bulk")
	prepare := func(c *mysqltest.Client) uint32 {
		t.Helper()
		st, err := c.Prepare("INSERT INTO bulk (v) VALUES (?)")
		if err != nil {
			t.Fatal(err)
		}
		return st.ID
	}
	run := func(c *mysqltest.Client, id uint32, types string, rows ...string) {
		t.Helper()
		b := binary.LittleEndian.AppendUint32(nil, id)
		if b = append(b, 0, 0); types != "" {
			b[4] = 128
		}
		b = append(b, types...)
		for _, row := range rows {
			b = append(append(b, 0), row...)
		}
		if err := c.Send(wire.ComStmtBulkExecute, string(b)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	const integer, text = "\x03\x00", "\xfd\x00"
	a, b := prepare(first), prepare(second)
	run(first, a, integer, "\x01\x00\x00\x00", "\x02\x00\x00\x00")
	run(second, b, text, "\x03abc", "\x01d")
	run(first, a, "", "\x03\x00\x00\x00", "\x04\x00\x00\x00")
	run(second, b, "", "\x02ef", "\x01g")
	ask(first, "BEGIN")
	run(first, a, "", "\x05\x00\x00\x00")
	ask(first, "COMMIT")
	if got := ask(first, "SELECT GROUP_CONCAT(v ORDER BY id) FROM bulk").Value(); got != "1,2,abc,d,3,4,ef,g,5" {
		t.Errorf("%s", got)
	}
}
