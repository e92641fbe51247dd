package mysql

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"galley/proxy/mysql/classify"
)

// dropsSchema says whether a definition may drop a schema.
func dropsSchema(c *classify.Class, sql []byte) bool {
	return (c.Kind == classify.DDL || c.Kind == classify.Other) && mentions(sql, "drop") && (mentions(sql, "database") || mentions(sql, "schema"))
}

// schemaTTL is how long a schema that a node accepted for a user is taken for good at logins, so that a login costs the node nothing. A right that is revoked, or a schema that
// is dropped past this galley, in that time is told with the first statement and not at the login.
const schemaTTL = 5 * time.Second

type schemaKey struct {
	account accountRow // Accounts of one user at other hosts have other rights.
	schema  string
}

// schemaCache remembers which accounts may use which schemas. Safe for use by many goroutines.
type schemaCache struct {
	mu    sync.Mutex
	until map[schemaKey]time.Time
	turn  uint64 // Another one after each time that all was forgotten.
}

func (c *schemaCache) good(account accountRow, schema string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until[schemaKey{account, schema}])
}

// now gives the turn for add, before a node is asked.
func (c *schemaCache) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn
}

func (c *schemaCache) add(account accountRow, schema string, turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn || strings.ContainsFunc(schema, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return // It may be older than what changed; or what its bytes name depends on the session's character set.
	}
	now := time.Now()
	if len(c.until) >= 1024 {
		for k, t := range c.until {
			if t.Before(now) {
				delete(c.until, k)
			}
		}
	}
	c.until[schemaKey{account, schema}] = now.Add(schemaTTL)
}

// before gives what forgets all before it does more, if there is more.
func (c *schemaCache) before(more func()) func() {
	return func() {
		c.clear()
		if more != nil {
			more()
		}
	}
}

func (c *schemaCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.until)
	c.turn++
}
