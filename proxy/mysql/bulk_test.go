package mysql

import (
	"encoding/binary"
	"slices"
	"testing"

	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// bulkBody is the argument of COM_STMT_BULK_EXECUTE with one parameter of text per row; typ is sent where it is not 0.
func bulkBody(id uint32, typ byte, rows ...string) string {
	b := binary.LittleEndian.AppendUint32(nil, id)
	if typ != 0 {
		b = append(b, bulkTypes, 0, typ, 0)
	} else {
		b = append(b, 0, 0)
	}
	for _, row := range rows {
		b = append(b, 0) // A value follows.
		b = wire.AppendLenenc(b, uint64(len(row)))
		b = append(b, row...)
	}
	return string(b)
}

// TestParameterTypes: an execution that brings no types has those that its own session bound last, whoever else has run the statement on the conn, and whether
// single or in bulk.
func TestParameterTypes(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.Pool.MaxPerNode = 1 })
	var got []string
	d.n[0].On("INSERT INTO t VALUES (?)", func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		got = append(got, cmd.Types)
		c.OK(wire.OK{AffectedRows: 2})
		return nil
	})
	const caps = mysqltest.TrackingCaps&^wire.ClientMySQL | wire.ClientBulk
	first, second := d.client(mysqltest.Login{Caps: caps}), d.client(mysqltest.Login{Caps: caps})
	a, b := first.prepare("INSERT INTO t VALUES (?)"), second.prepare("INSERT INTO t VALUES (?)")
	run := func(c *testClient, com byte, argument string) {
		t.Helper()
		if err := c.Send(com, argument); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	run(first, wire.ComStmtBulkExecute, bulkBody(a.ID, 0x0f, "x", "y"))
	run(second, wire.ComStmtExecute, b.ExecuteBody(true, 0, "z")) // Types 0xfd.
	run(first, wire.ComStmtBulkExecute, bulkBody(a.ID, 0, "x", "y"))
	run(second, wire.ComStmtBulkExecute, bulkBody(b.ID, 0, "x"))
	run(first, wire.ComStmtExecute, a.ExecuteBody(false, 0, "x"))
	run(second, wire.ComStmtExecute, b.ExecuteBody(false, 0, "x"))
	if want := []string{"\x0f\x00", "\xfd\x00", "\x0f\x00", "\xfd\x00", "\x0f\x00", "\xfd\x00"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := d.n[0].Ran("INSERT INTO t VALUES (?)"); n == 0 {
		t.Error("nothing ran")
	}
}

// TestProgressReports: they reach a client that asked for them, before anything else of the answer, and compressed too; none is taken for the end.
func TestProgressReports(t *testing.T) {
	d := newDoor(t, 1)
	report := "\xff\xff\xff\x01\x01\x02\x10\x27\x00\x05stage"
	d.n[0].On("ALTER TABLE t", func(c *mysqltest.Conn, cmd *mysqltest.Command) error {
		for range 3 {
			c.Packet([]byte(report))
		}
		return mysqltest.Done()(c, cmd)
	})
	c := d.client(mysqltest.Login{Caps: mysqltest.PlainCaps&^wire.ClientMySQL | wire.ClientProgress})
	if err := c.Send(wire.ComQuery, "ALTER TABLE t"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if p, err := c.Client.Packet(); err != nil || string(p) != report {
			t.Errorf("%q, %v", p, err)
		}
	}
	if _, err := c.Read(); err != nil {
		t.Error(err)
	}
	if got := c.query("SELECT 1"); got != "n1" {
		t.Errorf("then on %q", got)
	}
}

// FuzzExecute: whatever an execution looks like, its types are found where they are, and put in they are found again.
func FuzzExecute(f *testing.F) {
	st := mysqltest.Statement{ID: 7}
	for _, typed := range []bool{true, false} {
		f.Add("\x17"+st.ExecuteBody(typed, 0, "a", "b"), byte(2), "\xfd\x00\x03\x00")
	}
	f.Add("\xfa"+bulkBody(7, 0xfd, "a"), byte(1), "\x08\x00")
	f.Add("\xfa"+bulkBody(7, 0, "a", "b"), byte(1), "\x08\x80")
	f.Add("\x17\x01", byte(1), "")
	f.Fuzz(func(t *testing.T, body string, params byte, types string) {
		if len(body) == 0 || len(types) != 2*int(params) || params == 0 || body[0] != wire.ComStmtExecute && body[0] != wire.ComStmtBulkExecute {
			return
		}
		st := &statement{params: int(params), types: []byte(types)}
		known := &backendStmt{}
		addTypes, ok := st.bind([]byte(body), known)
		if !ok {
			return
		}
		if !addTypes {
			if string(known.types) != string(st.types) {
				t.Fatalf("the node has %x, the session %x", known.types, st.types)
			}
			return
		}
		p := st.appendWithTypes(nil, []byte(body))
		if len(p)-wire.HeaderLen != wire.PayloadLen(p) || len(p)-wire.HeaderLen != len(body)+len(types) {
			t.Fatalf("%d bytes from %d and %d", len(p), len(body), len(types))
		}
		e, ok := parseExecute(p[wire.HeaderLen:], st.params)
		if !ok || string(p[wire.HeaderLen+e.typesAt:wire.HeaderLen+e.typesEnd]) != types {
			t.Fatalf("%x became %x", body, p)
		}
	})
}
