package cluster

import (
	"database/sql"
	"slices"
	"strings"
)

// privTable holds the accounts; what they may do below the whole server is in
// rightsTables (sql/sql_acl.cc).
const privTable = "global_priv"

// rightsTables are the tables of rights, in the order in which they are asked.
func rightsTables() []string {
	return []string{"db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "roles_mapping"}
}

// everyone are the names whose rights every account has besides its own: rows
// of mysql.db without a user apply to all users, and the role PUBLIC (10.11) is
// granted to all.
func everyone() []string { return []string{"", "PUBLIC"} }

// rights are sums over the rows of rights, by user or role. A row counts for
// its user whatever its host is, because the server matches the hosts of most
// of them against the client and not against the account's own host part.
type rights struct {
	sums  map[string]uint64
	roles map[string][]string // what each user or role has been granted
}

func newRights() *rights { return &rights{sums: map[string]uint64{}, roles: map[string][]string{}} }

// add takes one row of a table. What only says when or by whom a right was
// given is left out, so that all nodes give the same sum.
func (r *rights) add(table string, columns []string, cells []sql.NullString) {
	user, role := "", ""
	texts := make([]string, 1, 2*len(cells)+1)
	texts[0] = table
	for i, name := range columns {
		switch strings.ToLower(name) {
		case "timestamp", "grantor":
			continue
		case "user":
			user = cells[i].String
		case "role":
			role = cells[i].String
		}
		texts = append(texts, name, cells[i].String)
	}
	r.sums[user] += fingerprint(texts...) // a sum, as rows come in any order
	if role != "" {
		r.roles[user] = append(r.roles[user], role)
	}
}

// addRole takes the row of a role in global_priv.
func (r *rights) addRole(name, priv string) {
	r.sums[name] += fingerprint(privTable, name, priv)
}

// of is the sum of all that a user may do by these rows: its own, those of
// its roles and of theirs, and what everyone may.
func (r *rights) of(user string) uint64 {
	names := append([]string{user}, everyone()...)
	for i := 0; i < len(names); i++ {
		for _, role := range r.roles[names[i]] {
			if !slices.Contains(names, role) {
				names = append(names, role)
			}
		}
	}
	slices.Sort(names)
	sum := uint64(0)
	for _, name := range slices.Compact(names) {
		sum = sum*31 + r.sums[name]
	}
	return sum
}
