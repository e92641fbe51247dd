//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
)

// authAccounts are created on the cluster; where an account has a password, it is pw.
const authAccounts = `
CREATE OR REPLACE USER a_native@'%' IDENTIFIED BY 'pw';
CREATE OR REPLACE USER a_ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pw');
CREATE OR REPLACE USER a_conf@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pw');
CREATE OR REPLACE USER a_ed_native@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pw') OR mysql_native_password USING PASSWORD('pw');
CREATE OR REPLACE USER a_native_ed@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('pw') OR ed25519 USING PASSWORD('pw');
CREATE OR REPLACE USER a_socket@'%' IDENTIFIED VIA unix_socket;
CREATE OR REPLACE USER a_socket_native@'%' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('pw');
CREATE OR REPLACE USER a_nosuch@'%' IDENTIFIED BY 'pw';
UPDATE mysql.global_priv SET Priv=JSON_SET(Priv, '$.plugin', 'nosuchplugin') WHERE User='a_nosuch';
CREATE OR REPLACE USER a_invalid@'%' IDENTIFIED VIA mysql_native_password USING 'invalid';
CREATE OR REPLACE USER a_nopw@'%';
CREATE OR REPLACE USER a_locked@'%' IDENTIFIED BY 'pw' ACCOUNT LOCK;
CREATE OR REPLACE USER a_expired@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE;
CREATE OR REPLACE USER a_old@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE INTERVAL 1 DAY;
UPDATE mysql.global_priv SET Priv=JSON_SET(Priv, '$.password_last_changed', 1000000000) WHERE User='a_old';
CREATE OR REPLACE USER a_ssl@'%' IDENTIFIED BY 'pw' REQUIRE SSL;
CREATE OR REPLACE USER a_none@'%' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS -1;
CREATE OR REPLACE USER a_elsewhere@'192.0.2.1' IDENTIFIED BY 'pw';
CREATE OR REPLACE USER a_slow@'%' IDENTIFIED BY 'pw' WITH MAX_STATEMENT_TIME 7;
FLUSH PRIVILEGES`

// authAnonymous is a user without a name, who is everybody that has none of their own.
const authAnonymous = `CREATE OR REPLACE USER ''@'%' IDENTIFIED BY 'anon'`

// authCase is one login.
type authCase struct {
	user, password, schema string
	// through is what galley says where it says something else than the server: a regular expression.
	through string
}

func authCases() []authCase {
	const mustBeGiven = `1045 (28000)? galley cannot log in to the nodes as 'a_ed'@'%', which uses ed25519: give the account's password under mysql.users`
	// What the account that stands in for an unknown user is told with a wrong password.
	const nobody = `(1045|1698) (28000)? ?Access denied for user 'a_nobody'@'HOST'|1524 (HY000)? ?Plugin 'nosuchplugin'|2012 |2054 `
	return []authCase{
		{user: "a_native", password: "pw"},
		{user: "a_native", password: "wrong"},
		{user: "a_native"},
		{user: "a_native", password: "pw", schema: "mysql"},
		{user: "a_native", password: "pw", schema: "nosuch"},
		{user: "a_ed", password: "pw", through: mustBeGiven},
		{user: "a_ed", password: "wrong"},
		{user: "a_ed"},
		{user: "a_conf", password: "pw"},
		{user: "a_conf", password: "wrong"},
		{user: "a_ed_native", password: "pw"},
		{user: "a_native_ed", password: "pw"},
		{user: "a_native_ed", password: "wrong"},
		// go-sql-driver does not understand a second switch, of which galley needs only one.
		{user: "a_ed_native", password: "wrong", through: `1045 (28000)? Access denied for user 'a_ed_native'@'HOST' \(using password: YES\)`},
		{user: "a_socket", password: "pw", through: `1698 (28000)? Access denied for user 'a_socket'@'HOST' \(galley: unix_socket|2012 `},
		{user: "a_socket_native", password: "pw"},
		{user: "a_socket_native", password: "wrong"},
		{user: "a_nosuch", password: "pw"},
		{user: "a_invalid", password: "pw"},
		{user: "a_nopw"},
		{user: "a_nopw", password: "pw"},
		{user: "a_locked", password: "pw"},
		{user: "a_locked", password: "wrong"},
		{user: "a_expired", password: "pw"},
		{user: "a_expired", password: "wrong"},
		{user: "a_old", password: "pw"},
		{user: "a_ssl", password: "pw"},
		{user: "a_ssl", password: "wrong"},
		{user: "a_none", password: "pw"},
		{user: "a_elsewhere", password: "pw"},
		{user: "a_slow", password: "pw"},
		// Who is not known is asked for the plugins of some account, which is another one on the node; mysqlnd does not know them all.
		{user: "a_nobody", password: "pw", through: nobody},
		{user: "a_nobody", through: nobody},
	}
}

// authQuestion is asked by whoever got in.
const authQuestion = "SELECT CONCAT(CURRENT_USER(), ' ', IFNULL(DATABASE(), '-'), ' ', @@max_statement_time)"

// authClient logs in and asks; it gives the answer or "code sqlstate message".
type authClient struct {
	name string
	run  func(t *testing.T, addr, flag string, c authCase) string
	flag string
	// lacks are accounts whose plugins the client does not have: what it says then is its own.
	lacks map[string]bool
}

func authClients() []authClient {
	return []authClient{
		{name: "go-sql-driver", run: goLogin},
		{name: "mariadb", run: cliLogin},
		{name: "mariadb --default-auth=client_ed25519", run: cliLogin, flag: "--default-auth=client_ed25519"},
		{name: "mariadb --default-auth=caching_sha2_password", run: cliLogin, flag: "--default-auth=caching_sha2_password"},
		// mysqlnd has no ed25519.
		{name: "mysqli", run: phpLogin, lacks: map[string]bool{"a_ed": true, "a_conf": true, "a_ed_native": true, "a_native_ed": true}},
	}
}

func goLogin(t *testing.T, addr, _ string, c authCase) string {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = c.user, c.password, "tcp", addr, c.schema
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Error(err)
		return ""
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx, cancel := context.WithTimeout(suite.ctx, 20*time.Second)
	defer cancel()
	var answer string
	err = db.QueryRowContext(ctx, authQuestion).Scan(&answer)
	var refused *mysql.MySQLError
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("%d %s %s", refused.Number, refused.SQLState, refused.Message)
	case err != nil:
		return err.Error()
	}
	return answer
}

func cliLogin(t *testing.T, addr, flag string, c authCase) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Error(err)
	}
	args := append([]string{"--no-defaults", "--protocol=tcp", "--host=" + host, "--port=" + port, "--user=" + c.user, "--batch", "--skip-column-names"}, strings.Fields(flag)...)
	if c.password != "" {
		args = append(args, "--password="+c.password)
	}
	args = append(args, "--execute="+authQuestion)
	if c.schema != "" {
		args = append(args, c.schema)
	}
	out := program(t, "", "mariadb", args...)
	if m := regexp.MustCompile(`ERROR (\d+) \((\w+)\)(?: at line \d+)?: (.*)`).FindStringSubmatch(out); m != nil {
		return m[1] + " " + m[2] + " " + m[3]
	}
	return out
}

func phpLogin(t *testing.T, addr, _ string, c authCase) string {
	t.Helper()
	const script = `[, $host, $port, $user, $password, $schema, $question] = $argv; mysqli_report(MYSQLI_REPORT_OFF); $db = mysqli_init();
		if (!@$db->real_connect($host, $user, $password, $schema ?: null, (int) $port)) { die($db->connect_errno . " " . ($db->sqlstate ?? "") . " " . $db->connect_error); }
		$result = $db->query($question); echo $result ? $result->fetch_row()[0] : $db->errno . " " . $db->sqlstate . " " . $db->error;`
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Error(err)
	}
	return program(t, "", "php", "-r", script, "--", host, port, c.user, c.password, c.schema, authQuestion)
}

// makeAuthAccounts creates the accounts, and drops them when the test ends.
func makeAuthAccounts(t *testing.T) {
	t.Helper()
	for _, n := range suite.lab.Nodes() {
		if err := n.Exec(suite.ctx, "INSTALL SONAME 'auth_ed25519'"); err != nil && !strings.Contains(err.Error(), "already") {
			t.Fatal(err)
		}
	}
	n := suite.lab.Nodes()[0]
	for statement := range strings.SplitSeq(authAccounts, ";\n") {
		on := suite.lab.Nodes()[:1]
		if !strings.HasPrefix(statement, "CREATE") {
			on = suite.lab.Nodes() // The table is of an engine that Galera does not replicate.
		}
		for _, n := range on {
			if err := n.Exec(suite.ctx, strings.Replace(statement, "FLUSH PRIVILEGES", "FLUSH LOCAL PRIVILEGES", 1)); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	goLogin(t, suite.galley.addr, "", authCase{user: "a_nobody"}) // Before an unknown user is refused, the accounts are imported: now they are all as they are to be.
	t.Cleanup(func() {
		for _, user := range regexp.MustCompile(`USER (a_\w+@'[^']*')`).FindAllStringSubmatch(authAccounts, -1) {
			if err := n.Exec(suite.ctx, "DROP USER "+user[1]); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAuthentication holds logins through galley against logins on a node: each account, right and wrong, by each client.
func TestAuthentication(t *testing.T) {
	needGalley(t)
	makeAuthAccounts(t)
	writer := nodeNamed(t, settle(t).writer)
	for _, client := range authClients() {
		t.Run(client.name, func(t *testing.T) {
			var wg sync.WaitGroup
			gate := make(chan struct{}, 6)
			for _, c := range authCases() {
				wg.Go(func() {
					gate <- struct{}{}
					defer func() { <-gate }()
					compareLogins(t, &client, writer, c)
				})
			}
			wg.Wait()
		})
	}
}

// compareLogins makes one login on the writer and through galley.
func compareLogins(t *testing.T, client *authClient, writer *clusterlab.Node, c authCase) {
	t.Helper()
	tidy := func(s string) string {
		s = strings.TrimSpace(strings.ReplaceAll(s, "'127.0.0.1'", "'HOST'"))
		return strings.ReplaceAll(s, "'localhost'", "'HOST'")
	}
	direct := tidy(client.run(t, writer.Addr(), client.flag, c))
	through := tidy(client.run(t, suite.galley.addr, client.flag, c))
	switch {
	case direct == "" || through == "":
		t.Errorf("%s/%s/%s: nothing was said: %q, %q", c.user, c.password, c.schema, direct, through)
	case client.lacks[c.user]:
		// A login that ends in the client's own words may go on through galley, which asks for what the client has.
	case c.through != "":
		if !regexp.MustCompile("^" + c.through).MatchString(through) {
			t.Errorf("%s/%s/%s: through galley %q, want %s", c.user, c.password, c.schema, through, c.through)
		}
	case direct != through:
		t.Errorf("%s/%s/%s:\n directly      %q\n through galley %q", c.user, c.password, c.schema, direct, through)
	}
}

// TestAnonymousUser: whoever has no account of his own is the one without a name.
func TestAnonymousUser(t *testing.T) {
	needGalley(t)
	writer := nodeNamed(t, settle(t).writer)
	if err := writer.Exec(suite.ctx, authAnonymous); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := writer.Exec(suite.ctx, "DROP USER ''@'%'"); err != nil {
			t.Error(err)
		}
	}()
	client := authClient{run: goLogin}
	for _, c := range []authCase{{user: "whoever", password: "anon"}, {user: "whoever", password: "wrong"}, {user: "whoever"}, {user: "whoever", password: "anon", schema: "mysql"}} {
		compareLogins(t, &client, writer, c)
	}
}

// expiredScript changes an expired password, and tries much else before.
var expiredScript = []string{
	"SELECT 1", "SET NAMES utf8mb4", "USE app", "BEGIN", "DO 1", "SHOW TABLES", "SET @a=1", "PREPARE s FROM 'SELECT 1'", "SET PASSWORD=PASSWORD('other')",
	"SELECT 2", "SELECT @a", "SELECT 3", "SET @b=2", "SELECT @b",
}

// TestExpiredPassword: a client whose password has expired can change it, do nothing before, and go on behind it.
func TestExpiredPassword(t *testing.T) {
	needGalley(t)
	writer := nodeNamed(t, settle(t).writer)
	strict := func(value string) {
		for _, n := range suite.lab.Nodes() {
			if err := n.Exec(suite.ctx, "SET GLOBAL disconnect_on_expired_password="+value); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer strict("OFF")
	run := func(addr string) string {
		if err := writer.Exec(suite.ctx, "CREATE OR REPLACE USER a_expires@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE"); err != nil {
			t.Fatal(err)
		}
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "a_expires", "pw", "tcp", addr
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		conn, err := db.Conn(suite.ctx)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		var out strings.Builder
		for _, statement := range expiredScript {
			_, err := conn.ExecContext(suite.ctx, statement)
			fmt.Fprintln(&out, statement, err)
		}
		return out.String()
	}
	for _, value := range []string{"OFF", "ON"} {
		strict(value)
		err := eventually(suite.ctx, time.Minute, func() error {
			direct, through := run(writer.Addr()), run(suite.galley.addr)
			if direct != through {
				return fmt.Errorf("with disconnect_on_expired_password=%s\ndirectly:\n%s\nthrough galley:\n%s", value, direct, through)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := writer.Exec(suite.ctx, "DROP USER a_expires@'%'"); err != nil {
		t.Error(err)
	}
}
