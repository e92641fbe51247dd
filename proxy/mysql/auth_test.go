package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

const (
	native = gomysql.AUTH_NATIVE_PASSWORD
	signed = gomysql.AUTH_MARIADB_ED25519
	sha2   = gomysql.AUTH_CACHING_SHA2_PASSWORD

	secretNative = `"plugin":"mysql_native_password","authentication_string":"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"`
	secretEd     = `"plugin":"ed25519","authentication_string":"ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"`
)

// authRows are accounts whose password is secret, where they have one.
func authRows() []mysqltest.AccountRow {
	row := func(user, priv string) mysqltest.AccountRow {
		return mysqltest.AccountRow{User: user, Host: "%", Priv: "{" + priv + "}"}
	}
	or := func(methods ...string) string { return `"auth_or":[{` + strings.Join(methods, "},{") + `}]` }
	socket := `"plugin":"unix_socket","authentication_string":""`
	return []mysqltest.AccountRow{
		row("native", secretNative), row("ed", secretEd), row("ed_native", or(secretEd, secretNative)), row("native_ed", or(secretNative, secretEd)),
		row("socket", socket), row("socket_native", or(socket, secretNative)), row("pam", `"plugin":"pam","authentication_string":"mysql"`),
		row("invalid", secretNative[:60]+`x"`), row("unknown", `"plugin":"nosuchplugin"`), row("nopw", ""),
		row("parsec", `"plugin":"parsec","authentication_string":"`+mysqltest.ParsecString("secret")+`"`),
		row("bad_parsec", `"plugin":"parsec","authentication_string":"P0:x"`),
		row("locked", secretNative+`,"account_locked":true`), row("ssl", secretNative+`,"ssl_type":1`),
		row("expired", secretNative+`,"password_last_changed":0`),
		row("two", secretNative+`,"max_user_connections":2`), row("none", secretNative+`,"max_user_connections":-1`),
		row("slow", secretNative+`,"max_statement_time":1.5`),
		row("admin", secretNative+`,"access":4294967296`),
	}
}

// authDoor is a door whose nodes take everybody.
func authDoor(t *testing.T, configured []cluster.ConfiguredAccount) *door {
	t.Helper()
	d := newDoor(t, 1)
	d.accounts.Set(mysqltest.ImportAccounts(t, configured, authRows()...))
	return d
}

// TestMethods: which plugins a client is asked for, in which order, and what comes of it (measured on MariaDB 10.11, but that native is asked for first).
func TestMethods(t *testing.T) {
	configured := []cluster.ConfiguredAccount{{User: "conf", Password: "secret"}, {User: "empty", Password: ""}}
	d := authDoor(t, configured)
	denied := func(user string) string { return "Access denied for user '" + user + "'@'pipe' (using password: YES)" }
	for _, c := range []struct {
		user, password, plugin string
		switches               []string
		code                   uint16
		text                   string
	}{
		{"native", "secret", native, nil, 0, ""},
		{"native", "secret", sha2, []string{native}, 0, ""},
		{"native", "secret", signed, []string{native}, 0, ""},
		{"native", "secret", "dialog", []string{native}, 0, ""},
		{"native", "wrong", "dialog", []string{native}, 1045, denied("native")},
		{"native", "", sha2, []string{native}, 1045, "(using password: NO)"},
		{"ed", "secret", native, []string{signed}, 1045, "mysql.users"},
		{"ed", "wrong", native, []string{signed}, 1045, denied("ed")},
		{"ed", "secret", signed, []string{signed}, 1045, "mysql.users"},
		{"ed_native", "secret", native, nil, 0, ""},
		{"ed_native", "secret", signed, []string{native}, 0, ""},
		{"ed_native", "wrong", native, []string{signed}, 1045, denied("ed_native")},
		{"native_ed", "secret", native, nil, 0, ""},
		{"native_ed", "wrong", native, []string{signed}, 1045, denied("native_ed")},
		{"native_ed", "wrong", sha2, []string{native, signed}, 1045, denied("native_ed")},
		{"socket", "secret", native, nil, 1698, "Access denied for user 'socket'@'pipe' (galley: unix_socket"},
		{"socket_native", "secret", native, nil, 0, ""},
		{"socket_native", "wrong", native, nil, 1045, denied("socket_native")},
		{"pam", "secret", native, nil, 1045, "cannot relay pam"},
		{"unknown", "secret", native, nil, 1524, "Plugin 'nosuchplugin' is not loaded"},
		{"invalid", "secret", native, nil, 1045, denied("invalid")},
		{"parsec", "secret", native, []string{"parsec"}, 1045, "mysql.users"},
		{"parsec", "wrong", native, []string{"parsec"}, 1045, denied("parsec")},
		{"bad_parsec", "secret", native, []string{"parsec"}, 1045, denied("bad_parsec")},
		{"nopw", "", native, nil, 0, ""},
		{"nopw", "", sha2, []string{native}, 0, ""},
		{"nopw", "x", native, nil, 1045, denied("nopw")},
		// The configured password proves as much by any plugin: the client's own is taken.
		{"conf", "secret", native, nil, 0, ""},
		{"conf", "secret", sha2, []string{sha2}, 0, ""},
		{"conf", "wrong", sha2, []string{sha2}, 1045, denied("conf")},
		{"conf", "", sha2, []string{sha2}, 1045, "(using password: NO)"},
		{"conf", "secret", signed, []string{signed}, 0, ""},
		{"conf", "wrong", signed, []string{signed}, 1045, denied("conf")},
		{"conf", "secret", "parsec", []string{"parsec"}, 0, ""},
		{"conf", "wrong", "parsec", []string{"parsec"}, 1045, denied("conf")},
		{"conf", "secret", "dialog", []string{native}, 0, ""},
		{"empty", "", sha2, []string{sha2}, 0, ""},
		{"empty", "x", sha2, []string{sha2}, 1045, denied("empty")},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", c.user, c.password, c.plugin), func(t *testing.T) {
			cl, err := mysqltest.Greet(d.raw())
			if err != nil {
				t.Fatal(err)
			}
			err = cl.Login(mysqltest.Login{User: c.user, Password: c.password, Plugin: c.plugin})
			if !slices.Equal(cl.Switches, c.switches) {
				t.Errorf("asked for %q, want %q", cl.Switches, c.switches)
			}
			if c.code == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if told := slices.Contains(cl.Told, "\x03"); told != (c.plugin == sha2 && c.user == "conf") {
					t.Errorf("told %q", cl.Told)
				}
				r, err := cl.Query("SELECT 1")
				if err != nil || r.Value() != "n1" {
					t.Errorf("%v, %v", r, err)
				}
				return
			}
			if !mysqltest.IsError(err, c.code) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %d %s", err, c.code, c.text)
			}
		})
	}
}

// TestGreetingOfMySQL: its servers begin with caching_sha2_password, which a configured password answers at once.
func TestGreetingOfMySQL(t *testing.T) {
	d := authDoor(t, []cluster.ConfiguredAccount{{User: "conf", Password: "secret"}})
	d.cluster.Update(func(v *cluster.View) { v.Server.Version, v.Server.ExtendedCaps = "8.0.36", 0 })
	c := d.client(mysqltest.Login{User: "conf", Password: "secret", Plugin: sha2})
	if c.Greeting.Plugin != sha2 || c.Switches != nil || !slices.Equal(c.Told, []string{"\x03"}) {
		t.Errorf("greeted by %s, asked for %q, told %q", c.Greeting.Plugin, c.Switches, c.Told)
	}
	caps := mysqltest.PlainCaps &^ wire.ClientPluginAuth &^ wire.ClientPluginAuthLenenc
	for _, l := range []mysqltest.Login{{User: "conf", Password: "secret"}, {User: "native", Password: "secret"}, {User: "conf", Password: "secret", Caps: caps}} {
		d.client(l).query("SELECT 1")
	}
	_, err := d.login(mysqltest.Login{User: "conf", Password: "wrong", Plugin: sha2})
	if !mysqltest.IsError(err, 1045) {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestOldClient: one that knows no plugins is not asked for any.
func TestOldClient(t *testing.T) {
	d := authDoor(t, nil)
	caps := mysqltest.PlainCaps &^ wire.ClientPluginAuth &^ wire.ClientPluginAuthLenenc
	_, err := d.login(mysqltest.Login{User: "ed", Password: "secret", Caps: caps})
	if !mysqltest.IsError(err, 1251) {
		t.Errorf("%v", err)
	}
}

// TestUnknownUsersAreAskedLikeKnownOnes: what an unknown user is asked and told is what some account would be, and the same each time.
func TestUnknownUsersAreAskedLikeKnownOnes(t *testing.T) {
	d := authDoor(t, []cluster.ConfiguredAccount{{User: "conf", Password: "secret"}})
	try := func(user, password string) string {
		cl, err := mysqltest.Greet(d.raw())
		if err != nil {
			t.Fatal(err)
		}
		if err = cl.Login(mysqltest.Login{User: user, Password: password}); err == nil {
			t.Fatalf("%s was let in", user)
		}
		return strings.ReplaceAll(fmt.Sprint(cl.Switches, err), "'"+user+"'", "'USER'")
	}
	known := map[string]bool{}
	for _, row := range authRows() {
		if row.User != "nopw" {
			known[try(row.User, "wrong")] = true
		}
	}
	seen := map[string]bool{}
	for i := range 60 {
		user := fmt.Sprintf("nobody%d", i)
		first := try(user, "wrong")
		if seen[first] = true; !known[first] {
			t.Errorf("no account is answered %s", first)
		}
		if again := try(user, "wrong"); again != first {
			t.Errorf("first %s, then %s", first, again)
		}
		try(user, "") // Not even where the account has no password.
	}
	if len(seen) < 3 {
		t.Errorf("all are answered the same: %v", seen)
	}
	d.accounts.Set(mysqltest.ImportAccounts(t, nil))
	try("nobody", "")
	try("nobody", "x")
}

// TestUnknownUsersHaveNoPassword: not even that of the account that stands in for them, and they are not told that it is.
func TestUnknownUsersHaveNoPassword(t *testing.T) {
	for _, row := range authRows() {
		d := newDoor(t, 1)
		d.accounts.Set(mysqltest.ImportAccounts(t, nil, row))
		for _, password := range []string{"secret", ""} {
			_, err := d.login(mysqltest.Login{User: "nobody", Password: password})
			if err == nil || strings.Contains(err.Error(), "mysql.users") {
				t.Errorf("%s stands in for an unknown user: told %v", row.User, err)
			}
		}
	}
}

// TestNewAccountIsAskedForItsOwnPluginOnly: an account of which galley does not know yet is no unknown user, who is asked for another account's plugin.
func TestNewAccountIsAskedForItsOwnPluginOnly(t *testing.T) {
	for _, c := range []struct {
		user, plugin string
		switches     []string
		code         uint16
	}{{"fresh", native, nil, 0}, {"fresh", sha2, []string{native}, 0}, {"parsec", native, []string{"parsec"}, 1045}} {
		d := newDoor(t, 1)
		d.accounts.Set(mysqltest.ImportAccounts(t, nil, authRows()[1])) // Who is not known is asked for ed25519.
		d.accounts.OnRefresh(mysqltest.ImportAccounts(t, nil, authRows()[1], authRows()[10], mysqltest.NativeRow("fresh", "secret")))
		cl, err := mysqltest.Greet(d.raw())
		if err != nil {
			t.Fatal(err)
		}
		err = cl.Login(mysqltest.Login{User: c.user, Password: "secret", Plugin: c.plugin})
		if c.code == 0 && err != nil || c.code != 0 && !mysqltest.IsError(err, c.code) {
			t.Errorf("%+v: %v", c, err)
		}
		if !slices.Equal(cl.Switches, c.switches) {
			t.Errorf("%+v: asked for %q", c, cl.Switches)
		}
	}
}

// TestAdmission: what the server checks when the password was right, and not before.
func TestAdmission(t *testing.T) {
	d := authDoor(t, nil)
	strict := func(on bool) { d.cluster.Update(func(v *cluster.View) { v.Server.StrictPasswordExpiry = on }) }
	able := mysqltest.PlainCaps | wire.ClientExpiredPasswords
	for _, c := range []struct {
		user, password string
		caps           wire.Capability
		strict         bool
		code           uint16
	}{
		{"locked", "secret", 0, false, 4151},
		{"locked", "wrong", 0, false, 1045},
		{"ssl", "secret", 0, false, 1045},
		{"ssl", "wrong", 0, false, 1045},
		{"expired", "secret", 0, false, 0},
		{"expired", "secret", 0, true, 1862},
		{"expired", "secret", able, true, 0},
		{"expired", "wrong", 0, true, 1045},
		{"none", "secret", 0, false, 1226},
	} {
		strict(c.strict)
		_, err := d.login(mysqltest.Login{User: c.user, Password: c.password, Caps: c.caps})
		if c.code == 0 && err != nil || c.code != 0 && !mysqltest.IsError(err, c.code) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestExpiredPassword: the session stays on one conn, where the node refuses all but the change of the password.
func TestExpiredPassword(t *testing.T) {
	d := newDoor(t, 2)
	d.accounts.Set(mysqltest.ImportAccounts(t, nil, authRows()...))
	c := d.client(mysqltest.Login{User: "expired", Password: "secret"})
	if got := c.query("SELECT 1"); got != "n1" {
		t.Errorf("read on %q", got)
	}
	c.query("SELECT 2") // The first is accounted for.
	if rows := d.srv.Sessions(1); rows[0].Pins != "expired_password" {
		t.Errorf("pins %q", rows[0].Pins)
	}
	other := d.client(mysqltest.Login{User: "native", Password: "secret"})
	if got := other.query("SELECT 1"); got != "n2" {
		t.Errorf("another session reads on %q", got)
	}
}

func TestMaxUserConnections(t *testing.T) {
	d := authDoor(t, nil)
	in := func(user string) *testClient { return d.client(mysqltest.Login{User: user, Password: "secret"}) }
	out := func(user string, code uint16, text string) {
		t.Helper()
		_, err := d.login(mysqltest.Login{User: user, Password: "secret"})
		if !mysqltest.IsError(err, code) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %d %s", user, err, code, text)
		}
	}
	first := in("two")
	in("two")
	out("two", 1226, "User 'two' has exceeded the 'max_user_connections' resource (current value: 2)")
	// A change of user counts for the user it changes to, and one that fails for the old one.
	if err := first.Send(wire.ComChangeUser, changeUser("native", mysqltest.NativeAnswer(first.Greeting.Scramble[:], "secret"), "")); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(); err != nil {
		t.Fatal(err)
	}
	second := in("two")
	if err := first.Send(wire.ComChangeUser, changeUser("two", mysqltest.NativeAnswer(first.Greeting.Scramble[:], "secret"), "")); err != nil {
		t.Fatal(err)
	}
	_, err := first.Read()
	first.failed("back", err, 1226)
	if err := second.Send(wire.ComQuit, ""); err != nil {
		t.Fatal(err)
	}
	second.ended()
	var cl *testClient
	for range 1000 {
		if cl, err = d.login(mysqltest.Login{User: "two", Password: "secret"}); err == nil {
			break
		}
		pastIdleCheck(t)
	}
	if cl == nil {
		t.Fatalf("after one has left: %v", err)
	}
	d.cluster.Update(func(v *cluster.View) { v.Server.MaxUserConnections = 1 })
	out("native", 1203, "User native already has more than 'max_user_connections' active connections")
	in("admin")
	in("admin")
}

// TestAccountDefaults: an account's max_statement_time is set with galley's own settings, as a reset takes away what the node has set at the login.
func TestAccountDefaults(t *testing.T) {
	d := authDoor(t, nil)
	c := d.client(mysqltest.Login{User: "slow", Password: "secret"})
	c.query("SELECT 1")
	if got := stateAt(d.n[0], "SELECT 1"); got != "|max_statement_time=1.500000" {
		t.Errorf("begins with %q", got)
	}
}
