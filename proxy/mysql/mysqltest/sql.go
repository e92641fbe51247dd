package mysqltest

import (
	"encoding/hex"
	"strconv"
	"strings"

	"galley/proxy/mysql/wire"
)

// query answers a statement as a server would, as far as session state goes: reads give the node's name, writes an OK.
func (c *Conn) query(cmd *Command) error {
	if !strings.Contains(cmd.Text, ";") || !c.Caps.Has(wire.ClientMultiStatements) {
		return c.one(cmd.Text)
	}
	parts := strings.Split(strings.TrimRight(cmd.Text, "; "), ";")
	for i, part := range parts {
		c.More = i < len(parts)-1
		one := strings.TrimSpace(part)
		err := error(nil)
		if reply := c.Node.take(one); reply != nil && one != cmd.Text {
			err = reply(c, cmd)
		} else {
			err = c.one(one)
		}
		if err != nil {
			return err
		}
	}
	c.More = false
	return nil
}

// one answers a statement. What only begins like one that it understands is a mistake.
func (c *Conn) one(text string) error {
	defer func() {
		if recover() != nil { // It is read by its length here and there.
			c.Err(1064, "You have an error in your SQL syntax")
		}
	}()
	return c.understood(strings.TrimSpace(text))
}

func (c *Conn) understood(text string) error {
	for strings.HasPrefix(text, "/*") {
		_, rest, _ := strings.Cut(text, "*/")
		text = strings.TrimSpace(rest)
	}
	upper := strings.ToUpper(text)
	word, rest, _ := strings.Cut(upper, " ")
	switch word {
	case "SET":
		return c.set(text[4:])
	case "USE":
		return c.use(strings.Trim(text[4:], "`"))
	case "BEGIN", "START":
		c.begin(strings.Contains(rest, "READ ONLY"))
	case "COMMIT", "ROLLBACK":
		c.Status &^= wire.StatusInTrans | wire.StatusInTransReadOnly
		c.Track(wire.TrackCharacteristics, "")
		c.Track(wire.TrackTransaction, "________")
		c.OK(wire.OK{})
	case "LOCK":
		c.Track(wire.TrackTransaction, "_______L")
		c.OK(wire.OK{})
	case "UNLOCK":
		c.Track(wire.TrackTransaction, "________")
		c.OK(wire.OK{})
	case "KILL":
		return c.kill(rest)
	case "SELECT", "SHOW", "HANDLER", "WITH", "(SELECT":
		if word == "HANDLER" && !strings.Contains(rest, "READ") {
			c.OK(wire.OK{})
			return nil
		}
		if c.leftovers(text) {
			return nil
		}
		if strings.HasPrefix(rest, "@@") {
			c.variables(text)
			return nil
		}
		c.implicit(word != "SHOW")
		c.Rows([]string{"node"}, []string{c.Node.Name})
	case "CREATE", "DROP":
		if strings.Contains(rest, "TEMPORARY") {
			c.Track(wire.TrackStateChange, "1")
		}
		c.OK(wire.OK{})
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		c.implicit(true)
		if c.insertID++; c.forcedID != 0 {
			c.insertID, c.forcedID = c.forcedID, 0
		}
		c.OK(wire.OK{AffectedRows: 1, InsertID: c.insertID, Info: []byte("Rows matched: 1")})
	case "NONSENSE":
		c.Err(1064, "You have an error in your SQL syntax near 'nonsense'")
	default:
		c.OK(wire.OK{})
	}
	return nil
}

// leftovers answers what galley asks of a conn before another session gets it: last insert id, counts, and user variables.
func (c *Conn) leftovers(text string) bool {
	switch {
	case strings.HasPrefix(text, "SELECT LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), "):
		c.Rows([]string{"a", "b", "c", "d", "e"}, []string{strconv.FormatUint(c.insertID, 10), "1", "-1", "0", "0"})
	case strings.HasPrefix(text, "SELECT HEX(VARIABLE_NAME), "):
		var rows [][]string
		for name, value := range c.userVars {
			rows = append(rows, []string{hex.EncodeToString([]byte(name)), hex.EncodeToString([]byte(value)), "INT"})
		}
		c.Rows([]string{"a", "b", "c"}, rows...)
	default:
		return false
	}
	return true
}

// variables answers SELECT @@a, @@b.
func (c *Conn) variables(text string) {
	var names, values []string
	for name := range strings.SplitSeq(text[len("SELECT "):], ",") {
		name = strings.TrimPrefix(strings.TrimSpace(name), "@@")
		value := c.value(name)
		if name == "insert_id" {
			value = strconv.FormatUint(c.forcedID, 10)
		}
		names, values = append(names, name), append(values, value)
	}
	c.Rows(names, values)
}

// implicit begins a transaction without autocommit.
func (c *Conn) implicit(rows bool) {
	if rows && c.Status&(wire.StatusAutocommit|wire.StatusInTrans) == 0 {
		c.Status |= wire.StatusInTrans
	}
}

func (c *Conn) begin(readOnly bool) {
	c.Status |= wire.StatusInTrans
	characteristics := "START TRANSACTION;"
	if readOnly {
		c.Status |= wire.StatusInTransReadOnly
		characteristics = "START TRANSACTION READ ONLY;"
	}
	c.Track(wire.TrackCharacteristics, characteristics)
	c.Track(wire.TrackTransaction, "T_______")
	c.OK(wire.OK{})
}

func (c *Conn) use(schema string) error {
	if c.Node.lacks(schema) {
		c.Err(1049, "Unknown database '"+schema+"'")
		return nil
	}
	c.Schema = schema
	c.Track(wire.TrackSchema, schema)
	c.OK(wire.OK{})
	return nil
}

// kill runs KILL [QUERY] id.
func (c *Conn) kill(what string) error {
	words := strings.Fields(what)
	id, _ := strconv.ParseUint(words[len(words)-1], 10, 32)
	target := c.Node.thread(uint32(id))
	if target == nil {
		c.Err(1094, "Unknown thread id: "+words[len(words)-1])
		return nil
	}
	if target.User != c.User {
		c.Err(1095, "You are not owner of thread "+words[len(words)-1])
		return nil
	}
	if strings.Contains(what, "QUERY") {
		select {
		case target.interrupt <- struct{}{}:
		default:
		}
	} else {
		target.Close()
	}
	c.OK(wire.OK{})
	return nil
}

// names sets what SET NAMES sets.
func (c *Conn) names(what string) {
	words := strings.Fields(what)
	charset := unquote(words[1])
	c.Set("character_set_client", charset)
	c.Set("character_set_results", charset)
	c.Set("character_set_connection", charset)
	c.unset("collation_connection") // The character set's own.
	if len(words) == 4 {
		c.setQuietly("collation_connection", unquote(words[3]))
	}
}

// set runs SET.
func (c *Conn) set(what string) error {
	upper := strings.ToUpper(what)
	switch {
	case strings.HasPrefix(upper, "NAMES "):
		c.names(what)
	case strings.HasPrefix(upper, "TRANSACTION "):
		c.Track(wire.TrackCharacteristics, "SET "+upper+";")
		c.OK(wire.OK{})
		return nil
	case strings.HasPrefix(upper, "ROLE "):
	default:
		assignments := splitAssignments(what)
		for _, one := range assignments {
			if one = strings.TrimSpace(one); strings.HasPrefix(strings.ToUpper(one), "NAMES ") {
				c.names(one)
				continue
			}
			name, value, found := strings.Cut(one, "=")
			if strings.HasPrefix(value, "@@") {
				continue // To what it is.
			}
			if !found {
				c.Err(1064, "You have an error in your SQL syntax near '"+one+"'")
				return nil
			}
			c.assign(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	c.Track(wire.TrackStateChange, "1") // The server says so after every SET but SET TRANSACTION.
	c.OK(wire.OK{})
	return nil
}

func (c *Conn) assign(name, value string) {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "@@") {
		if c.userVars == nil {
			c.userVars = map[string]string{}
		}
		c.userVars[strings.Trim(name[1:], "`:")] = value
		return
	}
	for _, prefix := range []string{"session ", "@@session.", "@@"} {
		name = strings.TrimPrefix(name, prefix)
	}
	value = unquote(strings.TrimSuffix(value, ":"))
	flag := uint16(0)
	switch name {
	case "autocommit":
		value = onOff(value)
		flag = wire.StatusAutocommit
		if value == "ON" {
			c.Status |= flag
			c.Status &^= wire.StatusInTrans
		} else {
			c.Status &^= flag
		}
	case "sql_mode":
		c.Status &^= wire.StatusAnsiQuotes | wire.StatusNoBackslashEscape
		if strings.Contains(value, "ANSI_QUOTES") {
			c.Status |= wire.StatusAnsiQuotes
		}
		if strings.Contains(value, "NO_BACKSLASH_ESCAPES") {
			c.Status |= wire.StatusNoBackslashEscape
		}
	case "character_set_connection":
		c.unset("collation_connection")
	case "insert_id":
		c.forcedID, _ = strconv.ParseUint(value, 10, 64)
	case "last_insert_id":
		c.insertID, _ = strconv.ParseUint(value, 10, 64)
	case "character_set_results":
		if strings.EqualFold(value, "NULL") {
			value = ""
		}
	}
	c.Set(name, value)
}

func onOff(value string) string {
	if value == "1" || strings.EqualFold(value, "on") {
		return "ON"
	}
	return "OFF"
}

// splitAssignments splits at the commas outside of quotes.
func splitAssignments(s string) []string {
	var parts []string
	quoted, start := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[start:]))
}

// unquote gives the value of a literal: 'text', x'hex' or a word.
func unquote(s string) string {
	if strings.HasPrefix(s, "x'") {
		if b, err := hex.DecodeString(strings.Trim(s[1:], "'")); err == nil {
			return string(b)
		}
	}
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}
