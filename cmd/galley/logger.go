package main

import (
	"io"

	"github.com/hashicorp/go-hclog"

	"galley/config"
)

// newLogger makes the log. A reload may change its level.
func newLogger(c config.Log, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "galley", Level: hclog.LevelFromString(c.Level), Output: out, JSONFormat: c.Format == "json", TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	})
}
