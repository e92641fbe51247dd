package cluster

import "time"

// EventKind is what happened between two views. The list is closed.
type EventKind uint8

// The kinds of events.
const (
	EventNodeAdded EventKind = iota
	EventNodeRemoved
	EventNodeChanged // another reason, hence another use
	EventNodeEvicted // the group went on without it
	EventNodeRestarted
	EventWriterChanged
	EventViewChanged    // the nodes agree on another view of the same cluster
	EventClusterChanged // the nodes agree on another cluster UUID
	EventSwitchoverGivenUp
	EventSplitBrain // nodes are in another primary component, or others than before
	EventSplitBrainOver
	EventDegraded // no primary component: nodes are read outside of one
	EventDegradedOver
)

// String gives the word for logs, metrics and the page.
func (k EventKind) String() string {
	switch k {
	case EventNodeAdded:
		return "node_added"
	case EventNodeRemoved:
		return "node_removed"
	case EventNodeChanged:
		return "node_changed"
	case EventNodeEvicted:
		return "node_evicted"
	case EventNodeRestarted:
		return "node_restarted"
	case EventWriterChanged:
		return "writer_changed"
	case EventViewChanged:
		return "view_changed"
	case EventClusterChanged:
		return "cluster_changed"
	case EventSwitchoverGivenUp:
		return "switchover_given_up"
	case EventSplitBrain:
		return "split_brain"
	case EventSplitBrainOver:
		return "split_brain_over"
	case EventDegraded:
		return "degraded"
	case EventDegradedOver:
		return "degraded_over"
	}
	return "unknown"
}

// passing says whether there is no writer for a reason that is over by itself
// in a moment: the lease is being confirmed, or the writer moves.
func (e *Event) passing() bool {
	return e.Kind == EventWriterChanged && e.Addr == "" && (e.To == LeaseStalled || e.To == Handover || e.To == Starting)
}

// Event is one difference between two views.
type Event struct {
	At   time.Time
	Kind EventKind
	// Addr is the node it is about; for the writer the new one, empty when
	// there is none.
	Addr string
	// Was is the writer's address before, for EventWriterChanged.
	Was string
	// From and To are the node's reasons; for EventWriterChanged From is why
	// the old writer was left.
	From, To Reason
	// Detail is a text for people: the probe's error, or the view.
	Detail string
}
