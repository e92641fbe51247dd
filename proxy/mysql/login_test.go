package mysql

import (
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/config"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

func TestGreeting(t *testing.T) {
	d := newDoor(t, 1)
	c := d.client()
	g := c.Greeting
	if g.Version != mysqltest.Version || g.Charset != 45 || g.Plugin != "mysql_native_password" || g.Status != wire.StatusAutocommit {
		t.Errorf("greeted with %+v", g)
	}
	if !g.Capability.Has(wire.ClientDeprecateEOF|wire.ClientSessionTrack|wire.ClientMultiStatements|wire.ClientBulk) || g.Capability.Has(wire.ClientMySQL) {
		t.Errorf("capabilities %x", g.Capability)
	}
	if g.Capability&(wire.ClientSSL|wire.ClientCompress) != 0 {
		t.Errorf("galley offers what it does not do: %x", g.Capability)
	}
	for _, b := range g.Scramble {
		if b == 0 || b == '$' || b > 126 {
			t.Errorf("challenge %q", g.Scramble)
		}
	}
	fixed := newDoor(t, 1, func(c *config.MySQL) { c.ServerVersion = "8.0.99" })
	if v := fixed.client().Greeting.Version; v != "8.0.99" {
		t.Errorf("version %q", v)
	}
	// A server that is not MariaDB has no extended capabilities.
	d.cluster.Update(func(v *cluster.View) { v.Server.Version, v.Server.ExtendedCaps = "8.0.36", 0 })
	if g := d.client().Greeting; !g.Capability.Has(wire.ClientMySQL) || g.Capability>>32 != 0 {
		t.Errorf("capabilities %x", g.Capability)
	}
}

func TestLogins(t *testing.T) {
	d := newDoor(t, 1)
	d.n[0].AddUser("app", mysqltest.User{Password: "secret"})
	d.n[0].AddUser("nopw", mysqltest.User{})
	d.n[0].AddUser("configured", mysqltest.User{Password: "given"})
	for _, c := range []struct {
		name  string
		login mysqltest.Login
		code  uint16
		text  string
	}{
		{"right", mysqltest.Login{User: "app", Password: "secret"}, 0, ""},
		{"right, with a schema", mysqltest.Login{User: "app", Password: "secret", Schema: "app"}, 0, ""},
		{"right, with attributes", mysqltest.Login{User: "app", Password: "secret", Attrs: []byte("\x04_pid\x0242")}, 0, ""},
		{"right, by another plugin first", mysqltest.Login{User: "app", Password: "secret", Plugin: gomysql.AUTH_CACHING_SHA2_PASSWORD}, 0, ""},
		{"no password", mysqltest.Login{User: "nopw"}, 0, ""},
		{"from the configuration", mysqltest.Login{User: "configured", Password: "given"}, 0, ""},
		{"old client", mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.PlainCaps &^ wire.ClientPluginAuth &^ wire.ClientPluginAuthLenenc}, 0, ""},
		{"wrong", mysqltest.Login{User: "app", Password: "wrong"}, 1045, "Access denied for user 'app'@'pipe' (using password: YES)"},
		{"missing", mysqltest.Login{User: "app"}, 1045, "Access denied for user 'app'@'pipe' (using password: NO)"},
		{"not needed", mysqltest.Login{User: "nopw", Password: "x"}, 1045, "Access denied for user 'nopw'@'pipe' (using password: YES)"},
		{"wrong one of the configuration", mysqltest.Login{User: "configured", Password: "x"}, 1045, "Access denied for user 'configured'@'pipe' (using password: YES)"},
		{"nobody", mysqltest.Login{User: "nobody", Password: "x"}, 1045, "Access denied for user 'nobody'@'pipe' (using password: YES)"},
		{"another host's", mysqltest.Login{User: "far"}, 1045, "Access denied for user 'far'@'pipe' (using password: NO)"},
		{"locked", mysqltest.Login{User: "locked"}, codeAccountLocked, "Access denied, this account is locked"},
		{"a plugin that cannot be relayed", mysqltest.Login{User: "unix"}, 1698, "unix_socket"},
		{"compression", mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.PlainCaps | wire.ClientCompress}, codeHandshake, "compress"},
		{"no such schema", mysqltest.Login{User: "app", Password: "secret", Schema: "gone"}, 1049, "Unknown database 'gone'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.n[0].DropSchema("gone")
			cl, err := d.login(c.login)
			if c.code == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got := cl.query("SELECT 1"); got != "n1" {
					t.Errorf("on %q", got)
				}
				return
			}
			var who testClient
			who.tb = t
			if msg := who.failed("login", err, c.code); !strings.Contains(msg, c.text) {
				t.Errorf("told %q, want %q", msg, c.text)
			}
		})
	}
}

// TestSwitchedPlugin: a client that starts with another plugin is asked for the account's.
func TestSwitchedPlugin(t *testing.T) {
	d := newDoor(t, 1)
	if c := d.client(); c.Switched != "" {
		t.Errorf("switched to %q for nothing", c.Switched)
	}
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Plugin: gomysql.AUTH_CACHING_SHA2_PASSWORD})
	if c.Switched != gomysql.AUTH_NATIVE_PASSWORD {
		t.Errorf("switched to %q", c.Switched)
	}
}

// TestEd25519: the client's proof is checked against the imported key; the node wants the password itself, which only the configuration can give.
func TestEd25519(t *testing.T) {
	d := newDoor(t, 1)
	c, err := d.login(mysqltest.Login{User: "ed", Password: "wrong"})
	if !mysqltest.IsError(err, 1045) {
		t.Errorf("a wrong password: %v, %v", c, err)
	}
	_, err = d.login(mysqltest.Login{User: "ed", Password: "secret"})
	if !mysqltest.IsError(err, 1045) || !strings.Contains(err.Error(), "ed25519") || !strings.Contains(err.Error(), "mysql.users") {
		t.Errorf("without a configured password: %v", err)
	}
	d.accounts.Set(mysqltest.ImportAccounts(t, []cluster.ConfiguredAccount{{User: "ed", Password: "secret"}}))
	d.n[0].AddUser("ed", mysqltest.User{Password: "secret", Plugin: gomysql.AUTH_MARIADB_ED25519})
	if got := d.client(mysqltest.Login{User: "ed", Password: "secret"}).query("SELECT 1"); got != "n1" {
		t.Errorf("on %q", got)
	}
}

// TestAccountsAreImportedAnewBeforeARefusal: a password that was changed a moment ago is known.
func TestAccountsAreImportedAnewBeforeARefusal(t *testing.T) {
	d := newDoor(t, 1)
	d.accounts.OnRefresh(mysqltest.ImportAccounts(t, nil, mysqltest.NativeRow("app", "changed"), mysqltest.NativeRow("fresh", "new")))
	d.client()
	if n := d.accounts.Refreshes(); n != 0 {
		t.Errorf("%d imports for a good login", n)
	}
	d.client(mysqltest.Login{User: "app", Password: "changed"})
	d.client(mysqltest.Login{User: "fresh", Password: "new"})
	if n := d.accounts.Refreshes(); n != 1 {
		t.Errorf("%d imports", n)
	}
}

func TestCheckClientHost(t *testing.T) {
	d := newSocketDoor(t, 1, func(c *config.MySQL) { c.CheckClientHost = true })
	d.accounts.OnRefresh(mysqltest.ImportAccounts(t, nil, mysqltest.AccountRow{User: "near", Host: "127.0.0.1", Priv: "{}"}))
	d.client(mysqltest.Login{User: "near"})
	_, err := d.login(mysqltest.Login{User: "app", Password: "secret"})
	if !mysqltest.IsError(err, 1045) {
		t.Errorf("%v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	d := newDoor(t, 1, func(c *config.MySQL) { c.MaxConnections = 3 })
	var all []*testClient
	for range 3 {
		all = append(all, d.client())
	}
	_, err := mysqltest.Greet(d.raw())
	if !mysqltest.IsError(err, 1040) || !strings.Contains(err.Error(), "Too many connections") {
		t.Errorf("the fourth: %v", err)
	}
	if err := all[0].Send(wire.ComQuit, ""); err != nil {
		t.Fatal(err)
	}
	all[0].ended()
	for range 1000 {
		if d.srv.sessionCount() < 3 {
			break
		}
		pastIdleCheck(t)
	}
	d.client().query("SELECT 1")
}

// TestConnectIsFree: a login costs the nodes nothing until there is a statement, but for the check of the schema, which is remembered a while.
func TestConnectIsFree(t *testing.T) {
	d := newDoor(t, 2)
	d.client()
	if n := d.n[0].Logins() + d.n[1].Logins(); n != 0 {
		t.Errorf("%d logins", n)
	}
	for range 5 {
		d.client(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
	}
	if n := d.n[0].Logins() + d.n[1].Logins(); n != 1 {
		t.Errorf("%d logins for five clients with a schema", n)
	}
}

// TestANodeThatRefusesTheUser: the client has the node's words.
func TestANodeThatRefusesTheUser(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	d.n[0].RefuseLogins(wire.NewError(1045, "Access denied for user 'app'@'10.0.0.1' (using password: YES)"))
	if msg := c.fails("INSERT INTO t VALUES (1)", 1045); !strings.Contains(msg, "10.0.0.1") {
		t.Errorf("told %q", msg)
	}
	if got := c.query("SELECT 1"); got != "n2" {
		t.Errorf("read on %q", got)
	}
}

// TestANodeThatRefusesAnExpiredPassword: the session ends with the first statement, as a login would have. Nodes are not asked for each of them.
func TestANodeThatRefusesAnExpiredPassword(t *testing.T) {
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "SELECT 1"} {
		d := newDoor(t, 1)
		c := d.client()
		d.n[0].RefuseLogins(wire.NewError(1862, "Your password has expired"))
		if msg := c.fails(sql, 1862); !strings.Contains(msg, "expired") {
			t.Errorf("%s: told %q", sql, msg)
		}
		c.ended()
		_, err := d.login(mysqltest.Login{User: "app", Password: "secret", Schema: "app"})
		if !mysqltest.IsError(err, 1862) {
			t.Errorf("a login with a schema: %v", err)
		}
	}
}

// TestCapabilitiesTowardsTheNode are those of the client, and session tracking.
func TestCapabilitiesTowardsTheNode(t *testing.T) {
	for name, caps := range capabilityCases() {
		d := newDoor(t, 1)
		d.n[0].On("CAPS", func(c *mysqltest.Conn, _ *mysqltest.Command) error {
			class := func(c wire.Capability) wire.Capability { return c.Class() }
			if got, want := class(c.Caps), class(caps&^wire.ClientCacheMetadata); got != want {
				t.Errorf("%s: %x towards the node, %x from the client", name, got, want)
			}
			if !c.Caps.Has(wire.ClientSessionTrack) {
				t.Errorf("%s: no session tracking", name)
			}
			c.OK(wire.OK{})
			return nil
		})
		d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps}).result("CAPS")
	}
}
