//go:build e2e

package e2e

import (
	"os"
	"regexp"
	"strings"
)

// exception is something in which galley is known to differ from a node, so that the sessions never do it.
type exception struct {
	name     string
	pattern  string // Of a step's text, as it is printed.
	tracking bool   // Only where the client has asked for session tracking.
}

// exceptions are all of them; proxy/mysql/GUARANTEES.md ("What differs from a node") says what a client sees. Eight more are no statements:
//
//   - that a definition has changed since a statement was prepared (0x400) is told by the conn on which it was prepared before, and by no other; the columns' definitions come with each answer;
//   - the bit 0x4000 in EOF packets of clients without session tracking: it says that there is something to be read that they have not asked for, and galley takes it out;
//   - an answer may be galley's own refusal (1235) to a question about the statement before, see refusedByName: it ends the life, and few lives may end so;
//   - errors that galley gives itself to unknown commands and to those on prepared statements that do not exist (1047, 1243, 1421) have another number in them, are in English, and not in SHOW WARNINGS: see
//     forget;
//   - an execution of CALL that brings no parameter types is refused (1210) by a node on which a definition has changed since, and galley prepares it anew with those of before: see
//     generator.parameters;
//   - the row in 1264 about a parameter of CALL is that of a statement before, on that conn: see answerReader.last;
//   - the status flags of a cursor's rows are those of its conn, and those that galley answers itself (PING, COM_STMT_RESET) do not know what a failed statement has done: see side.run;
//   - FOUND_ROWS() of a new session is what happened to be in the server's memory.
func exceptions() []exception {
	return []exception{
		{name: "the transaction's state is told as galley's own tracking has it", pattern: `session_track_transaction_info`},
		{name: "what SET STATEMENT has set goes back unseen, and is told later, when something else is", pattern: `SET STATEMENT`, tracking: true},
		{name: "the display length of an expression with FOUND_ROWS() where galley has put the number into the text", pattern: `FOUND_ROWS\(\) \+ 0`},
		{name: "a user variable set by a function behind a view", pattern: `FROM v2`},
		{name: "sql_auto_is_null: the mark of a fresh insert id does not go with the id", pattern: `WHERE id IS NULL`},
	}
}

// familiesInCI are the parts of the grammar that the run in CI uses: those in which no difference is known. make differential uses all.
const familiesInCI = "variables,shown,user variables,schema,roles,isolation,commands,statements,reads,writes,ids,transactions,temporary tables,table locks,user locks,definitions,errors"

// notInCI are the statements that the run in CI leaves out, wherever they stand: questions about the statement before, character sets other than the login's, statements within others,
// read-only transactions, autocommit=0 (behind an error galley does not know whether a transaction has begun), and settings of session tracking.
const notInCI = `FOUND_ROWS|ROW_COUNT|SQL_CALC|WARNINGS|ERRORS|DIAGNOSTICS|_count|SIGNAL|CALL |EXECUTE|PREPARE |HANDLER|NAMES|CHARACTER SET|character\\?_set|collation|SET STATEMENT|READ ONLY|tx_read_only|change user|autocommit|session_track|USER_VARIABLES`

// wholeGrammar says whether all of the grammar is used: make differential, without E2E_NARROW.
func wholeGrammar() bool { return os.Getenv("E2E_DIFFERENTIAL") != "" && os.Getenv("E2E_NARROW") == "" }

// excepted says whether a step is one of the exceptions.
func excepted(st *step, tracking bool) bool {
	text := st.String()
	if !wholeGrammar() && regexp.MustCompile(notInCI).MatchString(text) {
		return true
	}
	for _, e := range exceptions() {
		if (tracking || !e.tracking) && regexp.MustCompile(e.pattern).MatchString(text) {
			return true
		}
	}
	return false
}

// refusedByName says whether an answer is galley's own word that it cannot know what is asked for.
func refusedByName(answer []string) bool {
	return len(answer) > 0 && strings.HasPrefix(answer[len(answer)-1], "error ERROR 1235 (42000): galley: this asks about the statement before")
}

// forget is run on both sides behind an answer that leaves something to be asked for which is known to differ: it leaves something else.
func forget(st *step, answer []string) bool {
	return st.kind == stepReconnect || st.kind == stepResetConnection || st.kind == stepChangeUser || len(answer) > 0 && (strings.HasPrefix(answer[len(answer)-1], "error ERROR 1243 ") || strings.HasPrefix(answer[len(answer)-1], "error ERROR 1421 ") || strings.HasPrefix(answer[len(answer)-1], "error ERROR 1047 "))
}
