package classify

// parser walks over the tokens of a command's text and fills in a Class. It
// follows the grammar only as far as a verdict needs it: the first words of a
// statement, then every word and every parenthesis of the rest.
type parser struct {
	lexer

	c       Class
	unsure  string // not "": the statement is no read, for this reason
	writes  bool   // a read by its form that writes
	exempt  int    // a name that ends here may be followed by ( and is no call
	balance int    // open parentheses

	// The tokens before the current one.
	prevTok   token
	prevWord  uint16
	prevStart int
	prevEnd   int   // with its quotes
	prevTok2  token // the one before that

	targets *[]int // Where SET @@x names its x without a scope, if that is asked for.

	inCTE    bool // within WITH name AS (…), which began at cteDepth
	cteDepth int
}

// Statement classifies one command's text: of COM_QUERY or COM_STMT_PREPARE.
// It takes any bytes, allocates nothing and reads each byte a bounded number
// of times. It may be called from any goroutine.
func Statement(sql []byte, m Mode) Class {
	p := parser{lexer: lexer{s: sql, mode: m}, exempt: -1}
	p.advance()
	if p.tok == tEnd {
		p.set(Empty, ReasonEmpty)
	} else {
		p.statement()
	}
	several := false
	for p.tok == tSemi {
		p.advance()
		if p.tok == tEnd {
			break
		}
		several = true
		p.statement()
	}
	p.verdict(several)
	return p.c
}

// safeBytes tells whether the text can be read in a character set whose
// multibyte characters may hold quotes, or which is not ASCII below 0x80.
func (p *parser) safeBytes() bool {
	if p.mode&NotASCII != 0 {
		return false
	}
	for _, b := range p.s {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

// verdict ends the classification with what holds for the text as a whole.
func (p *parser) verdict(several bool) {
	c := &p.c
	c.Hint, c.HintStart, c.HintEnd, c.Consistency = p.hint, p.hintStart, p.hintEnd, p.consistency
	if p.sawExec {
		c.Flags |= VersionComment
	}
	switch {
	case p.tok == tBad:
		c.Flags |= UnknownFunction // nothing is known of the rest
		p.set(Other, p.why)
	case p.mode&(UnsafeCharset|NotASCII) != 0 && !p.safeBytes():
		c.Flags |= UnknownFunction
		p.set(Other, ReasonCharset)
	case several:
		c.Flags |= MultiStatement
		p.set(Other, MultiStatement.Name())
	case p.sawExec:
		p.versioned()
	}
	if p.mode&Oracle != 0 {
		p.oracle()
	}
}

// oracle takes back what another grammar may mean otherwise: s.nextval writes
// there, and BEGIN begins a block.
func (p *parser) oracle() {
	p.c.Flags |= UnknownFunction
	if k := p.c.Kind; k == Read || k == Diagnostics {
		p.set(ReadWriter, ReasonOracle)
	} else if k == Begin || k == BeginReadOnly {
		p.set(Other, ReasonOracle)
	}
}

// versioned keeps the kind of a statement with an executable comment only
// where it does no harm if the server does not execute it (what mysqldump
// writes); everything else is not sure.
func (p *parser) versioned() {
	if k := p.c.Kind; k != Set && k != SetGlobal && k != DDL && k != DML && k != Other {
		p.set(Other, VersionComment.Name())
	}
}

// set makes the verdict so far.
func (p *parser) set(k Kind, reason string) {
	p.c.Kind, p.c.Reason = k, reason
}

// advance goes to the next token and remembers the one before.
func (p *parser) advance() {
	p.prevTok2, p.prevTok, p.prevWord, p.prevStart, p.prevEnd = p.prevTok, p.tok, p.word, p.start, p.pos
	p.next()
}

// entry is the current word's, the empty one if there is none.
func (p *parser) entry() *entry {
	if p.word == unread {
		p.word = lookup(p.s[p.start:p.end])
	}
	return &wordTable[p.word]
}

// before is the entry of the word before the current token.
func (p *parser) before() *entry {
	if p.prevWord == unread {
		p.prevWord = lookup(p.s[p.prevStart:p.prevEnd])
	}
	return &wordTable[p.prevWord]
}

// id is the current word's.
func (p *parser) id() wordID {
	return p.entry().id
}

// is tells whether the current token is this word.
func (p *parser) is(id wordID) bool {
	return p.tok == tWord && p.id() == id
}

// skip goes on if the current token is this word.
func (p *parser) skip(id wordID) bool {
	if !p.is(id) {
		return false
	}
	p.advance()
	return true
}

// ended tells whether the statement is over.
func (p *parser) ended() bool {
	return p.tok == tEnd || p.tok == tSemi || p.tok == tBad
}

// drain passes over the rest of a statement of which nothing more matters.
func (p *parser) drain() {
	for !p.ended() {
		p.advance()
	}
}
