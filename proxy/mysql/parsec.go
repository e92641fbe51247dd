package mysql

import (
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// PARSEC (MariaDB 11.6; its documentation, "Authentication Plugin - PARSEC"): the server sends a challenge of 32 bytes, the client an empty packet, the server how the
// key is made of the password (a salt and the count of iterations), and the client 32 bytes of its own with its signature of both challenges.
const (
	parsecChallenge  = 32
	parsecSaltLen    = 18
	parsecHead       = 2   // 'P' for PBKDF2, and the exponent of the iterations above 1024.
	parsecIterations = 3   // The largest exponent that galley computes: 8192 iterations take a millisecond or three.
	parsecKDF        = 'P' // The only one that there is.
)

var errParsec = errors.New("parsec: malformed")

// parsecKey is a public key with what it was made with.
type parsecKey struct {
	salt []byte // 'P', the exponent, and the salt itself: as it goes over the wire.
	key  ed25519.PublicKey
}

// newParsecSalt makes what a password's key is to be made with.
func newParsecSalt() []byte {
	salt := make([]byte, parsecHead+parsecSaltLen)
	_, _ = rand.Read(salt) // Never fails (crypto/rand).
	salt[0], salt[1] = parsecKDF, 0
	return salt
}

// parsecSecret makes the private key of a password.
func parsecSecret(password string, salt []byte) (ed25519.PrivateKey, error) {
	if len(salt) <= parsecHead || salt[0] != parsecKDF || salt[1] > parsecIterations {
		return nil, fmt.Errorf("%w salt", errParsec)
	}
	seed, err := pbkdf2.Key(sha512.New, password, salt[parsecHead:], 1024<<salt[1], ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("parsec: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// newParsecKey makes the public key of a password.
func newParsecKey(password string, salt []byte) (*parsecKey, error) {
	secret, err := parsecSecret(password, salt)
	if err != nil {
		return nil, err
	}
	key, _ := secret.Public().(ed25519.PublicKey)
	return &parsecKey{salt: salt, key: key}, nil
}

// parseParsec reads an authentication string: P0:salt:key.
func parseParsec(stored string) (*parsecKey, error) {
	parts := strings.Split(stored, ":")
	if len(parts) != 3 || len(parts[0]) != 2 || parts[0][0] != parsecKDF || parts[0][1] < '0' || parts[0][1] > '9' {
		return nil, fmt.Errorf("%w authentication string", errParsec)
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[1])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || len(salt) == 0 || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w authentication string", errParsec)
	}
	return &parsecKey{salt: append([]byte{parsecKDF, parts[0][1] - '0'}, salt...), key: key}, nil
}

// verify checks a client's challenge and signature.
func (k *parsecKey) verify(p *proof) bool {
	if len(p.answer) != parsecChallenge+ed25519.SignatureSize {
		return false
	}
	signed := append(append([]byte(nil), p.scramble...), p.answer[:parsecChallenge]...)
	return ed25519.Verify(k.key, signed, p.answer[parsecChallenge:])
}

// parsecAnswer proves a password to a server that has sent a challenge and a salt; own is the client's challenge.
func parsecAnswer(password string, challenge, salt, own []byte) ([]byte, error) {
	secret, err := parsecSecret(password, salt)
	if err != nil {
		return nil, err
	}
	signed := append(append([]byte(nil), challenge...), own...)
	return append(append([]byte(nil), own...), ed25519.Sign(secret, signed)...), nil
}
