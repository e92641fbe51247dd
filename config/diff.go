package config

// Change is a difference between two configurations.
type Change struct {
	// Path is the setting, for accounts with the account: mysql.users[app@%], for sites with the hosts: web.sites[example.com].root.
	Path string
	// Old and New are as in the file, empty for none. A secret is "[secret]" on either side.
	Old, New string
	// NeedsRestart says that the running galley goes on with the old value.
	NeedsRestart bool
}

// Diff lists what a reload changes, in the order of the reference.
func Diff(old, new *Config) []Change {
	var changes []Change
	for _, s := range Settings() {
		switch {
		case s.same(old, new):
		case s.Path == "mysql.users":
			changes = append(changes, diffUsers(old.MySQL.Users, new.MySQL.Users)...)
		case s.Path == "web.sites":
			changes = append(changes, diffSites(old.Web.Sites, new.Web.Sites)...)
		default:
			changes = append(changes, Change{Path: s.Path, Old: s.show(old), New: s.show(new), NeedsRestart: s.Restart})
		}
	}
	return changes
}

// diffUsers compares accounts one by one, so that a new password of one of them can be told.
func diffUsers(before, after []User) []Change {
	var changes []Change
	find := func(users []User, name string) (User, bool) {
		for _, u := range users {
			if showUser(u) == name {
				return u, true
			}
		}
		return User{}, false
	}
	for _, u := range before {
		name := showUser(u)
		now, kept := find(after, name)
		path := "mysql.users[" + name + "]"
		switch {
		case !kept:
			changes = append(changes, Change{Path: path, Old: name})
		case now.Password != u.Password:
			changes = append(changes, Change{Path: path + ".password", Old: maskOf(u.Password), New: maskOf(now.Password)})
		case now.PasswordFile != u.PasswordFile:
			changes = append(changes, Change{Path: path + ".password_file", Old: u.PasswordFile, New: now.PasswordFile})
		case now.PasswordEnv != u.PasswordEnv:
			changes = append(changes, Change{Path: path + ".password_env", Old: u.PasswordEnv, New: now.PasswordEnv})
		case now.Consistency != u.Consistency:
			changes = append(changes, Change{Path: path + ".consistency", Old: u.Consistency, New: now.Consistency})
		}
	}
	for _, u := range after {
		if _, old := find(before, showUser(u)); !old {
			changes = append(changes, Change{Path: "mysql.users[" + showUser(u) + "]", New: showUser(u)})
		}
	}
	if len(changes) == 0 {
		changes = append(changes, Change{Path: "mysql.users", Old: showUsers(before), New: showUsers(after)})
	}
	return changes
}
