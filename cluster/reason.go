package cluster

// Reason says why a node has the use it has, or why there is no writer. The
// list is closed: a reason is a metric label, a log field and the word on the
// status page.
type Reason uint8

// The reasons, in the order in which they are looked for.
const (
	OK                  Reason = iota // usable
	Starting                          // not asked yet
	Unreachable                       // connection refused, reset or no route
	ProbeTimeout                      // hangs: suspected until it answers again
	ProbeFailed                       // answers, but not as a server should
	AuthFailed                        // refuses the monitor user or galley's host
	TooManyConnections                // has no connection left for the monitor
	ShuttingDown                      // is stopping
	NotTrusted                        // a member at an address that gets no credentials
	NotGalera                         // a server, but in no Galera cluster
	NotConnected                      // cut off from the group
	NonPrimary                        // in no primary component
	RejectingQueries                  // wsrep_reject_queries is set
	NotReady                          // wsrep_ready is off
	NotSynced                         // joining, or joined and catching up
	DonorRejectsQueries               // donor, and sst_donor_rejects_queries is on
	Donor                             // sends its state to a joiner
	Desynced                          // wsrep_desync is on
	ForeignClusterUUID                // in another cluster than the one known
	BehindView                        // not in the view that the majority has
	ReadOnly                          // takes no writes
	QueueHigh                         // its receive queue is near the flow-control limit
	Draining                          // taken out by an operator
	Removed                           // no longer in the configuration or the cluster
	NoNodes                           // there is no node at all
	numReasons
)

// String gives the word for logs, metrics and the page.
func (r Reason) String() string {
	switch r {
	case OK:
		return "ok"
	case Starting:
		return "starting"
	case Unreachable:
		return "unreachable"
	case ProbeTimeout:
		return "probe_timeout"
	case ProbeFailed:
		return "probe_failed"
	case AuthFailed:
		return "auth_failed"
	case TooManyConnections:
		return "too_many_connections"
	case ShuttingDown:
		return "shutting_down"
	case NotTrusted:
		return "not_trusted"
	case NotGalera:
		return "not_galera"
	case NotConnected:
		return "not_connected"
	case NonPrimary:
		return "non_primary"
	case RejectingQueries:
		return "rejecting_queries"
	case NotReady:
		return "not_ready"
	case NotSynced:
		return "not_synced"
	case DonorRejectsQueries:
		return "donor_rejects_queries"
	case Donor:
		return "donor"
	case Desynced:
		return "desynced"
	case ForeignClusterUUID:
		return "foreign_cluster_uuid"
	case BehindView:
		return "behind_view"
	case ReadOnly:
		return "read_only"
	case QueueHigh:
		return "queue_high"
	case Draining:
		return "draining"
	case Removed:
		return "removed"
	case NoNodes:
		return "no_nodes"
	case numReasons:
	}
	return "unknown"
}

// AllReasons lists every reason, for metrics that show each of them.
func AllReasons() []Reason {
	all := make([]Reason, numReasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
