package main

import (
	"errors"
	"strings"

	"galley/cluster"
)

// advice says in a sentence what a node's reason means and what to do about it.
//
//nolint:funlen // a table
func advice(r cluster.Reason) string {
	switch r {
	case cluster.OK:
		return ""
	case cluster.Starting:
		return "It has not been asked yet."
	case cluster.Unreachable:
		return "Nothing answers at this address. Start mariadbd there, or look at the network between."
	case cluster.ProbeTimeout:
		return "It accepts connections and does not answer. Look for a hung disk, memory pressure or a stopped process."
	case cluster.ProbeFailed:
		return "It answers otherwise than a server should: see the probe's error."
	case cluster.TLSFailed:
		return "cluster.tls asks for more than it has. Give it a certificate (ssl_cert, ssl_key) that fits, correct cluster.tls.ca_file or server_name, or ask for less (cluster.tls.mode)."
	case cluster.AuthFailed:
		return "It refuses the monitor user. Check cluster.monitor, the account's host part, and whether TLS is required (cluster.tls.mode)."
	case cluster.TooManyConnections:
		return "It has no connection left. Raise max_connections there or lower the load."
	case cluster.ShuttingDown:
		return "It is shutting down."
	case cluster.NotTrusted:
		return "It is a member at an address outside cluster.discover_networks: it gets no credentials. Add its network, or the node itself, to the configuration."
	case cluster.NotGalera:
		return "It is a server without Galera: wsrep_on is off or no provider is loaded."
	case cluster.NotConnected:
		return "It is cut off from the group. Look at the network between the nodes (ports 4567, 4568, 4444)."
	case cluster.NonPrimary:
		return "It has lost the majority of the group and refuses statements. Bring the other nodes back, or bootstrap it if they are gone for good."
	case cluster.RejectingQueries:
		return "wsrep_reject_queries is set on it. SET GLOBAL wsrep_reject_queries=NONE takes it back."
	case cluster.NotReady:
		return "It is not ready for statements (wsrep_ready is OFF)."
	case cluster.NotSynced:
		return "It is joining or catching up. It comes by itself; its error log tells of the state transfer."
	case cluster.DonorRejectsQueries:
		return "It is a donor and wsrep_sst_donor_rejects_queries is ON. It comes back when the transfer has ended."
	case cluster.Donor:
		return "It sends its state to a joining node. Nothing to do: it comes back when the transfer has ended."
	case cluster.Desynced:
		return "wsrep_desync is ON on it. SET GLOBAL wsrep_desync=OFF takes it back."
	case cluster.ForeignClusterUUID:
		return "It belongs to another cluster (another state UUID). It was bootstrapped apart from the others: its data differ."
	case cluster.BehindView:
		return "It has not seen the cluster's newest view, so its data may be old. It comes back by itself when the group takes it in again."
	case cluster.ReadOnly:
		return "read_only is ON on it: it is used for reads only. SET GLOBAL read_only=OFF lets it be the writer."
	case cluster.QueueHigh:
		return "Its receive queue is near the flow-control limit: it gets no reads until it has caught up."
	case cluster.Draining:
		return "It was taken out by an operator. galley undrain puts it back."
	case cluster.Switchover:
		return ""
	case cluster.NoLease:
		return "Galley has not confirmed the lease of the writer: see the lease's error."
	case cluster.LeaseStalled:
		return "A node that is well has not yet answered galley's write to the lease: a schema change or flow control holds all writes."
	case cluster.Handover:
		return "The writer moves to another node: it is a matter of moments."
	case cluster.Removed:
		return "It is no longer in the configuration or the cluster."
	case cluster.NoNodes:
		return "There is no node: check cluster.nodes."
	}
	return ""
}

// nodeAdvice is [advice] for a node, by what its newest probe failed with.
func nodeAdvice(n *cluster.Node) string {
	if n.Reason == cluster.Unreachable && strings.Contains(n.Err, "lookup ") {
		return "Its name cannot be looked up. Correct it in cluster.nodes, or see the DNS of this machine."
	}
	return advice(n.Reason)
}

// grantOf gives the GRANT to run where an error is about a missing right.
func grantOf(err error) (string, bool) {
	if missing, ok := errors.AsType[*cluster.GrantError](err); ok {
		return missing.Grant(), true
	}
	return "", false
}
