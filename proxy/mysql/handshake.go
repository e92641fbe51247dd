package mysql

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/cluster"
	"galley/proxy/mysql/classify"
	"galley/proxy/mysql/wire"
)

// loginLimit bounds a client's login, in bytes: connection attributes may have 64 KB.
const loginLimit = 128 << 10

// ownToHop are the flags that clients and nodes do not agree on through galley: each hop has its own compression and TLS.
const ownToHop = anyCompression | wire.ClientSSL

// handshake greets the client, takes its login and checks it, so that the session can begin. Its error ends the session; the client has been told.
func (s *session) handshake() error {
	if err := s.client.SetDeadline(time.Now().Add(s.srv.config().HandshakeTimeout)); err != nil {
		return endSession(closeHandshake, err)
	}
	view, err := s.firstView()
	if err != nil {
		return err
	}
	offered := wire.Shared&capabilities(&view.Server) | offeredCompression(s.srv.config().Compression)
	s.scr = newScramble()
	g := wire.Greeting{
		Version: s.srv.version(&view.Server), ThreadID: s.id, Scramble: s.scr, Capability: offered,
		Charset: view.Server.Collation, Status: initialStatus(view.Server.SQLMode, view.Server.Autocommit), Plugin: pluginNative,
	}
	if !mariaDB(&view.Server) {
		g.Capability |= wire.ClientMySQL
	}
	if err := s.client.WritePacket(g.Append(nil)); err != nil {
		return endSession(closeHandshake, err)
	}
	p, err := s.client.ReadPacket(loginLimit)
	if err != nil {
		return s.badHandshake(err)
	}
	l, err := wire.ParseLogin(p, offered)
	if err != nil {
		return s.badHandshake(err)
	}
	if err := s.refuseCompression(&l); err != nil {
		return err
	}
	s.caps = l.Capability
	if len(p) <= 32 {
		return s.badHandshake(errors.New("TLS was asked for, which was not offered"))
	}
	next := login{user: l.User, charset: l.Charset, attrs: l.Attrs, caps: l.Capability &^ (wire.ClientConnectWithDB | ownToHop)}
	if next.secret, err = s.authenticate(l.User, l.Plugin, l.Auth); err != nil {
		return err
	}
	s.begin(next, l.Schema, view)
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.client.SetDeadline(time.Time{}); err != nil {
		return endSession(closeHandshake, err)
	}
	if err := s.writeOK(); err != nil {
		return err
	}
	return s.compress(&l)
}

// begin starts the session's state afresh for a login.
func (s *session) begin(l login, schema string, view *cluster.View) {
	s.login = l
	s.state = newState(schema)
	s.loginVersion = s.state.version
	s.status = initialStatus(view.Server.SQLMode, view.Server.Autocommit)
	s.loginMode = classify.ModeOf(view.Server.SQLMode, "utf8mb4")
	switch {
	case unsafeCollation(l.charset):
		s.loginMode |= classify.UnsafeCharset
	case l.charset == 10 || l.charset == 82: // swe7
		s.loginMode |= classify.NotASCII
	}
	if charset := view.Server.ClientCharset; charset != "" {
		s.loginMode |= classify.ModeOf("", charset) // With skip-character-set-client-handshake it is the session's, whatever the client asks for.
	}
	s.reading = s.state.read(s.loginMode)
	s.ties, s.lostTies, s.pinnedOn = 0, 0, nil
	s.stmts, s.lastStmt, s.prepared, s.issued = nil, nil, 0, 0
	s.shown.user.Store(&l.user)
	s.shown.schema.Store(&schema)
	s.shown.login.Store(&l)
	s.showTimeout()
}

// initialStatus gives the status flags of a new session under the global sql_mode and autocommit.
func initialStatus(sqlMode string, autocommit bool) uint16 {
	status := uint16(0)
	if autocommit {
		status |= wire.StatusAutocommit
	}
	for mode := range strings.SplitSeq(sqlMode, ",") {
		switch mode {
		case "ANSI_QUOTES":
			status |= wire.StatusAnsiQuotes
		case "NO_BACKSLASH_ESCAPES":
			status |= wire.StatusNoBackslashEscape
		}
	}
	return status
}

func capabilities(f *cluster.ServerFacts) wire.Capability {
	return wire.Capability(f.Capabilities) | wire.Capability(f.ExtendedCaps)<<32
}

func mariaDB(f *cluster.ServerFacts) bool { return strings.Contains(f.Version, "MariaDB") }

// newScramble makes a challenge of printable characters, as the server does (MariaDB: thd_create_random_password in sql/sql_acl.cc): no NUL, no '$'.
func newScramble() (s [wire.ScrambleLen]byte) {
	_, _ = rand.Read(s[:]) // Never fails (crypto/rand).
	for i := range s {
		if s[i] = '!' + s[i]%93; s[i] == '$' {
			s[i] = '~'
		}
	}
	return s
}

// firstView waits until there is a node, for a greeting in its name.
func (s *session) firstView() (*cluster.View, error) {
	until := time.Now().Add(s.srv.config().WaitForNode)
	for {
		changed := s.srv.cluster.Changed()
		view := s.srv.cluster.View()
		if view.Server.Greeting != "" && (view.Writer >= 0 || len(view.Readers) > 0) {
			return view, nil
		}
		left := time.Until(until)
		if left <= 0 {
			_ = s.writeError(wire.NewError(codeTooManyConnections, "galley: no node of the cluster can be used now (%s); see the status page or 'galley check'", view.WriterReason))
			return nil, endSession(closeNoNode, nil)
		}
		_ = s.client.SetDeadline(time.Now().Add(left + s.srv.config().HandshakeTimeout))
		timer := time.NewTimer(left)
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return nil, endSession(closeShutdown, nil)
		}
	}
}

func (s *session) badHandshake(err error) error {
	_ = s.writeError(wire.NewError(codeHandshake, "Bad handshake"))
	return endSession(closeHandshake, err)
}

// authenticate checks a client's proof of identity and gives what galley can log in to nodes with. It is asked again with freshly imported accounts before it refuses.
func (s *session) authenticate(user, plugin string, answer []byte) (credential, error) {
	proof := proof{plugin: plugin, answer: answer, scramble: s.scr[:]}
	for _, fresh := range []bool{false, true} {
		if fresh {
			if err := s.srv.accounts.Refresh(s.ctx); err != nil {
				s.srv.log.Debug("accounts could not be imported anew", "error", err)
			}
		}
		account, ok := s.findAccount(user)
		if !ok {
			continue
		}
		c, err := s.verify(account, &proof)
		if err == nil {
			s.access = account.Access
			return c, nil
		}
		if !errors.Is(err, errDenied) {
			return credential{}, err
		}
	}
	s.srv.log.Info("access denied", "session", s.id, "user", user, "client", s.shown.addr)
	using := "NO"
	if len(proof.answer) > 0 {
		using = "YES"
	}
	_ = s.writeError(wire.NewError(codeAccessDenied, "Access denied for user '%s'@'%s' (using password: %s)", user, s.clientHost(), using))
	return credential{}, endSession(closeAccessDenied, nil)
}

// errDenied says that a proof does not fit an account.
var errDenied = errors.New("access denied")

// proof is what a client has answered to which challenge.
type proof struct {
	plugin   string
	answer   []byte
	scramble []byte
}

// verify checks a proof against an account, asking the client for another plugin where the account needs one.
func (s *session) verify(a *cluster.Account, p *proof) (credential, error) {
	if a.Locked {
		_ = s.writeError(&wire.ServerError{Code: codeAccountLocked, SQLState: "HY000", Message: "Access denied, this account is locked"})
		return credential{}, endSession(closeAccessDenied, errors.New("account locked"))
	}
	if a.SSL != cluster.SSLNone {
		_ = s.writeError(wire.NewError(codeAccessDenied, "galley: '%s'@'%s' may only connect by TLS (REQUIRE), which galley does not offer yet", a.User, a.Host))
		return credential{}, endSession(closeAccessDenied, errors.New("the account requires TLS"))
	}
	if a.FromConfig {
		password := a.Password
		stored := ""
		if password != "" {
			stored = gomysql.EncodePasswordHex(gomysql.NativePasswordHash([]byte(password)))
		}
		return s.verifyNative(p, stored, passwordCredential(password))
	}
	denied, right := false, false
	for _, m := range a.Methods {
		switch m.Plugin {
		case pluginNative, "":
			denied = true
			if c, err := s.verifyNative(p, m.AuthString, credential{}); !errors.Is(err, errDenied) {
				return c, err
			}
		case storedEd25519:
			if err := s.askPlugin(p, pluginEd25519, 32); err != nil {
				return credential{}, err
			}
			denied = true
			// A right password that galley does not get to know.
			right = right || verifyEd25519(p.answer, p.scramble, m.AuthString)
		}
	}
	if denied && !right {
		return credential{}, errDenied
	}
	plugins := make([]string, 0, len(a.Methods))
	for _, m := range a.Methods {
		plugins = append(plugins, m.Plugin)
	}
	_ = s.writeError(wire.NewError(codeAccessDenied,
		"galley cannot log in to the nodes as '%s'@'%s', which uses %s: give the account's password under mysql.users in galley's configuration, or use mysql_native_password",
		a.User, a.Host, strings.Join(plugins, ", ")))
	return credential{}, endSession(closeAccessDenied, fmt.Errorf("account %s@%s: %s cannot be relayed", a.User, a.Host, strings.Join(plugins, ", ")))
}

// verifyNative checks mysql_native_password. With a password that is configured, known is what galley logs in with; else the client's answer reveals it.
func (s *session) verifyNative(p *proof, stored string, known credential) (credential, error) {
	if err := s.askPlugin(p, pluginNative, wire.ScrambleLen); err != nil {
		return credential{}, err
	}
	c, ok := verifyNative(p.answer, p.scramble, stored)
	if !ok {
		return credential{}, errDenied
	}
	if known.hasPassword {
		c = known
	}
	return c, nil
}

// askPlugin sees to it that the client's answer is one of plugin's, with a challenge of n bytes, asking anew if it is not.
func (s *session) askPlugin(p *proof, plugin string, n int) error {
	if p.plugin == plugin || p.plugin == "" && plugin == pluginNative {
		return nil
	}
	data := append([]byte(nil), s.scr[:]...) // The client keeps it for COM_CHANGE_USER.
	if n > len(data) {
		more := newScramble()
		data = append(data, more[:]...)[:n]
	}
	sw := wire.AuthSwitch{Plugin: plugin, Data: data}
	packet := sw.Append(nil)
	if plugin == pluginEd25519 {
		packet = packet[:len(packet)-1] // Its challenge has no closing NUL (MariaDB: plugin/auth_ed25519/server_ed25519.c).
	}
	if err := s.client.WritePacket(packet); err != nil {
		return endSession(closeHandshake, err)
	}
	answer, err := s.client.ReadPacket(handshakePacketLimit)
	if err != nil {
		return s.badHandshake(err)
	}
	*p = proof{plugin: plugin, answer: append([]byte(nil), answer...), scramble: data}
	return nil
}
