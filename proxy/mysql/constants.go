package mysql

import (
	"slices"
	"strings"

	"galley/proxy/mysql/classify"
)

// User variables that are set to literals are known without asking the node, and are set again where their conn is lost.

// maxConstant is the longest literal that is kept, in bytes, and maxConstants how many variables.
const (
	maxConstant  = 1 << 10
	maxConstants = 100
)

// constantsOf notes in x what its statement sets user variables to, if it does nothing else and all of them are known. Its ties are then of what is known.
func (s *session) constantsOf(x *exchange, c *classify.Class) {
	if c.Kind != classify.Set || !c.Flags.Has(classify.ConstantUserVariable) || c.Flags.Has(classify.MultiStatement) || x.stmt != nil {
		return
	}
	charset, _ := s.state.value(charsetConnection)
	collation, _ := s.state.value(collationConnection)
	tokens, ok := classify.Tokens(x.sql, s.mode())
	if !ok {
		return
	}
	if x.constants = readConstants(tokens, charset, collation); x.constants != nil {
		x.leaves &^= tieUnknown
		s.collect() // What was left before comes first.
	}
}

// noteConstants keeps what x has set on b.
func (s *session) noteConstants(b *backendConn, x *exchange) {
	if x.failed || b.left != s.state.leftVersion || len(s.state.userVars)+len(x.constants) > maxConstants {
		b.own |= tieUnknown
		return
	}
	vars := slices.Clone(s.state.userVars)
	for _, v := range x.constants {
		vars = slices.DeleteFunc(vars, func(old userVar) bool { return strings.EqualFold(old.name, v.name) })
		vars = append(vars, v)
	}
	s.state.userVars = vars
	s.state.leftVersion++
	b.left = s.state.leftVersion
}

// readConstants reads SET @a = literal, @b = literal; nil is anything else. charset and collation are those of the session's string literals, where both are known.
func readConstants(tokens []classify.Token, charset, collation string) (vars []userVar) {
	r := &pinReader{tokens: tokens}
	if !r.skip("set") {
		return nil
	}
	for {
		name, ok := r.take(classify.TokenUserVariable, classify.TokenUserVariable)
		if !ok || !r.skip("=") && !r.skip(":=") {
			return nil
		}
		literal, ok := r.literal(charset, collation)
		if !ok || len(literal) > maxConstant {
			return nil
		}
		vars = append(vars, userVar{name: name, literal: literal})
		if r.ended() {
			return vars
		}
		if !r.skip(",") {
			return nil
		}
	}
}

// literal reads a number, NULL, TRUE, FALSE or a string, and writes it so that it is the same whatever the session sets later.
func (r *pinReader) literal(charset, collation string) (string, bool) {
	for _, word := range []string{"null", "true", "false"} {
		if r.skip(word) {
			return strings.ToUpper(word), true
		}
	}
	if len(r.tokens) > 0 && r.tokens[0].Kind == classify.TokenString && r.tokens[0].Plain {
		text := r.tokens[0].Text
		r.tokens = r.tokens[1:]
		known := charset != "" && collation != "" && classify.ModeOf("", charset) == 0
		return "_" + charset + "'" + text + "' COLLATE " + collation, known
	}
	sign := ""
	if r.skip("-") {
		sign = "-"
	} else {
		r.skip("+")
	}
	number, ok := r.take(classify.TokenNumber, classify.TokenNumber)
	if ok && r.skip(".") {
		var digits string
		digits, ok = r.take(classify.TokenNumber, classify.TokenNumber)
		number += "." + digits
	}
	return sign + number, ok
}
