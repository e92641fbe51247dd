package mysql

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// refusal is why a client may not log in, for it and for the log.
type refusal struct {
	packet *wire.ServerError
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

// errDenied says that a proof does not fit an account.
var errDenied = errors.New("access denied")

// authenticate checks a client's claim to be l.user, and puts into l what galley can log in to nodes with as that user. Before it refuses, it looks at freshly imported
// accounts, and before it asks an unknown user for anything: the plugin may be another one than the account's that is just there, and few clients understand a second
// switch (go-sql-driver/mysql: handleAuthResult; mysqlnd knows no ed25519). Its error is a *refusal, of which the client has not been told, or one that ends the session.
func (s *session) authenticate(l *login, c *claim) error {
	var refused, blind error
	for _, fresh := range []bool{false, true} {
		if fresh {
			if blind = s.refreshAccounts(); blind != nil && s.srv.stopping.Err() != nil {
				return &refusal{err: errShuttingDown, packet: errStopping()}
			}
		}
		account, known := s.findAccount(l.user)
		switch {
		case known:
		case !fresh:
			continue
		default:
			account = s.srv.decoy(l.user)
		}
		secret, err := s.verify(account, c)
		switch {
		case err == nil && !known:
			err = errDenied
		case err == nil && !secret.usable():
			err = s.unusable(account)
		}
		if err == nil {
			l.secret = secret
			return s.admit(l, account, c)
		}
		if _, over := errors.AsType[*errSession](err); over {
			return err
		}
		refused = err
	}
	if errors.Is(refused, errDenied) {
		r := s.accessDenied(l.user, c)
		if blind != nil {
			r.err = &blindError{blind}
		}
		return r
	}
	return refused
}

// refreshAccounts waits for accounts that are imported from now on, unless galley stops.
func (s *session) refreshAccounts() error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(s.srv.stopping, cancel)()
	return s.srv.accounts.Refresh(ctx)
}

// blindError is [errDenied] where galley could not look whether the cluster has such an account: for the log.
type blindError struct{ cause error }

func (e *blindError) Error() string {
	return fmt.Sprintf("galley knows no such user and password, and cannot see those of the cluster: %v", e.cause)
}

func (e *blindError) Unwrap() error { return errDenied }

// accessDenied is the server's word for a wrong password, an unknown user, and missing TLS.
func (s *session) accessDenied(user string, c *claim) *refusal {
	return &refusal{
		err: errDenied, packet: wire.NewError(codeAccessDenied, "Access denied for user '%s'@'%s' (using password: %s)", user, s.clientHost(), c.password()),
	}
}

// denied tells the client of a refusal and ends the session.
func (s *session) denied(err error) error {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	s.logRefusal(refused)
	_ = s.writeError(refused.packet)
	return endSession(closeAccessDenied, refused.err)
}

// logRefusal logs a refusal, but not each one of a flood.
func (s *session) logRefusal(r *refusal) {
	if n, tell := s.srv.refusals.note(s.clientHost(), time.Now()); tell {
		level := hclog.Info
		if _, blind := errors.AsType[*blindError](r.err); blind {
			level = hclog.Warn
		}
		s.srv.log.Log(level, "access denied", "session", s.id, "client", s.shown.addr, "reason", r.err, "told", r.packet.Message, "from_this_host", n)
	}
}

// decoy stands in for an account that does not exist, so that an unknown user is asked what a known one would be (MariaDB: sql/sql_acl.cc, find_mpvio_user).
// It is always the same one for a name, and its proof is never good.
func (s *Server) decoy(user string) *cluster.Account {
	all := s.accounts.Snapshot().All()
	if len(all) == 0 {
		return &cluster.Account{User: user, Methods: []cluster.AuthMethod{{Plugin: pluginNative, AuthString: "-"}}}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(user)) // Never fails (hash.Hash).
	a := *all[int(h.Sum32()%uint32(len(all)))]
	a.User = user
	return &a
}

// admit says whether an account whose user has proved to be it may log in now, in the server's order (MariaDB: sql/sql_acl.cc, acl_authenticate), and notes it as the session's.
func (s *session) admit(l *login, a *cluster.Account, c *claim) error {
	server := &s.srv.cluster.View().Server
	if !s.transportSuits(a) {
		r := s.accessDenied(l.user, c)
		r.err = fmt.Errorf("account %s@%s may only connect by TLS (REQUIRE): %s", a.User, a.Host, s.transport)
		return r
	}
	if a.Locked {
		return &refusal{
			err: fmt.Errorf("account %s@%s is locked", a.User, a.Host), packet: &wire.ServerError{Code: codeAccountLocked, SQLState: "HY000", Message: "Access denied, this account is locked"},
		}
	}
	expired := !a.FromConfig && a.Expired(time.Now(), server.PasswordLifetime)
	if expired && server.StrictPasswordExpiry && !s.caps.Has(wire.ClientExpiredPasswords) {
		return &refusal{err: fmt.Errorf("the password of account %s@%s has expired", a.User, a.Host), packet: &wire.ServerError{
			Code: codeExpired, SQLState: "HY000", Message: "Your password has expired. To log in you must change it using a client that supports expired passwords",
		}}
	}
	if packet := s.srv.users.enter(a, server.MaxUserConnections, s.srv.config().LimitOf(a.User).MaxConnections); packet != nil {
		return &refusal{err: fmt.Errorf("account %s@%s has too many connections", a.User, a.Host), packet: packet}
	}
	s.leaveUser()
	s.account, s.access = a, a.Access
	l.expired, l.defaults = expired, accountDefaults(a)
	l.conns = nodeLimit(a, server.MaxUserConnections)
	l.account = accountRow{user: a.User, host: a.Host, fingerprint: a.Fingerprint}
	s.address(l, a)
	if p := c.has(pluginSHA2); a.FromConfig && p != nil && len(p.answer) > 0 {
		if err := s.client.WritePacket([]byte{1, 3}); err != nil { // The plugin's own word that the password was right, in front of the OK.
			return endSession(closeHandshake, err)
		}
	}
	return nil
}

// nodeLimit is how many conns of an account galley may have open to a node, by max_user_connections; one is left for KILL. 0 is no limit.
func nodeLimit(a *cluster.Account, all int) int {
	n := a.MaxUserConnections
	if n == 0 && a.Access&ignoresUserLimit == 0 {
		n = all
	}
	if n <= 0 {
		return 0
	}
	return max(1, n-1)
}

// leaveUser gives back the session's place among its account's connections.
func (s *session) leaveUser() {
	if s.account != nil {
		s.srv.users.leave(s.account)
		s.account = nil
	}
}

// accountDefaults is what each backend conn of an account begins with, for the end of a SET: the server sets it at a login, and forgets it at COM_RESET_CONNECTION.
func accountDefaults(a *cluster.Account) string {
	if a.MaxStatementTime <= 0 {
		return ""
	}
	return fmt.Sprintf(", max_statement_time=%.6f", a.MaxStatementTime.Seconds())
}

// verify checks a claim against an account, asking the client for what the account's plugins need. The credential is not usable where the password is right and galley does
// not get to know it. Its error is errDenied, a *refusal, or one that ends the session.
func (s *session) verify(a *cluster.Account, c *claim) (credential, error) {
	if a.FromConfig {
		return s.verifyConfigured(a, c)
	}
	asked, right := false, false
	for _, m := range usableFirst(a.Methods) {
		v, ok := verifierOf(m)
		if !ok {
			continue
		}
		asked = true
		p, err := s.askProof(c, v.plugin, v.salt)
		if err != nil {
			return credential{}, err
		}
		secret, ok := v.check(p)
		switch {
		case ok && secret.usable():
			return secret, nil
		case ok:
			right = true
		}
	}
	switch {
	case !asked:
		return credential{}, s.unusable(a)
	case !right:
		return credential{}, errDenied
	}
	return credential{}, nil
}

// verifyConfigured checks a claim by the password that the configuration has. Any plugin proves it as well as another: the client's own is taken where galley knows it.
func (s *session) verifyConfigured(a *cluster.Account, c *claim) (credential, error) {
	plugin := c.plugin
	switch plugin {
	case pluginNative, pluginSHA2, pluginEd25519, pluginParsec:
	default:
		plugin = greetingPlugin(&s.srv.cluster.View().Server)
	}
	v := passwordVerifier(plugin, a.Password)
	p, err := s.askProof(c, plugin, v.salt)
	if err != nil {
		return credential{}, err
	}
	if _, ok := v.check(p); !ok {
		return credential{}, errDenied
	}
	return passwordCredential(a.Password), nil
}

// usableFirst orders an account's methods as the server does, but for those whose proof lets galley log in to nodes, which come first: with one of them the others
// need not be asked for.
func usableFirst(methods []cluster.AuthMethod) []cluster.AuthMethod {
	out := slices.Clone(methods)
	slices.SortStableFunc(out, func(x, y cluster.AuthMethod) int { return isNative(y) - isNative(x) })
	return out
}

func isNative(m cluster.AuthMethod) int {
	if m.Plugin == pluginNative || m.Plugin == "" {
		return 1
	}
	return 0
}

// unusable refuses an account as which galley cannot log in to nodes, and says what to do.
func (s *session) unusable(a *cluster.Account) *refusal {
	plugins := make([]string, 0, len(a.Methods))
	for _, m := range a.Methods {
		plugins = append(plugins, m.Plugin)
	}
	used := strings.Join(plugins, ", ")
	r := &refusal{err: fmt.Errorf("account %s@%s: %s cannot be relayed", a.User, a.Host, used)}
	switch {
	case used == pluginSocket:
		r.packet = &wire.ServerError{
			Code: codeAccessDeniedNoPass, SQLState: "28000", Message: fmt.Sprintf("Access denied for user '%s'@'%s' (galley: unix_socket is for the node's own machine; "+
				"let the account have a password too, IDENTIFIED VIA unix_socket OR mysql_native_password)", a.User, s.clientHost()),
		}
	case len(plugins) == 1 && !foreign(used):
		r.packet = &wire.ServerError{Code: codePluginNotLoaded, SQLState: "HY000", Message: fmt.Sprintf("Plugin '%s' is not loaded", used)}
	case slices.ContainsFunc(plugins, needsPassword):
		r.packet = wire.NewError(codeAccessDenied,
			"galley cannot log in to the nodes as '%s'@'%s', which uses %s: give the account's password under mysql.users in galley's configuration, or use mysql_native_password",
			a.User, a.Host, used)
	default:
		r.packet = wire.NewError(codeAccessDenied, "galley cannot relay %s, which '%s'@'%s' uses: let the account have mysql_native_password too (IDENTIFIED VIA … OR …)", used, a.User, a.Host)
	}
	return r
}

// needsPassword are the plugins by which galley can log in to a node if it has the password.
func needsPassword(plugin string) bool {
	return plugin == storedEd25519 || plugin == pluginSHA2 || plugin == pluginParsec
}

// foreign says whether a plugin is one of the server's, be it one that galley can relay or not. Others are not loaded, or nobody knows what they ask for.
func foreign(plugin string) bool {
	switch plugin {
	case pluginNative, storedEd25519, pluginSHA2, pluginParsec, pluginSocket, "pam", "gssapi", "named_pipe", "sha256_password", "mysql_old_password":
		return true
	}
	return false
}
