package mysqltest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the plugin's own hash
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/wire"
)

// parsec is the plugin of that name, in client and server alike.
const parsec = "parsec"

// ParsecString makes the authentication string of a password, as the server stores it.
func ParsecString(password string) string {
	salt := []byte("eighteen bytes yes")
	return "P0:" + base64.RawStdEncoding.EncodeToString(salt) + ":" +
		base64.RawStdEncoding.EncodeToString(parsecKey(password, salt, 0).Public().(ed25519.PublicKey))
}

func parsecKey(password string, salt []byte, exponent byte) ed25519.PrivateKey {
	seed, err := pbkdf2.Key(sha512.New, password, salt, 1024<<exponent, ed25519.SeedSize)
	if err != nil {
		panic(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// proof is a client's answer to a challenge.
func proof(plugin, password string, challenge []byte) ([]byte, error) {
	switch {
	case password == "" || plugin == parsec:
		return nil, nil
	case plugin == gomysql.AUTH_NATIVE_PASSWORD:
		return gomysql.CalcNativePassword(challenge, []byte(password)), nil
	case plugin == gomysql.AUTH_CACHING_SHA2_PASSWORD:
		return gomysql.CalcCachingSha2Password(challenge, []byte(password)), nil
	case plugin == gomysql.AUTH_MARIADB_ED25519:
		return gomysql.CalcEd25519Password(challenge, password)
	default:
		return []byte("answer of " + plugin), nil
	}
}

// authenticate reads on to the OK.
func (c *Client) authenticate(password string) error {
	var sw wire.AuthSwitch
	for {
		p, err := c.s.read()
		switch {
		case err != nil:
			return err
		case p[0] == 0:
			return nil
		case p[0] == 0xff:
			return wire.ParseErr(p)
		case p[0] == 1:
			c.Told = append(c.Told, string(p[1:]))
			continue
		case p[0] == 'P' && sw.Plugin == parsec:
			own := bytes.Repeat([]byte("c"), 32)
			signature := ed25519.Sign(parsecKey(password, p[2:], p[1]), append(append([]byte(nil), sw.Data...), own...))
			if err := c.s.write(append(own, signature...)); err != nil {
				return err
			}
			continue
		case p[0] != 0xfe:
			return fmt.Errorf("%x in place of an OK", p[0])
		}
		if sw, err = wire.ParseAuthSwitch(p); err != nil {
			return err
		}
		c.Switched = sw.Plugin
		c.Switches = append(c.Switches, sw.Plugin)
		answer, err := proof(sw.Plugin, password, sw.Data)
		if err != nil {
			return err
		}
		if err := c.s.write(answer); err != nil {
			return err
		}
	}
}

// authentic checks the login against the node's users.
func (c *Conn) authentic(l *wire.Login, scramble []byte) bool {
	c.Node.mu.Lock()
	u, ok := c.Node.users[l.User]
	everybody := len(c.Node.users) == 0
	c.Node.attrs = l.Attrs
	c.Node.mu.Unlock()
	if everybody {
		return true
	}
	if !ok {
		return false
	}
	first := u.Plugin
	if first == "" {
		first = gomysql.AUTH_NATIVE_PASSWORD
	}
	for i, plugin := range append([]string{first}, u.Then...) {
		answer, challenge := l.Auth, scramble
		if i > 0 || plugin != l.Plugin {
			var err error
			if answer, challenge, err = c.switchTo(plugin, scramble); err != nil {
				return false
			}
		}
		if good, err := c.proves(plugin, &u, answer, challenge); good || err != nil {
			return good
		}
	}
	return false
}

// switchTo asks for another plugin.
func (c *Conn) switchTo(plugin string, scramble []byte) (answer, challenge []byte, err error) {
	challenge = scramble
	if plugin == gomysql.AUTH_MARIADB_ED25519 || plugin == parsec {
		challenge = append(bytes.Repeat([]byte("e"), 31), 0) // Challenges may end in a NUL.
	}
	sw := wire.AuthSwitch{Plugin: plugin, Data: challenge}
	if err := c.s.write(sw.Append(nil)); err != nil {
		return nil, nil, err
	}
	answer, err = c.s.read()
	return append([]byte(nil), answer...), challenge, err
}

// proves checks an answer; its error is that of the connection.
func (c *Conn) proves(plugin string, u *User, answer, challenge []byte) (bool, error) {
	switch plugin {
	case gomysql.AUTH_MARIADB_ED25519:
		want, err := gomysql.CalcEd25519Password(challenge, u.Password)
		return err == nil && bytes.Equal(answer, want), nil
	case parsec:
		salt := []byte("salted")
		if err := c.s.write(append([]byte{'P', 1}, salt...)); err != nil {
			return false, err
		}
		answer, err := c.s.read()
		if err != nil || len(answer) != 96 {
			return false, err
		}
		key := parsecKey(u.Password, salt, 1).Public().(ed25519.PublicKey)
		return ed25519.Verify(key, append(append([]byte(nil), challenge...), answer[:32]...), answer[32:]), nil
	case gomysql.AUTH_CACHING_SHA2_PASSWORD:
		if u.Key == nil {
			return bytes.Equal(answer, gomysql.CalcCachingSha2Password(challenge, []byte(u.Password))), c.s.write([]byte{1, 3})
		}
		return c.fullSHA2(u, challenge)
	}
	return bytes.Equal(answer, gomysql.CalcNativePassword(challenge, []byte(u.Password))), nil
}

// fullSHA2 wants the password itself, encrypted by the key that the client asks for.
func (c *Conn) fullSHA2(u *User, challenge []byte) (bool, error) {
	if err := c.s.write([]byte{1, 4}); err != nil {
		return false, err
	}
	asked, err := c.s.read()
	if err != nil || len(asked) != 1 || asked[0] != 2 {
		return false, errors.Join(err, errors.New("the client did not ask for the key"))
	}
	der, err := x509.MarshalPKIXPublicKey(&u.Key.PublicKey)
	if err != nil {
		return false, err
	}
	if err := c.s.write(append([]byte{1}, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)); err != nil {
		return false, err
	}
	cipher, err := c.s.read()
	if err != nil {
		return false, err
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, u.Key, cipher, nil) //nolint:gosec // the plugin's own hash
	if err != nil {
		return false, nil //nolint:nilerr // a wrong answer, not a broken connection
	}
	for i := range plain {
		plain[i] ^= challenge[i%len(challenge)]
	}
	return string(plain) == u.Password+"\x00", nil
}
