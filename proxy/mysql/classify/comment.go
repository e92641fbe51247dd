package classify

import "bytes"

// commentOrSign reads what begins with #, -, / or *. False means that it was
// a comment.
func (l *lexer) commentOrSign(i int, c charClass) bool {
	s := l.s
	var second byte
	if i+1 < len(s) {
		second = s[i+1]
	}
	switch c {
	case cHash:
		return l.lineComment(i + 1)
	case cMinus:
		if second != '-' {
			break
		}
		if i+2 >= len(s) || s[i+2] <= ' ' || s[i+2] == 0x7f {
			return l.lineComment(i + 2)
		}
		if s[i+2] >= 0x80 { // a space or control character in some charsets
			l.bad(ReasonBytes)
			return true
		}
	case cSlash:
		if second == '*' {
			return l.blockComment(i)
		}
	case cStar:
		if second == '/' && l.openExec > 0 {
			l.openExec--
			l.pos = i + 2
			return false
		}
	default:
	}
	l.sign(tOp, i+1)
	return true
}

// lineComment passes over a comment up to the end of its line. A NUL ends it
// too for the server.
func (l *lexer) lineComment(i int) bool {
	rest := l.s[i:]
	if k := bytes.IndexByte(rest, '\n'); k >= 0 {
		rest = rest[:k]
	}
	if bytes.IndexByte(rest, 0) >= 0 {
		l.bad(ReasonBytes)
		return true
	}
	l.pos = i + len(rest)
	l.commented = true
	return false
}

// blockComment passes over /* */, and enters /*! */ and /*M! */.
func (l *lexer) blockComment(i int) bool {
	s, body := l.s, i+2
	k := bytes.Index(s[body:], []byte("*/"))
	if k < 0 {
		l.bad(ReasonUnterminated)
		return true
	}
	l.commented = true
	text := s[body : body+k]
	executed := 0
	switch {
	case len(text) > 0 && text[0] == '!':
		executed = 1
	case len(text) > 1 && text[0] == 'M' && text[1] == '!':
		executed = 2
	}
	if executed == 0 {
		if l.hint == NoHint {
			l.readHint(body, body+k)
		}
		l.pos = body + k + 2
		return false
	}
	for executed < len(text) && classes[text[executed]] == cDigit {
		executed++
	}
	if mild(text[executed:]) {
		l.pos = body + k + 2
		return false
	}
	l.sawExec = true
	l.openExec++
	l.pos = body + executed
	return false
}

// mild tells whether an executable comment holds nothing but words that make
// no difference to where the statement may run. Any other one may be executed
// or not by the server's version, and no read is sure that has one.
func mild(text []byte) bool {
	for i := 0; i < len(text); {
		if classes[text[i]] == cSpace {
			i++
			continue
		}
		j := i
		for j < len(text) && classes[text[j]] == cWord {
			j++
		}
		if j == i || wordTable[lookup(text[i:j])].props&pMild == 0 {
			return false
		}
		i = j
	}
	return true
}

// readHint understands galley:writer, galley:reader and galley:node=ADDR when
// they are all that an ordinary comment says.
func (l *lexer) readHint(i, j int) {
	s := l.s
	for i < j && classes[s[i]] == cSpace {
		i++
	}
	for j > i && classes[s[j-1]] == cSpace {
		j--
	}
	const prefix, node = "galley:", "node="
	if j-i < len(prefix) || !sameWord(prefix, s[i:i+len(prefix)]) {
		return
	}
	i += len(prefix)
	switch {
	case sameWord("writer", s[i:j]):
		l.hint = HintWriter
	case sameWord("reader", s[i:j]):
		l.hint = HintReader
	case j-i > len(node) && sameWord(node, s[i:i+len(node)]):
		l.hint, l.hintStart, l.hintEnd = HintNode, int32(i+len(node)), int32(j)
	}
}
