package mysql

import (
	"sync"
	"time"
)

// schemaTTL is how long a schema that a node accepted for a user is taken for good at logins, so that a login costs the node nothing. A right that is revoked, or a schema that
// is dropped, in that time is told with the first statement and not at the login.
const schemaTTL = 5 * time.Second

type schemaKey struct{ user, schema string }

// schemaCache remembers which users may use which schemas. Safe for use by many goroutines.
type schemaCache struct {
	mu    sync.Mutex
	until map[schemaKey]time.Time
}

func (c *schemaCache) good(user, schema string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until[schemaKey{user, schema}])
}

func (c *schemaCache) add(user, schema string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.until) >= 1024 {
		for k, t := range c.until {
			if t.Before(now) {
				delete(c.until, k)
			}
		}
	}
	c.until[schemaKey{user, schema}] = now.Add(schemaTTL)
}

func (c *schemaCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.until)
}
