package admin

import "strings"

// reasonOK is the word of the closed list for a node of which there is nothing to say.
const reasonOK = "ok"

// humanReason makes a word of the closed list readable: behind_view becomes behind view. A sentence stays as it is.
func humanReason(reason string) string {
	if strings.Contains(reason, " ") {
		return reason
	}
	return strings.ReplaceAll(reason, "_", " ")
}

// reasonPhrase puts a reason behind a node's name. Words that read well after "is" need no case of their own.
func reasonPhrase(reason string) string {
	switch reason {
	case "":
		return "is out"
	case "probe_timeout":
		return "does not answer in time"
	case "probe_failed":
		return "fails its probe"
	case "tls_failed":
		return "cannot be trusted by TLS"
	case "auth_failed":
		return "refuses the monitor user"
	case "too_many_connections":
		return "has no connection left"
	case "not_galera":
		return "is in no Galera cluster"
	case "not_connected":
		return "is cut off from the group"
	case "non_primary":
		return "is in no primary component"
	case "rejecting_queries":
		return "rejects queries"
	case "donor_rejects_queries":
		return "is donor and rejects queries"
	case "foreign_cluster_uuid":
		return "is in another cluster"
	case "behind_view":
		return "is behind the others' view"
	case "queue_high":
		return "has a long receive queue"
	}
	return "is " + humanReason(reason)
}
