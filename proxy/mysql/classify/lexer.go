package classify

import "bytes"

// token is what the lexer last read. An alias, as charClass and wordID: their
// switches name the few cases that matter.
type token = uint8

const (
	tEnd     token = iota
	tBad           // text that cannot be read surely; nothing follows
	tWord          // unquoted identifier or keyword
	tQuoted        // quoted identifier
	tString        // string literal, charset introducers and N, x, b come as a word before it
	tNumber        // digits only
	tUserVar       // @ and what follows it
	tSysVar        // @@
	tAssign        // :=
	tOpen
	tClose
	tComma
	tDot
	tSemi
	tOp // any other sign
)

// lexer cuts a statement into tokens as MariaDB's lexer does (sql/sql_lex.cc,
// lex_one_token), or gives up with tBad wherever the server's own reading
// depends on what is not known here. Nothing is hidden from the parser but the
// inside of quotes and of ordinary comments, so that is where it must be exact.
type lexer struct {
	s    []byte
	mode Mode
	pos  int

	tok        token
	start, end int    // the token; of tQuoted what is inside the quotes
	word       uint16 // tWord: its place in wordTable, or unread
	from       int    // where the token begins, quotes included
	commented  bool   // a comment stood before the token

	afterDot int // a word that begins here is an identifier whatever it spells
	openExec int // executable comments not yet closed
	sawExec  bool
	why      string // tBad: the reason

	hint               Hint
	consistency        Consistency
	hintStart, hintEnd int32
}

// charClass sorts bytes by how a token that begins with them goes on.
type charClass = uint8

const (
	cWord charClass = iota
	cDigit
	cHigh // 0x80 and above: letter, space or half a character, by charset
	cSpace
	cOpen
	cClose
	cComma
	cDot
	cSemi
	cOp
	cSingle
	cDouble
	cBacktick
	cHash
	cMinus
	cSlash
	cStar
	cAt
	cColon
	cBackslash
	cBad // NUL, control characters, [ (quotes in sql_mode MSSQL)
)

// next reads one token.
func (l *lexer) next() {
	l.commented = false
	s := l.s
	for {
		i := l.pos
		for i < len(s) && classes[s[i]] == cSpace {
			i++
		}
		l.from, l.start = i, i
		if i >= len(s) {
			l.finish()
			return
		}
		switch c := classes[s[i]]; c {
		case cWord:
			l.readWord(i)
			return
		case cDigit:
			l.readNumber(i)
			return
		case cHigh:
			l.readHigh(i, i)
			return
		case cOpen, cClose, cComma, cSemi, cOp:
			l.sign(tOpen+(c-cOpen), i+1)
			return
		default:
			if l.rare(i, c) {
				return
			}
		}
	}
}

// rare reads what the fast path of next leaves; false means that it was a
// comment and the token is still to come.
func (l *lexer) rare(i int, c charClass) bool {
	switch c {
	case cDot:
		// Of a number (1.into) the word behind is no identifier.
		if l.tok != tNumber {
			l.afterDot = i + 1
		}
		l.sign(tDot, i+1)
	case cSingle:
		l.readQuoted(i, '\'', tString)
	case cDouble:
		if l.mode&AnsiQuotes != 0 {
			l.readQuoted(i, '"', tQuoted)
		} else {
			l.readQuoted(i, '"', tString)
		}
	case cBacktick:
		l.readQuoted(i, '`', tQuoted)
	case cAt:
		l.readAt(i)
	case cColon:
		if i+1 < len(l.s) && l.s[i+1] == '=' {
			l.sign(tAssign, i+2)
		} else {
			l.sign(tOp, i+1)
		}
	case cBackslash: // \N is NULL
		if i+1 < len(l.s) && l.s[i+1] == 'N' {
			l.sign(tOp, i+2)
		} else {
			l.bad(ReasonBytes)
		}
	case cHash, cMinus, cSlash, cStar:
		return l.commentOrSign(i, c)
	default:
		l.bad(ReasonBytes)
	}
	return true
}

// sign ends a token of punctuation.
func (l *lexer) sign(t token, end int) {
	l.tok, l.end, l.pos, l.word = t, end, end, 0
}

// bad ends reading for good.
func (l *lexer) bad(why string) {
	l.tok, l.word, l.pos, l.start, l.end = tBad, 0, len(l.s), len(l.s), len(l.s)
	l.from = len(l.s)
	if l.why == "" {
		l.why = why
	}
}

// finish is the end of the text, which must not fall into a comment.
func (l *lexer) finish() {
	if l.openExec != 0 || l.why != "" {
		l.bad(ReasonUnterminated)
		return
	}
	l.tok, l.word, l.pos, l.end = tEnd, 0, len(l.s), len(l.s)
}

// readWord reads a word that begins at i.
func (l *lexer) readWord(i int) {
	s, j := l.s, i+1
	for j < len(s) && classes[s[j]] <= cDigit {
		j++
	}
	if j < len(s) && classes[s[j]] == cHigh {
		l.readHigh(i, j)
		return
	}
	afterNumber := l.tok == tDot && l.afterDot != i // 1.e5into is 1.e5 and INTO
	l.tok, l.end, l.pos = tWord, j, j
	switch {
	case l.afterDot == i && i > 0:
		l.word = 0
	case afterNumber:
		l.keywordBehindDigits(i, j)
	default:
		l.word = unread
	}
}

// readNumber reads a token that begins with a digit. The server ends a number
// with exponent where its digits end, so that 1e5into is a number and INTO,
// but 1into an identifier: both readings must be safe, hence a keyword behind
// the last digit counts as one.
func (l *lexer) readNumber(i int) {
	s, j, digits := l.s, i+1, true
	for ; j < len(s) && classes[s[j]] <= cDigit; j++ {
		digits = digits && classes[s[j]] == cDigit
	}
	switch {
	case j < len(s) && classes[s[j]] == cHigh:
		l.readHigh(i, j)
	case digits:
		l.sign(tNumber, j)
	default:
		l.tok, l.end, l.pos = tWord, j, j
		l.keywordBehindDigits(i, j)
	}
}

// keywordBehindDigits makes the letters at the end of s[i:j] the token if they
// would decide something, and the whole an unknown word otherwise.
func (l *lexer) keywordBehindDigits(i, j int) {
	tail := j
	for tail > i && classes[l.s[tail-1]] == cWord {
		tail--
	}
	l.word = 0
	if w := lookup(l.s[tail:j]); decides(w) {
		l.start, l.word = tail, w
	}
}

// decides tells whether a word could change a verdict if it stood alone. The
// shortest ones (on, as, id) cannot do so much harm and are parts of too many
// words with accents.
func decides(w uint16) bool {
	e := &wordTable[w]
	return e.props&acts != 0 ||
		e.id != wNone && len(e.name) > 3
}

// readHigh reads a word that has bytes from 0x80 on, found at j. In utf8 they
// are letters, in latin1 0xA0 is a space: if a part in between would decide
// something as a word of its own, the text cannot be read surely.
func (l *lexer) readHigh(i, j int) {
	s, part := l.s, i
	for ; ; j++ {
		if j < len(s) && classes[s[j]] <= cDigit {
			continue
		}
		if j > part {
			tail := j
			for tail > part && classes[s[tail-1]] == cWord {
				tail--
			}
			if decides(lookup(s[part:j])) || decides(lookup(s[tail:j])) {
				l.bad(ReasonBytes)
				return
			}
		}
		if j >= len(s) || classes[s[j]] != cHigh {
			break
		}
		part = j + 1
	}
	l.tok, l.end, l.pos, l.word = tWord, j, j, 0
}

// readAt reads @name, @'name' or the @@ of a system variable.
func (l *lexer) readAt(i int) {
	s, j := l.s, i+1
	if j < len(s) && s[j] == '@' {
		l.sign(tSysVar, j+1)
		return
	}
	if j < len(s) {
		switch classes[s[j]] {
		case cSingle, cDouble, cBacktick:
			l.readQuoted(j, s[j], tUserVar)
			l.from = i
			return
		default:
		}
	}
	for j < len(s) && (classes[s[j]] <= cDigit || s[j] == '.') {
		j++
	}
	l.sign(tUserVar, j)
}

// readQuoted reads what quote q at i begins. Two quotes in a row stand for
// one; a backslash escapes in strings only.
func (l *lexer) readQuoted(i int, q byte, t token) {
	s, j := l.s, i+1
	escapes := t != tQuoted && q != '`' && l.mode&NoBackslashEscapes == 0
	if q == '"' && l.mode&AnsiQuotes != 0 {
		escapes = false
	}
	quote := -1 // the next quote at or behind j, once looked for
	for {
		if quote < j {
			k := bytes.IndexByte(s[j:], q)
			if k < 0 {
				l.bad(ReasonUnterminated)
				return
			}
			quote = j + k
		}
		if escapes {
			if k := bytes.IndexByte(s[j:quote], '\\'); k >= 0 {
				j += k + 2
				continue
			}
		}
		if quote+1 < len(s) && s[quote+1] == q {
			j = quote + 2
			continue
		}
		break
	}
	if (t == tQuoted || q == '`') && bytes.IndexByte(s[i:quote], 0) >= 0 {
		l.bad(ReasonBytes)
		return
	}
	l.tok, l.start, l.end, l.pos, l.word = t, i+1, quote, quote+1, 0
}
