//go:build e2e

package classify_test

import (
	"bufio"
	"os"
	"strings"
)

// corpusStatements takes the SQL out of one file of the server's own test
// suite, as far as it stands there literally: mysqltest's commands, and
// statements with its variables in them, are left out.
func corpusStatements(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var (
		out       []string
		text      strings.Builder
		delimiter = ";"
		quote     byte
	)
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		line := sc.Text()
		trimmed := strings.TrimSpace(line)
		if text.Len() == 0 {
			if trimmed == "" || trimmed[0] == '#' || trimmed == "}" || trimmed == "{" {
				continue
			}
			if strings.HasPrefix(trimmed, "--") {
				if d, ok := strings.CutPrefix(strings.TrimLeft(trimmed, "- "), "delimiter "); ok {
					delimiter = strings.TrimSpace(d)
				}
				continue
			}
		}
		quote = quoteAfter(line, quote)
		text.WriteString(line)
		text.WriteByte('\n')
		if quote != 0 || !strings.HasSuffix(trimmed, delimiter) {
			continue
		}
		s := strings.TrimSpace(text.String())
		text.Reset()
		s = strings.TrimSpace(strings.TrimSuffix(s, delimiter))
		if d, ok := cutWord(s, "delimiter"); ok {
			delimiter = strings.TrimSpace(d)
			continue
		}
		for part := range strings.SplitSeq(s, delimiter) {
			if part = sqlOf(strings.TrimSpace(part)); part != "" {
				out = append(out, part)
			}
		}
	}
	return out, sc.Err()
}

// quoteAfter follows quotes over a line.
func quoteAfter(line string, quote byte) byte {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"' || c == '`'):
			quote = c
		case quote == 0 && c == '#':
			return 0
		}
	}
	return quote
}

func cutWord(s, word string) (string, bool) {
	if len(s) > len(word) && strings.EqualFold(s[:len(word)], word) && (s[len(word)] == ' ' || s[len(word)] == '\t') {
		return s[len(word)+1:], true
	}
	return "", false
}

// sqlOf gives the statement of a part, "" for mysqltest's own.
func sqlOf(s string) string {
	for _, w := range []string{"eval", "send", "send_eval", "query", "query_vertical", "query_horizontal"} {
		if rest, ok := cutWord(s, w); ok {
			s = strings.TrimSpace(rest)
		}
	}
	for _, w := range []string{
		"let", "connect", "connection", "disconnect", "source", "echo", "error", "reap", "inc", "dec", "if", "while", "die",
		"skip", "sleep", "real_sleep", "disable_query_log", "enable_query_log", "exec", "perl", "shutdown", "kill", "append_file",
		"write_file", "remove_file", "copy_file", "replace_column", "replace_result", "replace_regex", "vertical_results", "}", "{",
	} {
		if len(s) >= len(w) && strings.EqualFold(s[:len(w)], w) && (len(s) == len(w) || !isWordByte(s[len(w)])) {
			return ""
		}
	}
	if strings.Contains(s, "$") {
		return ""
	}
	return s
}

// isWordByte is the letters of mysqltest's commands.
func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
