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
	TLSFailed                         // no TLS there, or not with whom it should be
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
	Switchover                        // another node was made the writer by an operator
	NoLease                           // galley has not confirmed that it may write
	LeaseStalled                      // a node that is well has not yet answered that galley may write
	Handover                          // the writer moves to another node
	Removed                           // no longer in the configuration or the cluster
	NoNodes                           // there is no node at all
	numReasons
)

// reasonWords are the words for the reasons.
//
//nolint:gochecknoglobals // read-only table
var reasonWords = [numReasons]string{
	OK:                  "ok",
	Starting:            "starting",
	Unreachable:         "unreachable",
	ProbeTimeout:        "probe_timeout",
	ProbeFailed:         "probe_failed",
	TLSFailed:           "tls_failed",
	AuthFailed:          "auth_failed",
	TooManyConnections:  "too_many_connections",
	ShuttingDown:        "shutting_down",
	NotTrusted:          "not_trusted",
	NotGalera:           "not_galera",
	NotConnected:        "not_connected",
	NonPrimary:          "non_primary",
	RejectingQueries:    "rejecting_queries",
	NotReady:            "not_ready",
	NotSynced:           "not_synced",
	DonorRejectsQueries: "donor_rejects_queries",
	Donor:               "donor",
	Desynced:            "desynced",
	ForeignClusterUUID:  "foreign_cluster_uuid",
	BehindView:          "behind_view",
	ReadOnly:            "read_only",
	QueueHigh:           "queue_high",
	Draining:            "draining",
	Switchover:          "switchover",
	NoLease:             "no_lease",
	LeaseStalled:        "lease_stalled",
	Handover:            "handover",
	Removed:             "removed",
	NoNodes:             "no_nodes",
}

// String gives the word for logs, metrics and the page.
func (r Reason) String() string {
	if r < numReasons {
		return reasonWords[r]
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
