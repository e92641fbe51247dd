package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// maxLimit bounds limits of connections and statements.
const maxLimit = 1_000_000

// limitSettings are what bounds a client or a user.
func limitSettings() []Setting {
	return []Setting{
		{
			Path: "mysql.max_in_flight", Type: "number", Default: "0",
			Doc:     "Statements that run at a time; others wait in order, up to pool.wait_for_connection. Those within a transaction never wait. 0 is no limit.",
			binding: number(func(c *Config) *int { return &c.MySQL.MaxInFlight }, 0, maxLimit),
		}, {
			Path: "mysql.max_execution_time", Type: "duration", Default: "0s",
			Doc:     "How long a read may run before it is killed on its node, with error 1969; 0s is without a limit.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.MaxExecutionTime }, 0, 30*24*time.Hour),
		}, {
			Path: "mysql.client_write_timeout", Type: "duration", Default: "60s",
			Doc:     "How long a client may take none of its answer before its connection is closed.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.ClientWriteTimeout }, 100*time.Millisecond, 24*time.Hour),
		}, {
			Path: "mysql.kill_writes_of_gone_clients", Type: "boolean", Default: "false",
			Doc:     "When a client goes while its statement runs, kill writes and definitions on the node too, not only reads.",
			binding: boolean(func(c *Config) *bool { return &c.MySQL.KillWritesOfGoneClients }),
		}, {
			Path: "mysql.transaction_replay", Type: "boolean", Default: "true",
			Doc:     "A transaction whose node is lost, or that another write has rolled back, is run again on the writer; if an answer is not the same again, the client gets error 1213.",
			binding: boolean(func(c *Config) *bool { return &c.MySQL.TransactionReplay }),
		}, {
			Path: "mysql.transaction_replay_size", Type: "size", Default: "1MiB",
			Doc:     "A transaction whose statements have more bytes is not run again.",
			binding: size(func(c *Config) *Size { return &c.MySQL.ReplaySize }, 0, gibi),
		}, {
			Path: "mysql.transaction_replay_statements", Type: "number", Default: "100",
			Doc:     "A transaction that has more statements is not run again.",
			binding: number(func(c *Config) *int { return &c.MySQL.ReplayStatements }, 0, maxLimit),
		}, {
			Path: "mysql.deadlock_retries", Type: "number", Default: "3",
			Doc:     "How often a single INSERT, UPDATE, DELETE or REPLACE outside a transaction, or a whole transaction, is run again after a deadlock (1213), as between writes on two nodes; 0 is never.",
			binding: number(func(c *Config) *int { return &c.MySQL.DeadlockRetries }, 0, 100),
		}, {
			Path: "mysql.limits", Type: "list of {user, max_connections, max_in_flight, max_execution_time, transaction_replay}",
			Doc:     "Limits of single users, besides those of all. What is not given is without a limit; max_execution_time and transaction_replay replace those of all.",
			binding: limitsBinding(),
		},
	}
}

func limitKeys() []string {
	return []string{"user", "max_connections", "max_in_flight", "max_execution_time", "transaction_replay"}
}

// limitsBinding prints limits as they are written in the file.
func limitsBinding() binding {
	at := func(c *Config) *[]Limit { return &c.MySQL.Limits }
	b := list(at, readLimit, showLimit)
	b.plain = func(c *Config) any {
		out := make([]any, 0, len(*at(c)))
		for _, l := range *at(c) {
			item := yaml.MapSlice{{Key: "user", Value: l.User}}
			if l.MaxConnections > 0 {
				item = append(item, yaml.MapItem{Key: "max_connections", Value: l.MaxConnections})
			}
			if l.MaxInFlight > 0 {
				item = append(item, yaml.MapItem{Key: "max_in_flight", Value: l.MaxInFlight})
			}
			if l.MaxExecutionTime > 0 {
				item = append(item, yaml.MapItem{Key: "max_execution_time", Value: showDuration(l.MaxExecutionTime)})
			}
			if l.NoReplay {
				item = append(item, yaml.MapItem{Key: "transaction_replay", Value: false})
			}
			out = append(out, item)
		}
		return out
	}
	return b
}

// readLimit reads the limits of a user.
func readLimit(r *reader, in value, path string) (Limit, bool) {
	const example = "Write {user: app, max_connections: 500, max_in_flight: 50, max_execution_time: 30s}."
	if in.kind == kindBroken {
		return Limit{}, false
	}
	if in.kind != kindMapping {
		r.fail(in.at, path, &mistake{what: "the limits of a user must be a section, but this is " + in.kind.String(), remedy: example})
		return Limit{}, false
	}
	o := object{reader: r, in: in, path: path, keys: limitKeys(), ok: true}
	var l Limit
	at := in.at
	if f, ok := o.scalar("user"); ok {
		at = f.at
		l.User = parsed(&o, f, path+".user", parseUserName)
	} else if !o.has("user") {
		o.missing("user", example)
	}
	count := func(text string) (int, *mistake) { return parseNumber(text, 1, maxLimit) }
	if f, ok := o.scalar("max_connections"); ok {
		l.MaxConnections = parsed(&o, f, path+".max_connections", count)
	}
	if f, ok := o.scalar("max_in_flight"); ok {
		l.MaxInFlight = parsed(&o, f, path+".max_in_flight", count)
	}
	if f, ok := o.scalar("max_execution_time"); ok {
		l.MaxExecutionTime = parsed(&o, f, path+".max_execution_time", func(text string) (time.Duration, *mistake) {
			return parseDuration(text, time.Millisecond, 30*24*time.Hour)
		})
	}
	if f, ok := o.scalar("transaction_replay"); ok {
		l.NoReplay = !parsed(&o, f, path+".transaction_replay", parseBool)
	}
	if o.ok && len(in.fields) < 2 {
		o.missing("a limit", example)
	}
	if o.ok {
		o.ok = r.once("mysql.limits "+l.User, at, path, "this user is listed twice")
	}
	return l, o.finish()
}

func showLimit(l Limit) string {
	var words []string
	if l.MaxConnections > 0 {
		words = append(words, "max_connections "+strconv.Itoa(l.MaxConnections))
	}
	if l.MaxInFlight > 0 {
		words = append(words, "max_in_flight "+strconv.Itoa(l.MaxInFlight))
	}
	if l.MaxExecutionTime > 0 {
		words = append(words, "max_execution_time "+showDuration(l.MaxExecutionTime))
	}
	if l.NoReplay {
		words = append(words, "transaction_replay false")
	}
	return l.User + " (" + strings.Join(words, ", ") + ")"
}
