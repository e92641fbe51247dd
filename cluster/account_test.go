package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseAccount(t *testing.T) {
	const hash = "*7446F64EFCFB1294A6DE20CAE7E49C2377A9AA25"
	native := AuthMethod{"mysql_native_password", hash}
	for name, c := range map[string]struct {
		priv  string
		check func(*Account) bool
	}{
		"as CREATE USER makes it": {
			`{"access":0,"version_id":101119,"plugin":"mysql_native_password","authentication_string":"` + hash + `","password_last_changed":1795325132}`,
			func(a *Account) bool {
				return slices.Equal(a.Methods, []AuthMethod{native}) && !a.Locked && !a.PasswordExpired && a.PasswordLifetime == -1 && a.SSL == SSLNone
			},
		},
		"empty row: no password": {`{}`, func(a *Account) bool {
			return slices.Equal(a.Methods, []AuthMethod{{"mysql_native_password", ""}}) && !a.PasswordExpired
		}},
		"all privileges": {`{"access":18446744073709551615}`, func(a *Account) bool { return a.Access == 1<<64-1 }},
		"two methods, the row's own last": {
			`{"plugin":"mysql_native_password","authentication_string":"` + hash + `","auth_or":[{"plugin":"unix_socket"},{}]}`,
			func(a *Account) bool {
				return slices.Equal(a.Methods, []AuthMethod{{"unix_socket", ""}, native})
			},
		},
		"two methods, the row's own first": {
			`{"plugin":"mysql_native_password","authentication_string":"` + hash + `","auth_or":[{},{"plugin":"ed25519","authentication_string":"k"}]}`,
			func(a *Account) bool { return slices.Equal(a.Methods, []AuthMethod{native, {"ed25519", "k"}}) },
		},
		"locked, expired, REQUIRE SSL": {
			`{"ssl_type":1,"account_locked":true,"password_last_changed":0,"password_lifetime":-1}`,
			func(a *Account) bool { return a.Locked && a.PasswordExpired && a.SSL == SSLAny },
		},
		"REQUIRE SUBJECT": {
			`{"ssl_type":3,"ssl_cipher":"AES","x509_issuer":"","x509_subject":"/CN=x"}`,
			func(a *Account) bool {
				return a.SSL == SSLSpecified && a.SSLCipher == "AES" && a.X509Subject == "/CN=x"
			},
		},
		"limits": {
			`{"max_questions":7,"max_user_connections":-1,"max_statement_time":1.500000}`,
			func(a *Account) bool {
				return a.MaxUserConnections == -1 && a.MaxStatementTime == 1500*time.Millisecond
			},
		},
		"a requirement of the future": {`{"ssl_type":9}`, func(a *Account) bool { return a.SSL == SSLSpecified }},
		"a role":                      {`{"is_role":true}`, func(a *Account) bool { return a == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := parseAccount("u", "%", c.priv)
			if err != nil || !c.check(a) {
				t.Errorf("%v: %+v", err, a)
			}
		})
	}
	if _, err := parseAccount("u'x", "%", `{"plugin":`); err == nil || !strings.Contains(err.Error(), `'u''x'@'%'`) {
		t.Errorf("broken row: %v", err)
	}
	a, _ := parseAccount("u", "%", `{"access":1}`)
	b, _ := parseAccount("u", "%", `{"access":2}`)
	if a.Fingerprint == b.Fingerprint {
		t.Error("a changed row has the same fingerprint")
	}
}

func FuzzParseAccount(f *testing.F) {
	f.Add(`{"plugin":"x","auth_or":[{},{"plugin":"y"}],"ssl_type":-1,"password_last_changed":-5}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, priv string) {
		if a, err := parseAccount("u", "h", priv); err == nil && a != nil && (len(a.Methods) == 0 || a.Methods[0].Plugin == "") {
			t.Fatalf("%+v", a)
		}
	})
}

func TestPasswordExpiry(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		account Account
		days    int
		want    bool
	}{
		"never":                  {Account{PasswordLifetime: 0, PasswordChanged: now.AddDate(-9, 0, 0)}, 30, false},
		"own lifetime, young":    {Account{PasswordLifetime: 30, PasswordChanged: now.AddDate(0, 0, -29)}, 0, false},
		"own lifetime, old":      {Account{PasswordLifetime: 30, PasswordChanged: now.AddDate(0, 0, -31)}, 0, true},
		"server's lifetime, old": {Account{PasswordLifetime: -1, PasswordChanged: now.AddDate(0, 0, -31)}, 30, true},
		"server has none":        {Account{PasswordLifetime: -1, PasswordChanged: now.AddDate(0, 0, -31)}, 0, false},
		"marked":                 {Account{PasswordExpired: true}, 0, true},
	} {
		if got := c.account.Expired(now, c.days); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func accounts(names ...string) *AccountSet {
	var list []*Account
	for _, n := range names {
		user, host, _ := strings.Cut(n, "@")
		list = append(list, &Account{User: user, Host: host})
	}
	return newAccountSet(list, nil)
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		accounts string
		user, ip string
		skip     bool
		want     string
	}{
		// What MariaDB 10.11 said to each of these.
		{"t@127.0.0._ t@127.0._.1", "t", "127.0.0.1", true, "t@127.0._.1"},
		{"t@127.0.0.1 t@127.0.0.0/255.255.255.0", "t", "127.0.0.1", true, "t@127.0.0.1"},
		{"t@127.0.0.0/255.255.255.0 t@127.0.0.0/255.0.0.0", "t", "127.0.0.1", true, "t@127.0.0.0/255.255.255.0"},
		{"t@127.% t@127.0.0.0/255.255.255.0", "t", "127.0.0.1", true, "t@127.0.0.0/255.255.255.0"},
		{"t@% t@127.% t@127.0.0.% t@127.0.0.1", "t", "127.0.0.1", true, "t@127.0.0.1"},
		{"t@% t@127.% t@127.0.0.%", "t", "127.0.0.1", true, "t@127.0.0.%"},
		{"t@%.1 t@127.%", "t", "127.0.0.1", true, "t@127.%"},
		{"t@1%1 t@127.0%", "t", "127.0.0.1", true, "t@127.0%"},
		{"t@localhost", "t", "127.0.0.1", true, ""},
		{"t@localhost t@%", "t", "127.0.0.1", true, "t@%"},
		{"t@127.0.0.0/24", "t", "127.0.0.1", true, ""},
		{"t@% t@127.0.0.___", "t", "127.0.0.1", true, "t@%"},
		{"t@% @127.0.0.1", "t", "127.0.0.1", true, "@127.0.0.1"},
		// And further.
		{"t@localhost t@%", "t", "127.0.0.1", false, "t@localhost"},
		{"t@LocalHost", "t", "::1", false, "t@LocalHost"},
		{"t@127.0.0.1 t@localhost", "t", "10.0.0.1", false, ""},
		{"t@% @%", "t", "10.0.0.1", false, "t@%"},
		{"t@% @%", "u", "10.0.0.1", false, "@%"},
		{"t@%", "T", "10.0.0.1", false, ""},
		{"t@10.0.0.1", "t", "::ffff:10.0.0.1", false, "t@10.0.0.1"},
		{"t@10.0.0.0/255.255.0.0", "t", "10.0.255.1", false, "t@10.0.0.0/255.255.0.0"},
		{"t@10.0.0.0/255.255.0.0", "t", "10.1.0.1", false, ""},
		{"t@2001:db8:%", "t", "2001:db8::7", false, "t@2001:db8:%"},
		{"t@", "t", "10.0.0.1", false, "t@"},
		{"t@127.0.0.0/255.0.0.0 @127.0.0.1", "t", "127.0.0.1", true, "t@127.0.0.0/255.0.0.0"},
		{"@localhost t@127.0.0.1", "t", "127.0.0.1", false, "t@127.0.0.1"},
	} {
		got := ""
		if a, ok := accounts(strings.Fields(c.accounts)...).Find(c.user, c.ip, c.skip); ok {
			got = a.User + "@" + a.Host
		}
		if got != c.want {
			t.Errorf("%s from %s among %s: %q, want %q", c.user, c.ip, c.accounts, got, c.want)
		}
	}
}

func TestFindDoesNotDependOnTheOrderOfRows(t *testing.T) {
	names := strings.Fields("t@% t@127.% t@%.0.0.1 t@127.0.0._ t@127.0.0.1 t@127.0.0.0/255.0.0.0 t@localhost @% @localhost @127.0.0.1")
	want := accounts(names...).All()
	for range 50 {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		got := accounts(names...).All()
		if !slices.EqualFunc(got, want, func(a, b *Account) bool { return a.User == b.User && a.Host == b.Host }) {
			t.Fatalf("another order for %v", names)
		}
	}
}

func TestConfiguredAccountsOverride(t *testing.T) {
	imported := []*Account{{User: "app", Host: "%"}, {User: "app", Host: "10.%"}}
	s := newAccountSet(imported, fromConfig([]ConfiguredAccount{{User: "app", Password: "p"}, {User: "b", Host: "10.0.0.0/8", Password: "q"}}))
	if a, ok := s.Find("app", "192.168.0.1", true); !ok || a.Password != "p" || !a.FromConfig {
		t.Errorf("app@%%: %+v", a)
	}
	if a, ok := s.Find("app", "10.0.0.1", true); !ok || a != imported[1] {
		t.Errorf("app@10.%%: %+v", a)
	}
	if a, ok := s.Find("b", "10.9.9.9", true); !ok || a.Password != "q" {
		t.Errorf("b@10/8: %+v", a)
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		text, pattern string
		want          bool
	}{
		{"", "", true},
		{"", "%", true},
		{"abc", "a%c", true},
		{"abc", "a%d", false},
		{"a_c", `a\_c`, true},
		{"abc", `a\_c`, false},
		{"aXbXc", "a%X%c", true},
		{"abc", "___", true},
		{"abc", "____", false},
		{"abc", "%%%", true},
		{"abc", "abc_", false},
	} {
		if got := like(c.text, c.pattern); got != c.want {
			t.Errorf("%q like %q: %v", c.text, c.pattern, got)
		}
	}
	// It must not take for ever.
	if like(strings.Repeat("a", 255), strings.Repeat("%a", 100)+"b") {
		t.Error("matched")
	}
}

func FuzzLike(f *testing.F) {
	f.Add("10.0.0.1", "10.%")
	f.Fuzz(func(t *testing.T, text, pattern string) {
		if len(text) > 40 || len(pattern) > 10 {
			return
		}
		if got, want := like(text, pattern), likeByDefinition(text, pattern); got != want {
			t.Fatalf("%q like %q: %v, want %v", text, pattern, got, want)
		}
	})
}

// likeByDefinition is like, written to be right and slow.
func likeByDefinition(text, pattern string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '%':
		return likeByDefinition(text, pattern[1:]) || (text != "" && likeByDefinition(text[1:], pattern))
	case text == "":
		return false
	case pattern[0] == '_':
		return likeByDefinition(text[1:], pattern[1:])
	case pattern[0] == '\\' && len(pattern) > 1 && pattern[1] == text[0]:
		return likeByDefinition(text[1:], pattern[2:])
	}
	return pattern[0] == text[0] && likeByDefinition(text[1:], pattern[1:])
}

func TestSQLAccount(t *testing.T) {
	for in, want := range map[string]string{"monitor@%": "'monitor'@'%'", "a@b@10.%": "'a@b'@'10.%'", "o'x@h": "'o''x'@'h'"} {
		if got := sqlAccount(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	e := &GrantError{Account: "'monitor'@'%'"}
	if !strings.Contains(fmt.Sprint(e), "GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'") {
		t.Error(e)
	}
}
