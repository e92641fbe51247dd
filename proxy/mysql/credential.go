package mysql

import (
	"crypto/ed25519"
	"crypto/sha1" //nolint:gosec // mysql_native_password is made of SHA1
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// The authentication plugins that galley knows.
const (
	pluginNative  = gomysql.AUTH_NATIVE_PASSWORD
	pluginEd25519 = gomysql.AUTH_MARIADB_ED25519
	pluginSHA2    = gomysql.AUTH_CACHING_SHA2_PASSWORD
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

// verifyNative checks a client's answer to scramble against the stored "*HEX" of SHA1(SHA1(password)), and gives what it reveals.
func verifyNative(answer, scramble []byte, stored string) (credential, bool) {
	if stored == "" {
		return credential{empty: true}, len(answer) == 0
	}
	want, err := gomysql.DecodePasswordHex(stored)
	if err != nil || len(answer) != sha1.Size || len(want) != sha1.Size {
		return credential{}, false
	}
	// answer = SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))).
	h := sha1.New() //nolint:gosec // the plugin's own hash
	h.Write(scramble)
	h.Write(want)
	var c credential
	subtle.XORBytes(c.sha1[:], h.Sum(nil), answer)
	c.hasSHA1 = true
	again := sha1.Sum(c.sha1[:]) //nolint:gosec // the plugin's own hash
	return c, subtle.ConstantTimeCompare(again[:], want) == 1
}

// verifyEd25519 checks a client's signature of scramble against the stored public key (MariaDB: plugin/auth_ed25519/server_ed25519.c).
func verifyEd25519(answer, scramble []byte, stored string) bool {
	key, err := base64.RawStdEncoding.DecodeString(stored)
	if err != nil || len(key) != ed25519.PublicKeySize || len(answer) != ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(key, scramble, answer)
}

// errNoSecret says that the node asks for a proof that galley cannot give.
var errNoSecret = errors.New("the account's password is not known to galley: give it under mysql.users in the configuration")

// answer proves the user's identity to a node that uses plugin with the challenge data.
func (c *credential) answer(plugin string, data []byte) ([]byte, error) {
	if c.empty {
		return nil, nil
	}
	switch plugin {
	case pluginNative:
		if !c.hasSHA1 {
			return nil, fmt.Errorf("%s: %w", plugin, errNoSecret)
		}
		stage2 := sha1.Sum(c.sha1[:]) //nolint:gosec // the plugin's own hash
		h := sha1.New()               //nolint:gosec // the plugin's own hash
		h.Write(data)
		h.Write(stage2[:])
		out := h.Sum(nil)
		subtle.XORBytes(out, out, c.sha1[:])
		return out, nil
	case pluginEd25519:
		if !c.hasPassword {
			return nil, fmt.Errorf("%s: %w", plugin, errNoSecret)
		}
		return gomysql.CalcEd25519Password(data, c.password)
	case pluginSHA2:
		if !c.hasPassword {
			return nil, fmt.Errorf("%s: %w", plugin, errNoSecret)
		}
		return gomysql.CalcCachingSha2Password(data, []byte(c.password)), nil
	default:
		return nil, fmt.Errorf("the node asks for authentication by %q, which galley cannot relay: use mysql_native_password for this account", plugin)
	}
}
