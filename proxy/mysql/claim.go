package mysql

import (
	"crypto/rand"
	"errors"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// proof is what a client has answered to which challenge.
type proof struct {
	plugin   string
	answer   []byte
	scramble []byte
	salt     []byte // What PARSEC's key was made with.
}

// claim is what a client has proved so far. Each plugin is asked for once only, however often the answer is held against accounts.
type claim struct {
	plugin string  // The one that the client began with.
	proofs []proof // The newest last.
}

// newClaim begins with what came with the login itself. It counts by the plugin of the greeting only: clients keep the greeting's challenge from other plugins, which
// then answer nothing (libmariadb and libmysqlclient: run_plugin_auth).
func newClaim(plugin, greeted string, answer, scramble []byte) *claim {
	c := &claim{plugin: plugin}
	if plugin == greeted {
		c.proofs = []proof{{plugin: plugin, answer: answer, scramble: scramble}}
	}
	return c
}

// has gives the proof by plugin; nil if there is none yet.
func (c *claim) has(plugin string) *proof {
	for i := range c.proofs {
		if c.proofs[i].plugin == plugin {
			return &c.proofs[i]
		}
	}
	return nil
}

// password says YES or NO in the server's words: whether the answer given last had a password in it.
func (c *claim) password() string {
	if n := len(c.proofs); n > 0 && len(c.proofs[n-1].answer) > 0 {
		return "YES"
	}
	return "NO"
}

// greetingPlugin is the plugin of a greeting in the name of a server: its own default, so that clients answer it at once.
func greetingPlugin(f *cluster.ServerFacts) string {
	if !mariaDB(f) && f.Version >= "8" {
		return pluginSHA2
	}
	return pluginNative
}

// challengeLen is the length of a plugin's challenge: 32 bytes without a closing NUL for MariaDB's, 20 with one for MySQL's.
func challengeLen(plugin string) int {
	if plugin == pluginEd25519 || plugin == pluginParsec {
		return 32
	}
	return wire.ScrambleLen
}

// askProof gives the client's proof by a plugin, asking the client for it if that has not been done (MY, "Protocol::AuthSwitchRequest"). The salt is PARSEC's.
// Its error is a *refusal, or one that ends the session.
func (s *session) askProof(c *claim, plugin string, salt []byte) (*proof, error) {
	if p := c.has(plugin); p != nil {
		return p, nil
	}
	if !s.caps.Has(wire.ClientPluginAuth) {
		return nil, &refusal{err: errors.New("the client knows no other plugins"), packet: &wire.ServerError{
			Code: codeOldClient, SQLState: "08004", Message: "Client does not support authentication protocol requested by server; consider upgrading MariaDB client",
		}}
	}
	data := append([]byte(nil), s.scr[:]...) // The client keeps it for COM_CHANGE_USER.
	if n := challengeLen(plugin); n > len(data) {
		more := make([]byte, n-len(data))
		_, _ = rand.Read(more) // Never fails (crypto/rand).
		data = append(data, more...)
	}
	sw := wire.AuthSwitch{Plugin: plugin, Data: data}
	answer, err := s.clientAnswer(sw.Append(nil))
	if err == nil && plugin == pluginParsec && len(answer) == 0 {
		answer, err = s.clientAnswer(salt)
	}
	if err != nil {
		return nil, err
	}
	c.proofs = append(c.proofs, proof{plugin: plugin, answer: answer, scramble: data, salt: salt})
	return &c.proofs[len(c.proofs)-1], nil
}

// clientAnswer sends a packet of the authentication and reads the answer to it.
func (s *session) clientAnswer(packet []byte) ([]byte, error) {
	if err := s.client.WritePacket(packet); err != nil {
		return nil, endSession(closeHandshake, err)
	}
	answer, err := s.client.ReadPacket(handshakePacketLimit)
	if err != nil {
		return nil, s.badHandshake(err)
	}
	return append([]byte(nil), answer...), nil
}
