package config

import (
	"strings"
	"time"
)

func leaseSettings() []Setting {
	return []Setting{
		{
			Path: "cluster.lease.mode", Type: "auto, off or required", Default: LeaseAuto, Restart: true,
			Doc: "Whether galleys in front of the same cluster agree on the writer by a lease in the cluster itself. auto: where the monitor user may keep it; " +
				"off: there is only one galley; required: nothing is written without it.",
			binding: text(func(c *Config) *string { return &c.Cluster.Lease }, oneOf(LeaseAuto, LeaseOff, LeaseRequired)),
		}, {
			Path: "cluster.lease.term", Type: "duration", Default: "6s", Restart: true,
			Doc:     "How long galley may write without confirming the lease again, and how long others wait for a galley that is silent. It is confirmed six times as often.",
			binding: duration(func(c *Config) *time.Duration { return &c.Cluster.LeaseTerm }, 500*time.Millisecond, 10*time.Minute),
		}, {
			Path: "cluster.lease.schema", Type: "text", Default: "galley", Restart: true,
			Doc:     "Schema in the cluster where galleys keep what they share: the lease, who is there, drained nodes. Galley makes it if it may.",
			binding: text(func(c *Config) *string { return &c.Cluster.LeaseSchema }, parseSchema),
		},
	}
}

// maxSchemaName is the server's limit (NAME_CHAR_LEN).
const maxSchemaName = 64

func parseSchema(text string) (string, *mistake) {
	if _, m := nonEmpty(text); m != nil {
		return "", m
	}
	if len([]rune(text)) > maxSchemaName || strings.ContainsAny(text, "/\\.`%") {
		return "", &mistake{echo: text, what: "{} is no name for a schema", remedy: "Write a plain name of at most 64 characters, like galley."}
	}
	return text, nil
}
