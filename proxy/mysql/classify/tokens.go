package classify

// TokenKind says what a Token is.
type TokenKind uint8

// The kinds of Token.
const (
	// TokenSign is punctuation; its text is one sign, or := or @@.
	TokenSign TokenKind = iota
	// TokenWord is an unquoted identifier or keyword.
	TokenWord
	// TokenName is a quoted identifier.
	TokenName
	// TokenString is a string literal; what stands before it (N, x, _utf8) is a word of its own.
	TokenString
	// TokenNumber is digits only.
	TokenNumber
	// TokenUserVariable is @name.
	TokenUserVariable
)

// Token is one token of a statement, for whoever must read more of it than a Class says.
type Token struct {
	Text  string // Of a quoted one what is inside the quotes, as it is written.
	Kind  TokenKind
	Plain bool // Text is what is meant: ASCII only, nothing in it is escaped or doubled.
}

// maxTokens bounds the statements that Tokens reads.
const maxTokens = 512

// Tokens cuts the text of one statement into tokens. ok is false where it is more than one statement, or too long, or cannot be read surely, by whatever version of the server.
func Tokens(sql []byte, m Mode) (tokens []Token, ok bool) {
	p := parser{lexer: lexer{s: sql, mode: m}}
	if m&Oracle != 0 || m&(UnsafeCharset|NotASCII) != 0 && !p.safeBytes() {
		return nil, false
	}
	l := lexer{s: sql, mode: m}
	over := false
	for l.next(); l.tok != tEnd; l.next() {
		if l.tok == tSemi {
			over = true
			continue
		}
		if l.tok == tBad || over || len(tokens) == maxTokens || l.tok == tWord && l.start != l.from {
			return nil, false
		}
		tokens = append(tokens, l.token())
	}
	return tokens, !l.sawExec
}

// token is the one that was read last.
func (l *lexer) token() Token {
	t := Token{Text: string(l.s[l.start:l.end]), Plain: true}
	switch l.tok {
	case tWord:
		t.Kind = TokenWord
	case tQuoted:
		t.Kind = TokenName
	case tString:
		t.Kind = TokenString
	case tNumber:
		t.Kind = TokenNumber
	case tUserVar:
		t.Kind = TokenUserVariable
		if l.start == l.from {
			t.Text = t.Text[1:]
		}
	default:
		return t
	}
	for i := range len(t.Text) {
		switch c := t.Text[i]; c {
		case '\'', '"', '`', '\\':
			t.Plain = false
		default:
			t.Plain = t.Plain && c >= ' ' && c < 0x7f
		}
	}
	return t
}

// Is tells whether a token is this keyword or sign; the keyword in lower case.
func (t Token) Is(text string) bool {
	return t.Kind == TokenSign && t.Text == text || t.Kind == TokenWord && sameWord(text, []byte(t.Text))
}
