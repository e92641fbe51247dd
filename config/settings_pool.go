package config

import "time"

func poolSettings() []Setting {
	return []Setting{
		{
			Path: "mysql.pool.multiplex", Type: "boolean", Default: "true",
			Doc:     "Share backend connections: a session gives its own back between statements. false keeps it until the client goes.",
			binding: boolean(func(c *Config) *bool { return &c.MySQL.Pool.Multiplex }),
		}, {
			Path: "mysql.pool.max_per_node", Type: "number", Default: "0",
			Doc:     "Backend connections to a node at a time; 0 is three quarters of the node's max_connections.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.MaxPerNode }, 0, 100_000),
		}, {
			Path: "mysql.pool.max_per_user", Type: "number", Default: "0",
			Doc:     "Backend connections of one user to a node at a time; 0 is as many as to the node.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.MaxPerUser }, 0, 100_000),
		}, {
			Path: "mysql.pool.min_idle", Type: "number", Default: "0",
			Doc:     "Idle connections of a user to a node that stay open although idle_time has passed.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.MinIdle }, 0, 10_000),
		}, {
			Path: "mysql.pool.idle_time", Type: "duration", Default: "60s",
			Doc:     "How long a backend connection may be unused before it is closed; never more than half of the node's wait_timeout.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.Pool.IdleTime }, 100*time.Millisecond, 24*time.Hour),
		}, {
			Path: "mysql.pool.lifetime", Type: "duration", Default: "1h",
			Doc:     "How long a backend connection may be open; it is closed when no statement or transaction is under way.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.Pool.Lifetime }, time.Second, 30*24*time.Hour),
		}, {
			Path: "mysql.pool.wait_for_connection", Type: "duration", Default: "10s",
			Doc:     "How long a statement waits for a backend connection, in order, where there are as many as there may be.",
			binding: duration(func(c *Config) *time.Duration { return &c.MySQL.Pool.WaitForConnection }, 0, time.Hour),
		}, {
			Path: "mysql.pool.max_waiting", Type: "number", Default: "10000",
			Doc:     "Sessions that may wait for a backend connection to a node; one more gets error 1040 at once.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.MaxWaiting }, 1, 1_000_000),
		}, {
			Path: "mysql.pool.opening", Type: "number", Default: "4",
			Doc:     "Backend connections to a node that are opened at the same time, so that a burst of clients opens few.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.Opening }, 1, 1000),
		}, {
			Path: "mysql.pool.max_statements", Type: "number", Default: "100",
			Doc:     "Prepared statements kept on a backend connection; the one unused for longest is closed for a new one.",
			binding: number(func(c *Config) *int { return &c.MySQL.Pool.MaxStatements }, 1, 16000),
		},
	}
}
