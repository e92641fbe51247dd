// Package admin is galley's own HTTP door: the status page, the JSON API, health, readiness and metrics.
//
// It is not a front door for clients of the cluster, it keeps no state of the cluster and decides nothing: all it shows
// comes from a Source, which answers with one plain Snapshot, and all it changes goes through the Actions it was given.
//
// The one thing to know first: every route is registered with an access level (open, read, change), and every request
// passes the same chain (security headers, Host, cross-site, access) before its handler; see routes.go and guard.go.
// The shape of the API is written down in API.md.
package admin
