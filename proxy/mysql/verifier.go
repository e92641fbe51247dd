package mysql

import (
	"crypto/ed25519"
	"crypto/sha1" //nolint:gosec // mysql_native_password is made of SHA1
	"crypto/subtle"
	"encoding/base64"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
)

// verifier checks proofs by one plugin.
type verifier struct {
	plugin string // As clients call it.
	salt   []byte // What the client is told of PARSEC's key.
	// check says whether a proof is right, and gives what it reveals.
	check func(p *proof) (credential, bool)
}

// verifierOf makes the verifier of one of an account's methods; it is false for plugins that galley does not know.
func verifierOf(m cluster.AuthMethod) (verifier, bool) {
	switch m.Plugin {
	case pluginNative, "":
		return verifier{plugin: pluginNative, check: func(p *proof) (credential, bool) { return verifyNative(p.answer, p.scramble, m.AuthString) }}, true
	case storedEd25519:
		return verifier{plugin: pluginEd25519, check: func(p *proof) (credential, bool) {
			return credential{}, verifyEd25519(p.answer, p.scramble, m.AuthString)
		}}, true
	case pluginParsec:
		k, err := parseParsec(m.AuthString)
		if err != nil {
			return verifier{plugin: pluginParsec, salt: newParsecSalt(), check: func(*proof) (credential, bool) { return credential{}, false }}, true
		}
		return verifier{plugin: pluginParsec, salt: k.salt, check: func(p *proof) (credential, bool) { return credential{}, k.verify(p) }}, true
	}
	return verifier{}, false
}

// passwordVerifier makes the verifier by one of the plugins that galley knows for a password that it has.
func passwordVerifier(plugin, password string) verifier {
	v := verifier{plugin: plugin}
	check := func(*proof) bool { return false }
	switch plugin {
	case pluginSHA2:
		check = func(p *proof) bool {
			return same(p.answer, gomysql.CalcCachingSha2Password(p.scramble, []byte(password)))
		}
	case pluginEd25519:
		check = func(p *proof) bool {
			want, err := gomysql.CalcEd25519Password(p.scramble, password) // Signatures are the same each time.
			return err == nil && same(p.answer, want)
		}
	case pluginParsec:
		v.salt = newParsecSalt()
		check = func(p *proof) bool {
			k, err := newParsecKey(password, p.salt)
			return err == nil && k.verify(p)
		}
	default:
		check = func(p *proof) bool { return same(p.answer, gomysql.CalcNativePassword(p.scramble, []byte(password))) }
	}
	v.check = func(p *proof) (credential, bool) {
		if password == "" {
			return credential{}, len(p.answer) == 0
		}
		return credential{}, check(p)
	}
	return v
}

func same(answer, want []byte) bool { return subtle.ConstantTimeCompare(answer, want) == 1 }

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
	return c, same(again[:], want)
}

// verifyEd25519 checks a client's signature of scramble against the stored public key (MariaDB: plugin/auth_ed25519/server_ed25519.c).
func verifyEd25519(answer, scramble []byte, stored string) bool {
	key, err := base64.RawStdEncoding.DecodeString(stored)
	if err != nil || len(key) != ed25519.PublicKeySize || len(answer) != ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(key, scramble, answer)
}
