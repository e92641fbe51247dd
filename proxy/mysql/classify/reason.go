package classify

// The reasons that a Class may give, besides the names of flags.
const (
	ReasonRead         = "read"             // nothing but tables, literals and pure built-ins
	ReasonStatement    = "statement"        // the statement's first words say it
	ReasonUnknown      = "unknown"          // no statement that is known here
	ReasonBytes        = "unsure_bytes"     // bytes that charsets or modes read differently
	ReasonUnterminated = "unterminated"     // a quote or comment without end
	ReasonCharset      = "unsafe_charset"   // multibyte characters may hide quotes
	ReasonOracle       = "oracle_mode"      // sql_mode ORACLE has another grammar
	ReasonWord         = "unexpected_word"  // a word that no sure read has there
	ReasonNodeAnswer   = "node_answer"      // the answer is the node's own
	ReasonExplainWrite = "explain_of_write" // EXPLAIN of a statement that writes
	ReasonEmpty        = "empty"            // blanks and comments only
)
