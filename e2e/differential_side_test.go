//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// side is one of the two connections of a session: directly to a node, or through galley. It runs steps and says what came back,
// in a form in which the two sides are equal if the servers' answers are.
type side struct {
	addr    string
	schema  string // What schemaToken stands for.
	plain   string // The schema's name in what is compared.
	caps    wire.Capability
	until   time.Time // When what it runs is cut off; zero is never.
	account account
	client  *mysqltest.Client
	told    string         // The schema that the server told of last.
	logins  int            // Names user locks, so that those of a connection that is just going away are in nobody's way.
	ids     map[int]uint32 // The server's ids of the statements in the slots.
}

// account is a user of the differential test.
type account struct{ user, password string }

// schemaToken stands for the session's own schema in the text of a step. Names of both sides are of one length, so that they can be
// exchanged within packets; it is as long as they are.
const schemaToken = "SSSSSSS"

// lockToken stands for a part of the names of user locks that is the connection's own.
const lockToken = "LLLLLLL"

// noSuchStatement is the id of a statement that no server has prepared.
const noSuchStatement = 0x7ffffff0

func (s *side) connect(withSchema bool) error {
	s.close()
	s.logins++
	s.told = ""
	s.ids = map[int]uint32{}
	nc, err := net.DialTimeout("tcp", s.addr, 10*time.Second)
	if err != nil {
		return err
	}
	login := mysqltest.Login{User: s.account.user, Password: s.account.password, Caps: s.caps}
	if withSchema {
		login.Schema = s.schema
	}
	s.client, err = mysqltest.Connect(untilConn{nc, s.until}, login)
	return err
}

// untilConn is a connection that is cut off at a time; zero is never.
type untilConn struct {
	net.Conn

	until time.Time
}

func (c untilConn) SetDeadline(t time.Time) error {
	if !c.until.IsZero() && (t.IsZero() || t.After(c.until)) {
		t = c.until
	}
	return c.Conn.SetDeadline(t) //nolint:wrapcheck // it is the same connection
}

func (s *side) close() {
	if s.client != nil {
		s.client.Close()
	}
	s.client = nil
}

// errClosed says that the server has closed the connection.
const errClosed = "closed"

// run runs a step and gives one line for each packet of the answer. An answer that ends with errClosed has no further one.
func (s *side) run(st *step) []string {
	if st.kind == stepReconnect {
		s.account = st.account
		if err := s.connect(st.schema != ""); err != nil {
			return []string{s.loginError(err)}
		}
		return []string{"connected"}
	}
	if s.client == nil {
		return []string{errClosed}
	}
	if err := s.send(st); err != nil {
		return []string{errClosed}
	}
	r := answerReader{side: s, excluded: excludedStatus}
	if st.kind == stepFetch || st.kind == stepPing || st.kind == stepResetStatement || st.kind == stepSetOption {
		r.excluded |= wire.StatusInTrans | wire.StatusInTransReadOnly | wire.StatusNoBackslashEscape | wire.StatusAnsiQuotes // See exceptions.
	}
	var err error
	switch st.kind { //nolint:exhaustive // one packet answers the others
	case stepQuery, stepExecute, stepBulk:
		err = r.results()
	case stepPrepare:
		err = r.prepared(st.slot)
	case stepFetch:
		err = r.rows()
	case stepFieldList:
		err = r.rows()
	case stepChangeUser:
		err = r.changedUser(st)
	case stepClose, stepLongData:
	default:
		_, err = r.packet()
	}
	if err != nil {
		r.lines = append(r.lines, errClosed)
	}
	return r.lines
}

func (s *side) loginError(err error) string {
	if refused, ok := errors.AsType[*wire.ServerError](err); ok {
		return s.neutral(refused.Error())
	}
	return errClosed
}

// send writes a step's command.
func (s *side) send(st *step) error {
	text := strings.ReplaceAll(strings.ReplaceAll(st.sql, schemaToken, s.schema), lockToken, fmt.Sprintf("lock%d", s.logins))
	id, ok := s.ids[st.slot]
	if !ok {
		id = noSuchStatement
	}
	statement := binary.LittleEndian.AppendUint32(nil, id)
	switch st.kind { //nolint:exhaustive // reconnecting is no command
	case stepQuery:
		return s.client.Send(wire.ComQuery, text)
	case stepPrepare:
		if old, ok := s.ids[st.slot]; ok { // As a client does that uses its handle again.
			if err := s.client.Send(wire.ComStmtClose, string(binary.LittleEndian.AppendUint32(nil, old))); err != nil {
				return err
			}
			delete(s.ids, st.slot)
		}
		return s.client.Send(wire.ComStmtPrepare, text)
	case stepExecute:
		return s.client.Send(wire.ComStmtExecute, string(append(statement, st.execution()...)))
	case stepBulk:
		return s.client.Send(wire.ComStmtBulkExecute, string(append(statement, st.bulk()...)))
	case stepLongData:
		statement = binary.LittleEndian.AppendUint16(statement, uint16(st.number))
		return s.client.Send(wire.ComStmtSendLongData, string(statement)+text)
	case stepResetStatement:
		return s.client.Send(wire.ComStmtReset, string(statement))
	case stepFetch:
		return s.client.Send(wire.ComStmtFetch, string(binary.LittleEndian.AppendUint32(statement, uint32(st.number))))
	case stepClose:
		delete(s.ids, st.slot)
		return s.client.Send(wire.ComStmtClose, string(statement))
	case stepInitDB:
		return s.client.Send(wire.ComInitDB, text)
	case stepFieldList:
		return s.client.Send(wire.ComFieldList, text+"\x00")
	case stepPing:
		return s.client.Send(wire.ComPing, "")
	case stepSetOption:
		return s.client.Send(wire.ComSetOption, string([]byte{byte(st.number), 0}))
	case stepResetConnection:
		s.ids, s.told = map[int]uint32{}, ""
		return s.client.Send(wire.ComResetConnection, "")
	case stepChangeUser:
		return s.changeUser(st)
	default:
		return fmt.Errorf("no command for step %d", st.kind)
	}
}

func (s *side) changeUser(st *step) error {
	s.ids, s.told = map[int]uint32{}, ""
	body := append([]byte(st.account.user), 0)
	proof := mysqltest.NativeAnswer(s.client.Greeting.Scramble[:], st.account.password)
	body = append(body, byte(len(proof)))
	body = append(body, proof...)
	body = append(body, strings.ReplaceAll(st.schema, schemaToken, s.schema)...)
	body = append(body, 0, byte(st.number), 0)
	body = append(body, gomysql.AUTH_NATIVE_PASSWORD...)
	return s.client.Send(wire.ComChangeUser, string(append(body, 0)))
}

// neutral gives a text in which nothing is left that has to differ between the sides.
func (s *side) neutral(text string) string { return strings.ReplaceAll(text, s.schema, s.plain) }

// answerReader reads the answer to one command.
type answerReader struct {
	side     *side
	lines    []string
	excluded uint16 // Flags of the status that are not compared.
}

// ending is what the last packet of a result says about what follows it.
type ending struct {
	status uint16
	failed bool
}

func (r *answerReader) say(what, text string) {
	r.lines = append(r.lines, what+" "+r.side.neutral(text))
}

// packet reads an OK, EOF or ERR packet.
func (r *answerReader) packet() (ending, error) {
	p, err := r.side.client.Packet()
	if err != nil {
		return ending{}, err
	}
	return r.last(p), nil
}

// results reads what answers a statement: any number of results.
func (r *answerReader) results() error {
	for {
		e, err := r.result()
		if err != nil || e.failed || e.status&wire.StatusMoreResults == 0 {
			return err
		}
	}
}

func (r *answerReader) result() (ending, error) {
	p, err := r.side.client.Packet()
	if err != nil {
		return ending{}, err
	}
	switch {
	case p[0] == 0 || p[0] == 0xff || p[0] == 0xfe && len(p) < 9:
		return r.last(p), nil
	case p[0] == 0xfb:
		r.say("file", string(p[1:]))
		if err := r.side.client.WritePacket([]byte("31,from a file\n32,line two\nnot a number,three\n")); err != nil {
			return ending{}, err
		}
		if err := r.side.client.WritePacket(nil); err != nil {
			return ending{}, err
		}
		return r.packet()
	}
	if e, err := r.definitions(int(p[0])); err != nil || e.failed || e.status&wire.StatusCursorExists != 0 {
		return e, err
	}
	return r.untilEnd()
}

// definitions reads those of n columns, and the EOF behind them.
func (r *answerReader) definitions(n int) (ending, error) {
	for range n {
		p, err := r.side.client.Packet()
		if err != nil {
			return ending{}, err
		}
		if p[0] == 0xff {
			return r.last(p), nil
		}
		r.say("column", string(p))
	}
	if r.side.caps.Has(wire.ClientDeprecateEOF) {
		return ending{}, nil
	}
	return r.packet()
}

func (r *answerReader) rows() error {
	_, err := r.untilEnd()
	return err
}

func (r *answerReader) untilEnd() (ending, error) {
	for {
		p, err := r.side.client.Packet()
		if err != nil {
			return ending{}, err
		}
		if p[0] == 0xff || p[0] == 0xfe && (len(p) < 9 || r.side.caps.Has(wire.ClientDeprecateEOF)) {
			return r.last(p), nil
		}
		r.say("row", string(p))
	}
}

// prepared reads the answer to COM_STMT_PREPARE.
func (r *answerReader) prepared(slot int) error {
	p, err := r.side.client.Packet()
	if err != nil {
		return err
	}
	if p[0] == 0xff {
		r.last(p)
		return nil
	}
	r.side.ids[slot] = binary.LittleEndian.Uint32(p[1:])
	r.say("prepared", string(p[5:]))
	for _, at := range []int{7, 5} {
		if n := int(binary.LittleEndian.Uint16(p[at:])); n > 0 {
			if _, err := r.definitions(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// changedUser reads the answer to COM_CHANGE_USER, which may be another challenge.
func (r *answerReader) changedUser(st *step) error {
	p, err := r.side.client.Packet()
	if err != nil {
		return err
	}
	if p[0] == 0xfe && bytes.HasPrefix(p[1:], []byte(gomysql.AUTH_NATIVE_PASSWORD)) {
		sw, err := wire.ParseAuthSwitch(p)
		if err != nil {
			return err
		}
		if err := r.side.client.WritePacket([]byte(mysqltest.NativeAnswer(sw.Data, st.account.password))); err != nil {
			return err
		}
		if p, err = r.side.client.Packet(); err != nil {
			return err
		}
	}
	r.last(p)
	return nil
}

// excludedStatus are the status flags that depend on more than the session.
const excludedStatus = 1<<4 | // SERVER_QUERY_NO_GOOD_INDEX_USED and
	1<<5 | // SERVER_QUERY_NO_INDEX_USED: the optimizer's choice, by each node's own statistics.
	1<<10 | // SERVER_STATUS_METADATA_CHANGED: see exceptions.
	1<<11 // SERVER_QUERY_WAS_SLOW: time.

// last says what an OK, EOF or ERR packet says.
func (r *answerReader) last(p []byte) ending {
	switch {
	case p[0] == 0xff:
		e := wire.ParseErr(p)
		if e.Code == 1243 || e.Code == 1421 || e.Code == 1047 {
			e.Message = "" // See exceptions.
		}
		if e.Code == 1264 && strings.Contains(e.Message, "'n'") {
			e.Message, _, _ = strings.Cut(e.Message, " at row") // See exceptions.
		}
		r.say("error", e.Error())
		return ending{failed: true}
	case p[0] == 0xfe && len(p) == 5:
		status := binary.LittleEndian.Uint16(p[3:])
		if !r.side.caps.Has(wire.ClientSessionTrack) {
			status &^= wire.StatusStateChanged // See exceptions.
		}
		r.say("EOF", fmt.Sprintf("status %#x warnings %d", status&^r.excluded, binary.LittleEndian.Uint16(p[1:])))
		return ending{status: status}
	}
	ok, err := wire.ParseOK(p, r.side.caps.Has(wire.ClientSessionTrack))
	if err != nil {
		r.say("malformed", string(p))
		return ending{failed: true}
	}
	var tracked []string
	for t := wire.NewTrackers(ok.State); ; {
		e, more := t.Next()
		if !more {
			break
		}
		if e.Type == wire.TrackSchema {
			// A server tells it again where a statement was prepared in another schema, and of a new schema as late as then where none was chosen before.
			if schema := string(e.Value); schema == r.side.told {
				continue
			} else {
				r.side.told = schema
			}
		}
		tracked = append(tracked, fmt.Sprintf("%d:%s=%s", e.Type, e.Name, e.Value))
	}
	if len(tracked) == 0 {
		ok.Status &^= wire.StatusStateChanged
	}
	slices.Sort(tracked) // The server has variables in the order of a hash of their addresses.
	r.say("OK", fmt.Sprintf("%#x affected %d id %d status %#x warnings %d %q %q", p[0], ok.AffectedRows, ok.InsertID, ok.Status&^r.excluded, ok.Warnings, ok.Info, tracked))
	return ending{status: ok.Status}
}
