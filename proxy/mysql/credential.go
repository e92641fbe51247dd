package mysql

import (
	"crypto/sha1" //nolint:gosec // mysql_native_password is made of SHA1
	"crypto/subtle"
	"errors"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// The authentication plugins that galley knows, as they are called on the wire.
const (
	pluginNative  = gomysql.AUTH_NATIVE_PASSWORD
	pluginEd25519 = gomysql.AUTH_MARIADB_ED25519
	pluginSHA2    = gomysql.AUTH_CACHING_SHA2_PASSWORD
	pluginClear   = gomysql.AUTH_CLEAR_PASSWORD
	pluginParsec  = "parsec"
	pluginSocket  = "unix_socket"
	storedEd25519 = "ed25519" // The plugin's name in mysql.global_priv; on the wire it is client_ed25519.
)

// credential is what galley can log in to a node with, as the user who logged in to galley.
// With mysql_native_password the client's answer reveals SHA1(password), which is enough; other plugins need the password itself.
type credential struct {
	empty       bool // No password.
	sha1        [sha1.Size]byte
	hasSHA1     bool
	password    string
	hasPassword bool
}

func passwordCredential(password string) credential {
	return credential{empty: password == "", sha1: sha1.Sum([]byte(password)), hasSHA1: true, password: password, hasPassword: true} //nolint:gosec // the plugin's own hash
}

// usable says whether it can log in to a node at all.
func (c *credential) usable() bool { return c.empty || c.hasSHA1 || c.hasPassword }

// errNoSecret says that the node asks for a proof that galley cannot give.
var errNoSecret = errors.New("the account's password is not known to galley: give it under mysql.users in the configuration")

// errNotSecure says that a password would have to be sent in a way that others could read.
var errNotSecure = errors.New("the node asks for the password itself, which galley sends over TLS or a unix socket only: " +
	"set cluster.tls.mode, or cluster.allow_public_key_retrieval if nobody can come between galley and the nodes")

// errRelay says that the node asks for what galley cannot do.
var errRelay = errors.New("galley cannot relay the plugin: use mysql_native_password for this account")

// native proves the user's identity by mysql_native_password.
func (c *credential) native(scramble []byte) ([]byte, error) {
	if c.empty {
		return nil, nil
	}
	if !c.hasSHA1 {
		return nil, fmt.Errorf("%s: %w", pluginNative, errNoSecret)
	}
	stage2 := sha1.Sum(c.sha1[:]) //nolint:gosec // the plugin's own hash
	h := sha1.New()               //nolint:gosec // the plugin's own hash
	h.Write(scramble)
	h.Write(stage2[:])
	out := h.Sum(nil)
	subtle.XORBytes(out, out, c.sha1[:])
	return out, nil
}

// answer proves the user's identity to a node that uses plugin with the challenge data; secret says that nobody can read what is sent.
// Without the password, but with what mysql_native_password needs, other plugins get an empty answer: they refuse it, and the node goes on to the account's next one.
func (c *credential) answer(plugin string, data []byte, secret bool) ([]byte, error) {
	if plugin == pluginNative || c.empty && !c.hasPassword {
		return c.native(data)
	}
	if !c.hasPassword {
		if c.hasSHA1 {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: %w", plugin, errNoSecret)
	}
	switch plugin {
	case pluginEd25519:
		return gomysql.CalcEd25519Password(data, c.password)
	case pluginSHA2:
		return gomysql.CalcCachingSha2Password(data, []byte(c.password)), nil
	case pluginParsec:
		return nil, nil // It asks for the salt; the answer follows.
	case pluginClear:
		if !secret {
			return nil, fmt.Errorf("%s: %w", plugin, errNotSecure)
		}
		return append([]byte(c.password), 0), nil
	default:
		return nil, fmt.Errorf("the node asks for authentication by %q: %w", plugin, errRelay)
	}
}
