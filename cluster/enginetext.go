package cluster

import "bytes"

// Defines reads the text of a statement that defines tables, for a session in
// schema whose tables are of engine where a statement does not say. It gives
// the schemas that may have tables afterwards which are not replicated, and
// whether any may have come or gone.
func (e *EngineSet) Defines(sql []byte, schema, engine string) (schemas []string, changed bool) {
	known := e.Any() && (e.Local(schema) || e.Named(sql))
	switch {
	case namesOtherEngine(sql), engine != "" && !isInnoDB([]byte(engine)):
	case known && (hasWord(sql, "like") || hasWord(sql, "rename") || hasWord(sql, "view") || hasWord(sql, "exchange")):
	default:
		return nil, known
	}
	return append(qualifiersIn(sql), schema), true
}

// namesOtherEngine says whether a text has ENGINE = something else than InnoDB,
// or ENGINE and the name of another engine: a column may be called so too.
func namesOtherEngine(sql []byte) bool {
	const word = "engine"
	for rest := sql; ; {
		at := indexWord(rest, word)
		if at < 0 {
			return false
		}
		rest = rest[at+len(word):]
		value := bytes.TrimLeft(rest, " \t\r\n`\"'")
		given := len(value) > 0 && value[0] == '='
		if given {
			value = bytes.TrimLeft(value[1:], " \t\r\n`\"'")
		}
		end := 0
		for end < len(value) && inName(value[end]) {
			end++
		}
		if end == 0 && len(value) > 0 && bytes.IndexByte([]byte("/#-"), value[0]) >= 0 {
			return true // A comment, and who knows what behind it.
		}
		if name := value[:end]; given && !isInnoDB(name) || isOtherEngine(name) {
			return true
		}
	}
}

func isInnoDB(name []byte) bool { return bytes.EqualFold(name, []byte("innodb")) }

// isOtherEngine knows the engines of MariaDB and MySQL whose tables hold rows
// of their own.
func isOtherEngine(name []byte) bool {
	switch string(bytes.ToLower(name)) {
	case "myisam", "aria", "memory", "heap", "csv", "archive", "blackhole", "merge", "mrg_myisam", "federated", "connect", "rocksdb", "tokudb",
		"spider", "mroonga", "s3", "columnstore", "sphinx", "oqgraph":
		return true
	}
	return false
}

// qualifiersIn gives what stands before the dots of a text: the schemas that it
// names, and perhaps more.
func qualifiersIn(sql []byte) []string {
	var names []string
	for at := 0; ; at++ {
		i := bytes.IndexByte(sql[at:], '.')
		if i < 0 {
			return names
		}
		at += i
		if name := nameBefore(sql[:at]); name != "" && len(names) < shownLocal {
			names = append(names, name)
		}
	}
}

// nameBefore reads the name at the end of a text, in quotes or without.
func nameBefore(text []byte) string {
	text = bytes.TrimRight(text, " \t\r\n")
	if len(text) == 0 {
		return ""
	}
	if quote := text[len(text)-1]; quote == '`' || quote == '"' {
		inner := text[:len(text)-1]
		return string(inner[bytes.LastIndexByte(inner, quote)+1:])
	}
	start := len(text)
	for start > 0 && inName(text[start-1]) {
		start--
	}
	return string(text[start:])
}

// hasWord says whether a text has a word, given in lower case, that stands for
// itself.
func hasWord(text []byte, word string) bool { return indexWord(text, word) >= 0 }

// indexWord finds such a word; it is -1 where there is none.
func indexWord(text []byte, word string) int {
	for i := 0; i+len(word) <= len(text); i++ {
		if lower(text[i]) != word[0] {
			continue
		}
		end := i + len(word)
		if sameFold(text[i:end], word) && (i == 0 || !inName(text[i-1])) && (end == len(text) || !inName(text[end])) {
			return i
		}
	}
	return -1
}

func sameFold(b []byte, word string) bool {
	for i := range b {
		if lower(b[i]) != word[i] {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// inName says whether a byte may be part of a name without quotes (MariaDB KB,
// "Identifier Names").
func inName(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= lower(b) && lower(b) <= 'z'
}
