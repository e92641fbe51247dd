package mysql

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"galley/balancer"
	"galley/cluster"
)

// Galera numbers the writes of a cluster, and each node tells by WSREP_LAST_SEEN_GTID() which number it gave out last: as it begins to commit, before anybody can see the write
// (10.11.19 reads m_seqno there, not m_committed_seqno; on a busy machine one of 6,000 reads behind it was stale). The numbers are the same on all nodes, also after state
// transfers and a full stop; domain and server id may be each node's own (a bootstrap of another node), so that only numbers are compared between nodes.
//
// WSREP_SYNC_WAIT_UPTO_GTID waits for a number of the node's own domain and server id, and asks nobody else. It can return early: for others at once, and while the transaction
// with the number is being committed (wsrep_mysqld.h, wait_gtid_upto compares with the number given out last).
//
// So numbers alone do not prove it (position.has wants both). What can be seen is told by the provider: wsrep_last_committed is raised when a transaction leaves the commit order, which InnoDB has it do when it
// is committed in memory (trx0trx.cc, commit_in_memory; wsrep_commit_ordered), and is the group's own number, the same on all nodes. wsrep_sync_wait waits for the same.

const (
	lastSeenQuery  = "SELECT WSREP_LAST_SEEN_GTID()"
	committedQuery = "SHOW STATUS LIKE 'wsrep_last_committed'"
)

var (
	errNoFunctions = errors.New("the node does not have Galera's GTID functions")
	errNoIndex     = errors.New("the writer does not say which number its last write has")
	errUnverified  = errors.New("the node does not say that it has the number for which it has waited")
)

// gtid is a node's position.
type gtid struct {
	domain, server uint32
	seq            uint64
}

// parseGTID reads domain-server-number.
func parseGTID(text string) (g gtid, ok bool) {
	first, rest, _ := strings.Cut(text, "-")
	second, third, _ := strings.Cut(rest, "-")
	domain, err1 := strconv.ParseUint(first, 10, 32)
	server, err2 := strconv.ParseUint(second, 10, 32)
	seq, err3 := strconv.ParseUint(third, 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return gtid{}, false
	}
	return gtid{uint32(domain), uint32(server), seq}, true
}

// String writes it as the server does.
func (g gtid) String() string {
	return strconv.FormatUint(uint64(g.domain), 10) + "-" + strconv.FormatUint(uint64(g.server), 10) + "-" + strconv.FormatUint(g.seq, 10)
}

// waitForQuery waits for g up to limit, which the server counts in whole seconds, and then tells where the node is.
func waitForQuery(g gtid, limit time.Duration) string {
	seconds := max(1, int((limit+time.Second-1)/time.Second))
	return "SELECT WSREP_SYNC_WAIT_UPTO_GTID('" + g.String() + "'," + strconv.Itoa(seconds) + "), WSREP_LAST_SEEN_GTID()"
}

// epoch is how long numbers may be compared: a view of the group under one writer.
type epoch struct {
	uuid   string
	conf   int64
	writer *balancer.Backend
}

func epochOf(view *cluster.View) epoch {
	e := epoch{uuid: view.StateUUID, conf: view.ConfID}
	if w := view.WriterNode(); w != nil {
		e.writer = w.Backend
	}
	return e
}

// after keeps what was known of the group while nobody tells.
func (e epoch) after(before epoch) epoch {
	if e.uuid == "" || e.conf < 0 {
		e.uuid, e.conf = before.uuid, before.conf
	}
	return e
}

// restarted says whether e is another cluster than before, or one that may have lost writes since.
func (e epoch) restarted(before epoch) bool {
	return before.uuid != "" && e.uuid != "" && e.conf >= 0 && (e.uuid != before.uuid || e.conf < before.conf)
}

// numbering is how a node numbered the writes at one moment: the provider's own number of the last one, between two looks at the GTID.
type numbering struct{ before, committed, after uint64 }

// tight says whether no write came in between.
func (n numbering) tight() bool { return n.before == n.after }

// ahead says whether the reader's numbers are surely too high, so that it would be taken for having what it does not have. The difference between the two numberings only grows
// (by what has no GTID: views, fragments), and equally on all nodes.
func ahead(writer, reader numbering) bool {
	return writer.before > 0 && reader.committed >= writer.committed && int64(reader.committed-reader.before) < int64(writer.committed-writer.after)
}

// tooLow says whether the reader's numbers seem too low, so that it would be waited for in vain: what one node writes for itself (tables that are not replicated, wsrep_on=OFF) may
// raise its own number alone. A view that comes between the two looks has the same effect, but not four times in a row.
func tooLow(writer, reader numbering) bool {
	return writer.before > 0 && reader.committed >= writer.committed && int64(reader.committed-reader.after) > int64(writer.committed-writer.before)
}
