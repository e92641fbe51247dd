package mysql

import (
	"fmt"
	"sync"

	"galley/cluster"
	"galley/proxy/mysql/wire"
)

// ignoresUserLimit is CONNECTION ADMIN, which is exempt from the server's max_user_connections (MariaDB: sql/privilege.h, PRIV_IGNORE_MAX_USER_CONNECTIONS).
const ignoresUserLimit = 1 << 32

// accountKey names an account as the server counts its connections: by its own host part.
type accountKey struct{ user, host string }

// users counts the sessions of each account. Nodes cannot: their connections are shared. Safe for use by many goroutines.
type users struct {
	mu    sync.Mutex
	count map[accountKey]int
	named map[string]int // By the name alone, for galley's own limits.
}

// enter counts one more session of an account, or refuses it in the server's words (MariaDB: sql/sql_connect.cc, check_for_max_user_connections); all is the limit of
// accounts without their own, configured galley's own for the user, 0 for none.
func (u *users) enter(a *cluster.Account, all, configured int) *wire.ServerError {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count == nil {
		u.count, u.named = map[accountKey]int{}, map[string]int{}
	}
	key := accountKey{a.User, a.Host}
	n := u.count[key] + 1
	switch own := a.MaxUserConnections; {
	case own == 0 && all > 0 && n > all && a.Access&ignoresUserLimit == 0, configured > 0 && u.named[a.User] >= configured:
		return &wire.ServerError{Code: codeAllUserConnections, SQLState: "42000", Message: fmt.Sprintf("User %s already has more than 'max_user_connections' active connections", a.User)}
	case own != 0 && n > own:
		return &wire.ServerError{
			Code: codeUserConnections, SQLState: "42000", Message: fmt.Sprintf("User '%s' has exceeded the 'max_user_connections' resource (current value: %d)", a.User, own),
		}
	}
	u.count[key] = n
	u.named[a.User]++
	return nil
}

// leave takes back one enter.
func (u *users) leave(a *cluster.Account) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := accountKey{a.User, a.Host}
	if u.count[key]--; u.count[key] <= 0 {
		delete(u.count, key)
	}
	if u.named[a.User]--; u.named[a.User] <= 0 {
		delete(u.named, a.User)
	}
}
