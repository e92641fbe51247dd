package cluster

// Grade says how good a node is for a role.
type Grade uint8

// The grades, worst first.
const (
	Never      Grade = iota // not to be used
	LastResort              // only when nothing better is left
	Usable
)

// String gives the word for logs and the page.
func (g Grade) String() string {
	switch g {
	case Never:
		return "never"
	case LastResort:
		return "last_resort"
	case Usable:
		return "usable"
	}
	return "unknown"
}

// Limits are the numbers that classification depends on.
type Limits struct {
	// QueueLow and QueueHigh are parts of the node's gcs.fc_limit: from the
	// first on its share of reads falls, at the second it is zero.
	QueueLow, QueueHigh float64
}

// Verdict is what one node's own status allows; what the others say about it
// comes on top (BuildView).
type Verdict struct {
	Write, Read Grade
	Reason      Reason // why the worse of the two is not Usable
}

// Classify judges a node by what it says of itself.
func Classify(s Status) Verdict {
	never := func(r Reason) Verdict { return Verdict{Never, Never, r} }
	v := Verdict{Usable, Usable, OK}
	switch {
	case !s.Galera:
		return never(NotGalera)
	case !s.Connected:
		return never(NotConnected)
	case !s.Primary:
		return never(NonPrimary)
	case s.RejectsAll:
		return never(RejectingQueries)
	case s.Maintenance:
		return never(Draining)
	}
	switch s.State {
	case StateSynced:
	case StateDonor:
		if s.DonorRejects && !s.Desync {
			return never(DonorRejectsQueries)
		}
		// The only synced node becomes donor when another one joins, and a
		// desynced one still applies everything: refusing them could refuse
		// the last node there is.
		v = Verdict{LastResort, LastResort, Donor}
		if s.Desync {
			v.Reason = Desynced
		}
	case StateJoined:
		// A donor passes through Joined on its way back to Synced; a joiner
		// here has its whole state and is catching up.
		v = Verdict{LastResort, LastResort, NotSynced}
	case StateUndefined, StateJoining, StateError:
		return never(NotSynced)
	}
	if !s.Ready {
		return never(NotReady)
	}
	if s.ReadOnly {
		v.Write = Never
		if v.Reason == OK {
			v.Reason = ReadOnly
		}
	}
	return v
}

// shareOf is the part of its normal reads that a node should get by its
// receive queue: all of it below QueueLow, falling in a straight line to
// nothing at QueueHigh. Once it was nothing (blocked) it stays so until the
// queue is down to half of QueueHigh, so that reads do not come and go with
// every burst.
func shareOf(s Status, l Limits, blocked bool) (share float64, stillBlocked bool) {
	if s.FCLimit <= 0 || l.QueueHigh <= 0 {
		return 1, false
	}
	queue, low, high := float64(s.RecvQueue), l.QueueLow*s.FCLimit, l.QueueHigh*s.FCLimit
	if queue >= high || (blocked && queue > high/2) {
		return 0, true
	}
	if queue <= low || high <= low {
		return 1, false
	}
	return (high - queue) / (high - low), false
}
