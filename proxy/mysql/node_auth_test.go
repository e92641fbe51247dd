package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// TestAttributesAreGalleysOwn: a node is told nothing of the client's.
func TestAttributesAreGalleysOwn(t *testing.T) {
	d := newDoor(t, 1)
	d.client(mysqltest.Login{User: "app", Password: "secret", Attrs: []byte("\x04_pid\x0242")}).query("SELECT 1")
	if got := d.n[0].Attrs(); got != "\x0c_client_name\x06galley\x0cprogram_name\x06galley" {
		t.Errorf("attributes %q", got)
	}
}

// TestNodeLogins: galley logs in to nodes by each plugin that it has the secret for.
func TestNodeLogins(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		node mysqltest.User
		user string
		keys bool
		code uint16
		text string
	}{
		"native":                                {mysqltest.User{}, "native", false, 0, ""},
		"native, configured":                    {mysqltest.User{}, "conf", false, 0, ""},
		"ed25519, configured":                   {mysqltest.User{Plugin: signed}, "conf", false, 0, ""},
		"ed25519, then native":                  {mysqltest.User{Plugin: signed, Then: []string{native}}, "ed_native", false, 0, ""},
		"parsec, configured":                    {mysqltest.User{Plugin: "parsec"}, "conf", false, 0, ""},
		"caching_sha2_password, configured":     {mysqltest.User{Plugin: sha2}, "conf", false, 0, ""},
		"caching_sha2_password, the key taken":  {mysqltest.User{Plugin: sha2, Key: key}, "conf", true, 0, ""},
		"caching_sha2_password, no key taken":   {mysqltest.User{Plugin: sha2, Key: key}, "conf", false, 1045, "cluster.allow_public_key_retrieval"},
		"the password as it is, nothing secret": {mysqltest.User{Plugin: gomysql.AUTH_CLEAR_PASSWORD}, "conf", false, 1045, "cluster.tls.mode"},
		"a plugin of nobody's":                  {mysqltest.User{Plugin: "dialog"}, "conf", false, 1045, "dialog"},
	} {
		t.Run(name, func(t *testing.T) {
			d := authDoor(t, []cluster.ConfiguredAccount{{User: "conf", Password: "secret"}})
			d.srv.SetPublicKeyRetrieval(c.keys)
			c.node.Password = "secret"
			d.n[0].AddUser(c.user, c.node)
			cl := d.client(mysqltest.Login{User: c.user, Password: "secret"})
			if c.code != 0 {
				if msg := cl.fails("SELECT 1", c.code); !strings.Contains(msg, c.text) || strings.Contains(msg, "secret ") {
					t.Errorf("told %q, want %q", msg, c.text)
				}
				return
			}
			if got := cl.query("SELECT 1"); got != "n1" {
				t.Errorf("on %q", got)
			}
		})
	}
}

// TestNodeAuth: what a node may not do.
func TestNodeAuth(t *testing.T) {
	secret := passwordCredential("secret")
	for name, c := range map[string]struct {
		plugin       string
		secure, keys bool
		packet       string
		answer       string
		want         error // Nil for none.
	}{
		"the password over TLS":         {sha2, true, false, "\x01\x04", "secret\x00", nil},
		"the password in the open":      {sha2, false, false, "\x01\x04", "", errNotSecure},
		"the key is asked for":          {sha2, false, true, "\x01\x04", "\x02", nil},
		"fast":                          {sha2, false, false, "\x01\x03", "", nil},
		"a key that nobody asked for":   {sha2, false, false, "\x01-----BEGIN PUBLIC KEY-----", "", wire.ErrMalformed},
		"4 by another plugin":           {native, true, true, "\x01\x04", "", wire.ErrMalformed},
		"a clear password over TLS":     {native, true, false, "\xfemysql_clear_password\x00", "secret\x00", nil},
		"a clear password in the open":  {native, false, true, "\xfemysql_clear_password\x00", "", errNotSecure},
		"the oldest plugin":             {native, true, true, "\xfe", "", errRelay},
		"PARSEC with endless work":      {pluginParsec, false, false, "P\x1fsalt", "", errParsec},
		"PARSEC's salt without a salt":  {pluginParsec, false, false, "P\x00", "", errParsec},
		"a salt by another plugin":      {native, false, false, "P\x00salt", "", wire.ErrMalformed},
		"nothing":                       {native, false, false, "", "", wire.ErrMalformed},
		"in":                            {native, false, false, "\x00\x00\x00\x02\x00\x00\x00", "", errAuthDone},
		"a switch to nothing":           {native, false, false, "\xfe\x00\x00\x00", "", errRelay},
		"a challenge of another length": {native, false, false, "\xfeclient_ed25519\x00short", "", nil},
	} {
		a := nodeAuth{secret: &secret, plugin: c.plugin, challenge: []byte("12345678901234567890"), secure: c.secure, takeKeys: c.keys}
		answer, _, err := a.next([]byte(c.packet))
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
		if c.answer != "" && string(answer) != c.answer {
			t.Errorf("%s: answered %q, want %q", name, answer, c.answer)
		}
	}
}

// FuzzNodeAuth: whatever a node sends while galley logs in is answered or refused, and the password goes out in the open never.
func FuzzNodeAuth(f *testing.F) {
	for _, p := range []string{"\x00", "\xff\x15\x04#28000no", "\xfemysql_native_password\x0012345678901234567890\x00", "\xfeparsec\x0012345678901234567890123456789012", "P\x01salt", "\x01\x04", "\x01\x03", "\xfedialog\x00"} {
		f.Add([]byte(p), []byte("\x01\x04"), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, known bool) {
		secret := credential{hasSHA1: true}
		if known {
			secret = passwordCredential("a long password")
		}
		a := nodeAuth{secret: &secret, plugin: native, challenge: []byte("12345678901234567890")}
		for _, p := range [][]byte{first, second} {
			answer, _, err := a.next(p)
			if strings.Contains(string(answer), "a long password") {
				t.Errorf("%q is answered with the password", p)
			}
			if err != nil {
				return
			}
		}
	})
}
