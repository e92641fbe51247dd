// Package classify decides from the bytes of a statement what it is and where
// it may run: Statement takes the text and gives a Class. It is not a parser
// of SQL and it does not know tables, sessions or nodes. The one thing to know
// first: Kind Read means "surely changes nothing and answers the same on every
// synced node, given the same session state"; everything that is not surely
// understood is something else and belongs to the writer.
//
// # How it is sure
//
// The lexer cuts the text as the server's own does. Only the inside of quotes
// and of ordinary comments is hidden from the verdict, and wherever their ends
// depend on something not known here (a NUL, bytes from 0x80 on next to a
// keyword, [ ], a comment /*! */ that only some versions execute) the statement
// is Other. In what is left, each word that can make a SELECT write, lock or
// keep state is looked for, and each "name(" must be a built-in of every
// MariaDB since 10.4 that no stored function can take the place of (words.txt;
// a test asks a real server by making such functions). Newer built-ins count
// with Mode Since106 only, spatial constructors such as POINT() never.
//
// # What the caller must see to
//
//   - A view or a default may call a stored function that writes, or NEXTVAL();
//     no text shows it. After a Read on a reader the server's transaction state
//     tells (W in the tracker): count it, and keep to the writer.
//   - Names without schema are taken for tables of the application. With
//     information_schema, performance_schema, sys or mysql as default schema,
//     send reads to the writer.
//   - Temporary tables, open transactions, LOCK TABLES and tables of engines
//     that are not replicated are the session's business: a Read is a Read then
//     too, but must not leave its backend conn.
//   - With sql_auto_is_null=1 a search for NULL means the last insert id: send
//     reads to the writer.
//   - A Read with CalcFoundRows will be followed by FOUND_ROWS(), and each Read
//     may be followed by a statement of Kind Diagnostics. Those belong to the
//     backend conn on which the statement before them ran. So do the flags
//     FoundRows, RowCount and Warnings on any other kind.
//   - Mode must be the session's as it is when the statement runs.
//   - Flags of Other statements with reason unsure_bytes or unterminated are
//     what was seen up to there; UnknownFunction is set to say so.
//   - The lists are MariaDB's. On MySQL and PXC a function that only MariaDB
//     has (NVL, COLUMN_GET, …) could be someone's stored function.
//
// # Which reads stay, case by case
//
// Read although a node could answer otherwise: VERSION() and the few variables
// of words.txt that a cluster cannot sensibly differ in; NOW(), RAND(), UUID()
// (flag NonDeterministic); USER(), CURRENT_ROLE() and DATABASE(), which follow
// the session; table statistics in information_schema and SHOW TABLE STATUS.
// Not Read (ServerLocal): other system variables, all of @@global, among them
// auto_increment_increment, which differs by node; CONNECTION_ID(), LOAD_FILE(),
// IS_USED_LOCK(); information_schema's process, status, InnoDB and wsrep
// tables; performance_schema and sys; logs and statistics in mysql.
//
// # Hints
//
// An ordinary comment anywhere that says just galley:writer, galley:reader or
// galley:node=ADDR; the first one counts. HintWriter may send a Read to the
// writer. HintReader may send to a reader what is kept from it for a doubt
// (ReadWriter with UnknownFunction alone), for the operator vouches for it; it
// never turns a write, a lock or session state into a read, and this package
// leaves the Kind as it is. Clients that strip comments strip hints. Beside one
// of these, galley:consistency=eventual, session, cluster or strict says how
// much of others' writes the statement must see.
//
// # Calls
//
// Calls finds CONNECTION_ID(), FOUND_ROWS(), ROW_COUNT(), LAST_INSERT_ID() and
// their system variables in a statement's text, and Rewrite puts values in their
// places, for a session whose statements run on several backend conns. Columns
// keep their names and types, but where VALUES has no place for a name or the
// last word of an item could be an alias: those get the value's text for a name.
package classify
