package config

import (
	"slices"
	"strconv"
	"strings"
)

// maxWeight bounds weights so that sums of products stay far from any limit.
const maxWeight = 1000

func nodeKeys() []string { return []string{"address", "weight", "name"} }

func userKeys() []string {
	return []string{"user", "host", "password", "password_file", "password_env", "consistency"}
}

// readNode reads host:port, or a section with address, weight and name.
func readNode(r *reader, in value, path string) (Node, bool) {
	node := Node{Weight: 1}
	if in.kind == kindScalar {
		address, m := parseNode(in.text)
		if m != nil {
			r.failItem(in.at, path, m)
			return Node{}, false
		}
		node.Address = address
		return node, r.once("cluster.nodes address "+address, in.at, path, "this node is listed twice")
	}
	if in.kind == kindBroken {
		return Node{}, false
	}
	if in.kind != kindMapping {
		r.fail(in.at, path, &mistake{what: "a node must be an address or a section, but this is " + in.kind.String(), remedy: nodeRemedy})
		return Node{}, false
	}
	o := object{reader: r, in: in, path: path, keys: nodeKeys(), ok: true}
	at := in.at
	if f, ok := o.scalar("address"); ok {
		at = f.at
		node.Address = parsed(&o, f, path+".address", parseNode)
	} else if !o.has("address") {
		o.missing("address", "Write {address: 10.0.0.1:3306}.")
	}
	if f, ok := o.scalar("weight"); ok {
		node.Weight = parsed(&o, f, path+".weight", func(text string) (int, *mistake) { return parseNumber(text, 1, maxWeight) })
	}
	if f, ok := o.scalar("name"); ok {
		if node.Name = parsed(&o, f, path+".name", parseNodeName); node.Name != "" {
			o.ok = r.once("cluster.nodes name "+node.Name, f.at, path+".name", "another node has this name already") && o.ok
		}
	}
	if node.Address != "" {
		o.ok = r.once("cluster.nodes address "+node.Address, at, path, "this node is listed twice") && o.ok
	}
	return node, o.finish()
}

func parseNodeName(text string) (string, *mistake) {
	if text == "" || len(text) > 64 || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return "", &mistake{echo: text, what: "{} cannot be a node's name", remedy: "Use letters, digits, dots, hyphens and underscores, at most 64."}
	}
	return text, nil
}

func showNode(n Node) string {
	var more []string
	if n.Name != "" {
		more = append(more, "name "+n.Name)
	}
	if n.Weight != 1 {
		more = append(more, "weight "+strconv.Itoa(n.Weight))
	}
	if len(more) == 0 {
		return n.Address
	}
	return n.Address + " (" + strings.Join(more, ", ") + ")"
}

// readUser reads an account.
func readUser(r *reader, in value, path string) (User, bool) {
	const example = "Write {user: app, password_file: /etc/galley/app.password}."
	if in.kind == kindBroken {
		return User{}, false
	}
	if in.kind != kindMapping {
		r.fail(in.at, path, &mistake{what: "an account must be a section, but this is " + in.kind.String(), remedy: example})
		return User{}, false
	}
	o := object{reader: r, in: in, path: path, keys: userKeys(), ok: true}
	u := User{Host: "%"}
	at := in.at
	if f, ok := o.scalar("user"); ok {
		at = f.at
		u.User = parsed(&o, f, path+".user", parseUserName)
	} else if !o.has("user") {
		o.missing("user", example)
	}
	if f, ok := o.scalar("host"); ok {
		u.Host = parsed(&o, f, path+".host", parseHostPattern)
	}
	password, given := o.scalar("password")
	if given {
		u.Password = NewSecret(parsed(&o, password, path+".password", parsePassword))
		if u.Password.IsZero() && o.ok {
			r.report.warn(password.at, path+".password", &mistake{what: "the password is empty: whoever reaches galley can log in as this account", remedy: "Set a password."})
		}
		r.hash(password, path+".password")
	}
	if given {
		r.otherPassword(&o, &u, false)
	} else if !r.otherPassword(&o, &u, true) && !o.has("password") && !o.has("password_file") && !o.has("password_env") && !o.has("consistency") {
		o.missing("password", "Write password_file: with the path of a file, password_env: with the name of a variable, or password:.")
	}
	if f, ok := o.scalar("consistency"); ok {
		u.Consistency = parsed(&o, f, path+".consistency", parseConsistency)
		u.Imported = !given && !o.has("password") && !o.has("password_file") && !o.has("password_env")
	}
	if o.ok {
		o.ok = r.once("mysql.users "+u.User+"@"+u.Host, at, path, "this account is listed twice (the same user and host)")
	}
	return u, o.finish()
}

// otherPassword reads the keys that say where an account's password is, of which at most one may be given, and none where it may not. It says whether one is.
func (r *reader) otherPassword(o *object, u *User, may bool) bool {
	file, fromFile := o.scalar("password_file")
	variable, fromEnv := o.scalar("password_env")
	switch {
	case fromFile && !may:
		o.fail(file.at, o.path+".password_file", bothGiven("password"))
	case fromEnv && (!may || fromFile):
		o.fail(variable.at, o.path+".password_env", &mistake{what: "the password is given twice", remedy: "Keep one of password, password_file and password_env."})
	case fromFile:
		u.PasswordFile = parsed(o, file, o.path+".password_file", nonEmpty)
		r.pendUser(*u, pendingSecret{at: file.at, path: o.path + ".password_file", file: u.PasswordFile, parse: parsePassword})
	case fromEnv:
		u.PasswordEnv = parsed(o, variable, o.path+".password_env", parseVariableName)
		r.pendUser(*u, pendingSecret{at: variable.at, path: o.path + ".password_env", variable: u.PasswordEnv, parse: parsePassword})
	}
	return fromFile || fromEnv
}

// parseConsistency reads how much a read must see.
func parseConsistency(text string) (string, *mistake) {
	return oneOf(Consistent, OwnWrites, Eventual, Strict)(text)
}

// parseVariableName reads the name of a variable that is not one of galley's settings.
func parseVariableName(text string) (string, *mistake) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	switch {
	case text == "" || strings.Trim(text, letters+"0123456789") != "" || !strings.Contains(letters, text[:1]):
		return "", &mistake{what: "this is not the name of a variable", remedy: "Write the name alone, for example APP_PASSWORD; the password itself goes under password."}
	case strings.HasPrefix(text, envPrefix):
		return "", &mistake{echo: text, what: "{} begins like the variables of galley's own settings", remedy: "Give the variable a name that does not begin with " + envPrefix + "."}
	}
	return text, nil
}

func bothGiven(name string) *mistake {
	return &mistake{what: "both " + name + " and " + name + "_file are given", remedy: "Keep one of the two."}
}

// maxUserName is the limit of MariaDB 10.4 and later (128 characters; MySQL's is 32).
const maxUserName = 128

func parseUserName(text string) (string, *mistake) {
	if _, m := nonEmpty(text); m != nil {
		return "", m
	}
	if len([]rune(text)) > maxUserName {
		return "", &mistake{echo: text, what: "{} is too long for a user name (more than 128 characters)", remedy: "Write the name alone; the host has its own key."}
	}
	return text, nil
}

func parseHostPattern(text string) (string, *mistake) {
	if _, m := nonEmpty(text); m != nil {
		return "", m
	}
	if strings.ContainsAny(text, " @'\"") {
		return "", &mistake{echo: text, what: "{} is not a host pattern", remedy: "Write it as in CREATE USER, without user, @ and quotes, for example % or 10.0.%."}
	}
	return text, nil
}

func showUser(u User) string { return u.User + "@" + u.Host }

// object reads the keys of one item of a list.
type object struct {
	reader *reader
	in     value
	path   string
	keys   []string
	ok     bool
}

func (o *object) has(key string) bool {
	_, ok := o.in.field(key)
	return ok
}

// scalar returns the single value of a key; it is false where the key is not given or its value is none.
func (o *object) scalar(key string) (value, bool) {
	f, ok := o.in.field(key)
	if !ok {
		return value{}, false
	}
	if !o.reader.isScalar(f.value, o.path+"."+key) {
		o.ok = false
		return value{}, false
	}
	return f.value, true
}

func (o *object) fail(at place, path string, m *mistake) {
	o.ok = false
	o.reader.fail(at, path, m)
}

func (o *object) missing(key, remedy string) {
	o.fail(o.in.at, o.path, &mistake{what: key + " is missing", remedy: remedy})
}

// finish reports unknown keys and says whether the item is sound.
func (o *object) finish() bool {
	for _, f := range o.in.fields {
		switch {
		case slices.Contains(o.keys, f.key):
		case f.bare:
			o.fail(f.at, o.path, bareKey())
		default:
			o.fail(f.at, o.path, &mistake{echo: f.key, what: "unknown key {}", remedy: strings.TrimSpace(didYouMean(f.key, o.keys) + " The keys here are " + strings.Join(o.keys, ", ") + ".")})
		}
	}
	return o.ok
}

// parsed is the value of one key of an object, or the zero value with the mistake reported.
func parsed[T any](o *object, in value, path string, parse func(string) (T, *mistake)) T {
	v, m := parse(in.text)
	if m != nil {
		var none T
		o.fail(in.at, path, m)
		return none
	}
	return v
}
