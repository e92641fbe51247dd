package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// nodeAuth is the rest of a login to a node, from galley's first packet to the node's OK. It does no I/O.
type nodeAuth struct {
	secret    *credential
	plugin    string // The one that is in use.
	challenge []byte
	secure    bool // Nobody else can read what is sent.
	takeKeys  bool // A node's public key is taken without proof that it is the node's.
}

// errAuthDone says that the node has let the user in.
var errAuthDone = errors.New("logged in")

// next takes a packet of the node and gives what is to be answered; no answer is due where send is false.
// Its error is errAuthDone, a *wire.ServerError, or that the login has failed.
func (a *nodeAuth) next(p []byte) (answer []byte, send bool, err error) {
	switch {
	case len(p) == 0:
		return nil, false, wire.ErrMalformed
	case p[0] == gomysql.OK_HEADER:
		return nil, false, errAuthDone
	case p[0] == gomysql.ERR_HEADER:
		return nil, false, wire.ParseErr(p)
	case p[0] == gomysql.EOF_HEADER:
		sw, err := wire.ParseAuthSwitch(p)
		if err != nil {
			return nil, false, err
		}
		a.plugin, a.challenge = sw.Plugin, sw.Data
		answer, err = a.secret.answer(sw.Plugin, sw.Data, a.secure)
		return answer, err == nil, err
	case p[0] == gomysql.MORE_DATE_HEADER && a.plugin == pluginSHA2:
		return a.sha2(p[1:])
	case p[0] == parsecKDF && a.plugin == pluginParsec:
		if !a.secret.hasPassword {
			return nil, true, nil
		}
		var own [parsecChallenge]byte
		_, _ = rand.Read(own[:]) // Never fails (crypto/rand).
		answer, err = parsecAnswer(a.secret.password, a.challenge, p, own[:])
		return answer, err == nil, err
	}
	return nil, false, wire.ErrMalformed
}

// sha2 goes on with caching_sha2_password (MY, "Caching SHA-2 Pluggable Authentication"): 3 is success, 4 asks for the password itself. It is sent as it is where nobody else can
// read it, else encrypted by the public key that 2 asks for, if such a key is to be trusted.
func (a *nodeAuth) sha2(p []byte) ([]byte, bool, error) {
	if len(p) == 1 && p[0] == gomysql.CACHE_SHA2_FAST_AUTH {
		return nil, false, nil
	}
	if !a.secret.hasPassword {
		return nil, false, fmt.Errorf("%s: %w", pluginSHA2, errNoSecret)
	}
	if len(p) == 1 && p[0] == gomysql.CACHE_SHA2_FULL_AUTH {
		switch {
		case a.secure:
			return append([]byte(a.secret.password), 0), true, nil
		case a.takeKeys:
			return []byte{2}, true, nil
		}
		return nil, false, fmt.Errorf("%s: %w", pluginSHA2, errNotSecure)
	}
	if !a.takeKeys {
		return nil, false, wire.ErrMalformed // It was not asked for a key.
	}
	block, _ := pem.Decode(p)
	if block == nil {
		return nil, false, errors.New("caching_sha2_password: the node sent no public key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, false, fmt.Errorf("caching_sha2_password: the node's public key: %w", err)
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, false, errors.New("caching_sha2_password: the node's public key is not of RSA")
	}
	cipher, err := gomysql.EncryptPassword(a.secret.password, a.challenge, pub)
	if err != nil {
		return nil, false, fmt.Errorf("caching_sha2_password: %w", err)
	}
	return cipher, true, nil
}

// secure says whether nobody but the node can read what is sent on a connection to it.
func secure(c *wire.Conn) bool {
	_, local := c.NetConn().(*net.UnixConn)
	return local || c.Secured()
}
