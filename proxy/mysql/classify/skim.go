package classify

import "bytes"

// skim is advance for walk: it passes over tokens on which judge would not act,
// without the cost of reading each into the parser, and stops at the first one
// that may matter. It knows nothing that the lexer does not; whatever is not
// plain it leaves to it.
func (p *parser) skim() {
	s, i := p.s, p.pos
	// The last token passed, as scalars: this loop is the hot one.
	tok, tok2, word, start, end := p.tok, p.prevTok, p.word, p.start, p.pos
	for i < len(s) {
		j, from, t := i, i, tOp
		switch classes[s[i]] {
		case cSpace:
			i++
			continue
		case cWord:
			j, t = p.plainWord(i, tok), tWord
		case cDigit:
			j, t = plainNumber(s, i), tNumber
		case cSingle:
			j, from, t = p.plainQuoted(i), i+1, tString
		case cBacktick:
			j, from, t = p.plainQuoted(i), i+1, tQuoted
		case cComma:
			j, t = i+1, tComma
		case cOp:
			j = i + 1
		case cClose:
			if !p.inCTE {
				p.balance--
				j, t = i+1, tClose
			}
		case cDot:
			if tok == tWord && (word == unread || tok2 == tDot) ||
				tok == tQuoted && (tok2 == tDot || !mayAct(s[start], end-1-start)) {
				j, t = i+1, tDot // behind no schema of the server's own, and no number
				p.afterDot = j
			}
		default:
		}
		if j == i {
			break
		}
		tok, tok2, word, start, end, i = t, tok, unread, from, j, j
	}
	p.prevTok, p.prevTok2, p.prevWord, p.prevStart, p.prevEnd = tok, tok2, word, start, end
	p.tok, p.pos = tok, i // the lexer looks at the token before
	p.next()
}

// plainWord gives the end of a word that judge would not act on, or i.
func (p *parser) plainWord(i int, before token) int {
	s, j := p.s, i+1
	for j < len(s) && classes[s[j]] <= cDigit {
		j++
	}
	if j < len(s) && classes[s[j]] == cHigh {
		return i
	}
	if p.afterDot == i && i > 0 {
		return j
	}
	if before == tDot || mayAct(s[i], j-i) {
		return i
	}
	return j
}

// plainNumber gives the end of a number of digits only, or i.
func plainNumber(s []byte, i int) int {
	j := i + 1
	for j < len(s) && classes[s[j]] == cDigit {
		j++
	}
	if j < len(s) && classes[s[j]] <= cHigh {
		return i
	}
	return j
}

// plainQuoted gives the end of a quoted text without escapes, or i.
func (p *parser) plainQuoted(i int) int {
	s := p.s
	k := bytes.IndexByte(s[i+1:], s[i])
	if k < 0 {
		return i
	}
	j := i + 1 + k + 1
	if j < len(s) && s[j] == s[i] {
		return i
	}
	escape := byte('\\') // in a string; in an identifier the server stops at a NUL
	if s[i] == '`' {
		escape = 0
	}
	if bytes.IndexByte(s[i+1:j-1], escape) >= 0 {
		return i
	}
	return j
}
