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
	l.commented = true
	switch {
	case body < len(s) && s[body] == '!':
		return l.executable(body + 1)
	case body+1 < len(s) && s[body] == 'M' && s[body+1] == '!':
		return l.executable(body + 2)
	}
	k := bytes.Index(s[body:], []byte("*/"))
	if k < 0 {
		l.bad(ReasonUnterminated)
		return true
	}
	if l.hint == NoHint || l.consistency == NoConsistency {
		l.readHint(body, body+k)
	}
	l.pos = body + k + 2
	return false
}

// executable passes over a comment that some versions execute if it holds
// nothing but words that make no difference to where the statement may run.
// Into any other one it goes on reading, for its words may be executed or not,
// and no read is sure that has it.
func (l *lexer) executable(i int) bool {
	s := l.s
	for i < len(s) && classes[s[i]] == cDigit {
		i++
	}
	for j := i; j < len(s); {
		switch {
		case classes[s[j]] == cSpace:
			j++
			continue
		case s[j] == '*' && j+1 < len(s) && s[j+1] == '/':
			l.pos = j + 2
			return false
		}
		k := j
		for k < len(s) && classes[s[k]] == cWord {
			k++
		}
		if wordTable[lookup(s[j:k])].props&pMild == 0 {
			break
		}
		j = k
	}
	l.sawExec = true
	l.openExec++
	l.pos = i
	return false
}

// readHint understands galley:writer, galley:reader, galley:node=ADDR and
// galley:consistency=WORD when they are all that an ordinary comment says.
func (l *lexer) readHint(i, j int) {
	s := l.s
	for i < j && classes[s[i]] == cSpace {
		i++
	}
	for j > i && classes[s[j-1]] == cSpace {
		j--
	}
	const prefix, node, consistency = "galley:", "node=", "consistency="
	if j-i < len(prefix) || !sameWord(prefix, s[i:i+len(prefix)]) {
		return
	}
	for i += len(prefix); i < j && classes[s[i]] == cSpace; {
		i++
	}
	if j-i > len(consistency) && sameWord(consistency, s[i:i+len(consistency)]) {
		l.readConsistency(s[i+len(consistency) : j])
		return
	}
	if l.hint != NoHint {
		return
	}
	switch {
	case sameWord("writer", s[i:j]):
		l.hint = HintWriter
	case sameWord("reader", s[i:j]):
		l.hint = HintReader
	case j-i > len(node) && sameWord(node, s[i:i+len(node)]):
		l.hint, l.hintStart, l.hintEnd = HintNode, int32(i+len(node)), int32(j)
	}
}

// readConsistency takes the word of a hint; another word is no hint.
func (l *lexer) readConsistency(word []byte) {
	for c := EventualConsistency; c <= StrictConsistency && l.consistency == NoConsistency; c++ {
		if sameWord(c.String(), word) {
			l.consistency = c
		}
	}
}
