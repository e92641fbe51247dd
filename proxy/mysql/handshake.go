package mysql

import (
	"crypto/rand"
	"strings"
	"time"

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
	l, greeted, err := s.greet(view)
	if err != nil {
		return err
	}
	if err := s.refuseCompression(l); err != nil {
		return err
	}
	s.caps = l.Capability
	if err := s.refusePlain(); err != nil {
		return err
	}
	next := &login{user: l.User, charset: l.Charset, caps: l.Capability &^ (wire.ClientConnectWithDB | ownToHop)}
	if !l.Capability.Has(wire.ClientPluginAuth) {
		l.Plugin, greeted = pluginNative, pluginNative // An old client knows no other.
	}
	if err := s.authenticate(next, newClaim(l.Plugin, greeted, l.Auth, s.scr[:])); err != nil {
		return s.denied(err)
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
	return s.compress(l)
}

// greet greets the client and gives its login, and the plugin that it was greeted with.
func (s *session) greet(view *cluster.View) (login *wire.Login, plugin string, err error) {
	offered := wire.Shared&capabilities(&view.Server) | offeredCompression(s.srv.config().Compression)
	s.scr = newScramble()
	g := wire.Greeting{
		Version: s.srv.version(&view.Server), ThreadID: s.id, Scramble: s.scr, Capability: offered,
		Charset: view.Server.Collation, Status: initialStatus(view.Server.SQLMode, view.Server.Autocommit), Plugin: greetingPlugin(&view.Server),
	}
	if !mariaDB(&view.Server) {
		g.Capability |= wire.ClientMySQL
	}
	secure := s.srv.tls.Config()
	if secure != nil {
		g.Capability |= wire.ClientSSL
	}
	if err := s.client.WritePacket(g.Append(nil)); err != nil {
		return nil, "", endSession(closeHandshake, err)
	}
	p, err := s.client.ReadPacket(loginLimit)
	if err != nil {
		return nil, "", s.badHandshake(err)
	}
	if p, err = s.secure(p, secure); err != nil {
		return nil, "", err
	}
	l, err := wire.ParseLogin(p, offered)
	if err != nil {
		return nil, "", s.badHandshake(err)
	}
	return &l, g.Plugin, nil
}

// begin starts the session's state afresh for a login.
func (s *session) begin(as *login, schema string, view *cluster.View) {
	l := new(login) // Others read it.
	*l = *as
	s.login = *l
	s.state = newState(schema)
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
	if l.expired {
		s.state.pins |= pinExpired
	}
	s.lostTies, s.hasTies, s.strayed, s.pinnedOn, s.last, s.after = 0, false, false, nil, nil, after{known: allParts, kept: allParts}
	s.stmts, s.lastStmt, s.prepared, s.issued = nil, nil, 0, 0
	s.shown.user.Store(&l.user)
	s.shown.schema.Store(&schema)
	s.shown.login.Store(l)
	s.showTimeout()
	s.showHold()
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
	began := time.Now()
	until := began.Add(s.srv.config().WaitForNode)
	defer s.stepOut()
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
		if !s.standing {
			s.spot = place{kind: lineLogin}
			c := s.srv.config()
			s.standing = s.srv.line.enter(&s.spot, c.MaxWaitingForNode, int64(c.MaxWaitingSize))
		}
		_ = s.client.SetDeadline(time.Now().Add(left + s.srv.config().HandshakeTimeout))
		timer := time.NewTimer(left)
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
		case <-s.spot.out:
			timer.Stop()
			_ = s.writeError(wire.NewError(codeTooManyConnections, "%s", crowdedError(s.srv, "login", time.Since(began)).Message))
			return nil, endSession(closeNoNode, nil)
		case <-s.srv.stopping.Done():
			timer.Stop()
			_ = s.writeError(errStopping())
			return nil, endSession(closeShutdown, nil)
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
