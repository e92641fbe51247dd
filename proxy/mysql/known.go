package mysql

import (
	"encoding/binary"
	"sync"

	"galley/proxy/mysql/wire"
)

// Frameworks ask for the same variable over each new connection (SELECT @@sql_mode, SELECT @@SESSION.sql_mode). What a node has answered to it a moment ago, under the same
// settings, is answered again by galley: byte for byte, as what the answer looks like is the node's affair.

const (
	// knownText is the longest statement that is looked at, and knownBytes the longest answer that is kept, in bytes.
	knownText  = 64
	knownBytes = 1 << 10
	// knownMost bounds the answers that are kept. They are few: the statements times the settings that sessions ask under.
	knownMost = 256
	// knownStatus are the status flags that an answer may have to be kept. Others are about more than a variable.
	knownStatus = wire.StatusAutocommit | wire.StatusAnsiQuotes | wire.StatusNoBackslashEscape
)

// knownAnswers remembers answers, each for a second at most: somebody may change the node's global variables. Safe for use by many goroutines.
type knownAnswers struct {
	mu   sync.RWMutex
	all  map[string]knownAnswer
	turn uint64 // Another one after each time that all was forgotten.
}

type knownAnswer struct {
	packets []byte
	status  uint16
	tick    int64
}

// lesson is an answer that is to be remembered when it is whole.
type lesson struct {
	key     string
	turn    uint64
	packets []byte
}

func (k *knownAnswers) find(key []byte, tick int64) (a knownAnswer, turn uint64, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	a, ok = k.all[string(key)]
	return a, k.turn, ok && a.tick == tick
}

func (k *knownAnswers) add(l *lesson, a knownAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.turn != l.turn {
		return // It may be older than what changed.
	}
	if k.all == nil || len(k.all) >= knownMost {
		k.all = map[string]knownAnswer{}
	}
	k.all[l.key] = a
}

// forget drops all answers, and those that are on their way.
func (k *knownAnswers) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn++
	clear(k.all)
}

// knownHere answers the question for a variable without a node, if the answer is known. done is false where a node must run it; it is learned then.
func (s *session) knownHere(x *exchange) (done bool, err error) {
	sql := x.cmd.Body[1:]
	switch {
	case !asksVariable(sql), !x.cmd.Whole(), s.trx != nil, s.state.pins != 0, s.strayed, s.lostTies != 0, s.status&wire.StatusAutocommit == 0:
		return false, nil
	}
	s.scratch = s.appendKnownKey(s.scratch[:0], sql)
	known, turn, ok := s.srv.known.find(s.scratch, s.srv.tick.Load())
	if !ok {
		x.learns = &lesson{key: string(s.scratch), turn: turn}
		return false, nil
	}
	s.status = known.status
	s.after.tellRows(-1)
	s.after.found = 1
	s.after.known |= partFound
	s.after.kept |= partFound
	s.count(x, routeSession, toWriter)
	if err := s.client.Write(known.packets); err != nil {
		return true, endSession(closeClientGone, err)
	}
	return true, nil
}

// appendKnownKey appends all that the answer depends on, besides the node's global variables.
func (s *session) appendKnownKey(key, sql []byte) []byte {
	key = binary.LittleEndian.AppendUint64(key, uint64(s.caps))
	key = binary.LittleEndian.AppendUint16(key, s.status&knownStatus)
	key = append(key, sql...)
	for i := range s.state.vars {
		v := &s.state.vars[i]
		key = append(append(append(append(key, 0), v.name...), '='), v.value...)
	}
	return key
}

// learn takes a part of x's answer. When it is whole, it is remembered, if it is one that depends on nothing else.
func (s *session) learn(x *exchange, packets []byte) {
	x.learns.packets = append(x.learns.packets, packets...)
	a := &s.answer
	if !a.Done || x.failed || a.Results != 1 || a.Rows != 1 || a.Warnings != 0 || len(x.learns.packets) > knownBytes || a.Status&^knownStatus != 0 || s.state.pins != 0 {
		return
	}
	s.srv.known.add(x.learns, knownAnswer{packets: x.learns.packets, status: a.Status, tick: s.srv.tick.Load()})
}

// asksVariable says whether a statement asks for one variable of those whose value depends on nothing but what the session has set and the node's global variables, which the nodes
// of a cluster have alike. Letters may be of any case: the text is the name of the answer's column, and part of the key.
func asksVariable(sql []byte) bool {
	const verb = "select @@"
	if len(sql) < len(verb) || len(sql) > knownText || sql[len(verb)-1] != '@' {
		return false
	}
	var lower [knownText]byte
	text := string(appendLower(lower[:0], sql))
	if text[:len(verb)] != verb {
		return false
	}
	name := text[len(verb):]
	for _, scope := range []string{"session.", "local."} {
		if len(name) > len(scope) && name[:len(scope)] == scope {
			name = name[len(scope):]
			break
		}
	}
	switch name {
	case "sql_mode", "version", "version_comment", "lower_case_table_names", "max_allowed_packet", "time_zone", "tx_isolation":
		return true
	}
	return false
}
