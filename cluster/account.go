package cluster

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Account is one row of mysql.global_priv, or one given in the configuration.
// It is immutable.
type Account struct {
	User, Host string
	// Methods are the ways to authenticate; any one of them will do.
	Methods []AuthMethod
	Locked  bool
	// Password is set for accounts from the configuration only.
	Password    string
	FromConfig  bool
	Access      uint64 // global privileges, as the server's bits
	SSL         SSLType
	SSLCipher   string
	X509Issuer  string
	X509Subject string
	// PasswordExpired is set by ALTER USER … PASSWORD EXPIRE; PasswordChanged
	// and PasswordLifetime (in days; -1 for the server's default, 0 for
	// never) are for Expired.
	PasswordExpired  bool
	PasswordChanged  time.Time
	PasswordLifetime int
	// MaxUserConnections bounds the account's connections at a time: 0 leaves
	// it to the server's max_user_connections, a negative number allows none.
	MaxUserConnections int
	// MaxStatementTime bounds each statement of the account; 0 does not.
	MaxStatementTime time.Duration
	// Fingerprint is another one as soon as a login of this account could be
	// allowed something else than one before: its row, its rights, or those of
	// its roles have changed.
	Fingerprint uint64
}

// AuthMethod is one way to authenticate.
type AuthMethod struct {
	Plugin     string // mysql_native_password, ed25519, unix_socket, …
	AuthString string // what the plugin keeps: a hash, a public key
}

// SSLType is what an account requires of its connection (sql/sql_acl.h).
type SSLType uint8

// The requirements.
const (
	SSLNone      SSLType = iota
	SSLAny               // REQUIRE SSL
	SSLX509              // REQUIRE X509
	SSLSpecified         // REQUIRE CIPHER, ISSUER or SUBJECT
)

// Expired says whether the password has to be changed, by its own mark or by
// its age; defaultDays is the server's default_password_lifetime.
func (a *Account) Expired(now time.Time, defaultDays int) bool {
	if a.PasswordExpired {
		return true
	}
	days := a.PasswordLifetime
	if days < 0 {
		days = defaultDays
	}
	return days > 0 && !a.PasswordChanged.IsZero() && now.After(a.PasswordChanged.AddDate(0, 0, days))
}

// defaultPlugin authenticates accounts whose row names none.
const defaultPlugin = "mysql_native_password"

// privilege is the JSON in mysql.global_priv.Priv (sql/sql_acl.cc,
// User_table_json).
type privilege struct {
	method
	Access      json.Number `json:"access"`
	AuthOr      []method    `json:"auth_or"`
	Locked      bool        `json:"account_locked"`
	IsRole      bool        `json:"is_role"`
	SSL         int         `json:"ssl_type"`
	SSLCipher   string      `json:"ssl_cipher"`
	X509Issuer  string      `json:"x509_issuer"`
	X509Subject string      `json:"x509_subject"`
	Changed     *int64      `json:"password_last_changed"`
	Lifetime    *int        `json:"password_lifetime"`
	Connections int         `json:"max_user_connections"`
	Time        float64     `json:"max_statement_time"` // seconds
}

// method is one entry of auth_or, and the two keys of the row itself.
type method struct {
	Plugin     string `json:"plugin"`
	AuthString string `json:"authentication_string"`
}

// maxStatementTime is the longest that the server takes, in seconds.
const maxStatementTime = 31536001

// parseAccount reads one row; nil is a role. Its fingerprint is of the row only.
func parseAccount(user, host, priv string) (*Account, error) {
	var p privilege
	if err := json.Unmarshal([]byte(priv), &p); err != nil {
		return nil, fmt.Errorf("account %s: %w", accountName(user, host), err)
	}
	if p.IsRole {
		return nil, nil //nolint:nilnil // a role is no account and no mistake
	}
	if p.SSL < 0 || p.SSL > int(SSLSpecified) {
		p.SSL = int(SSLSpecified) // a requirement of the future is one that is not met
	}
	if p.Plugin == "" {
		p.Plugin = defaultPlugin
	}
	access, _ := strconv.ParseUint(p.Access.String(), 10, 64) // what is no number grants nothing
	a := &Account{
		User: user, Host: host, Locked: p.Locked, Access: access,
		SSL: SSLType(p.SSL), SSLCipher: p.SSLCipher, X509Issuer: p.X509Issuer, X509Subject: p.X509Subject,
		PasswordLifetime: -1, Fingerprint: fingerprint(user, host, priv),
		MaxUserConnections: p.Connections,
	}
	if p.Time > 0 && p.Time < maxStatementTime {
		a.MaxStatementTime = time.Duration(p.Time * float64(time.Second))
	}
	if p.Lifetime != nil {
		a.PasswordLifetime = *p.Lifetime
	}
	if p.Changed != nil {
		a.PasswordExpired = *p.Changed == 0
		a.PasswordChanged = time.Unix(*p.Changed, 0)
	}
	for _, m := range p.AuthOr {
		if m.Plugin == "" { // {} stands for the row's own
			m = p.method
		}
		a.Methods = append(a.Methods, AuthMethod(m))
	}
	if len(a.Methods) == 0 {
		a.Methods = []AuthMethod{AuthMethod(p.method)}
	}
	return a, nil
}

// fingerprint is a hash of the texts (FNV-1a, 64 bit), each with its end.
func fingerprint(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range texts {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// accountName writes an account as SQL does.
func accountName(user, host string) string { return quote(user) + "@" + quote(host) }

// quote writes a text as a string literal, valid in every SQL mode.
func quote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
