package wire

import "github.com/go-mysql-org/go-mysql/mysql"

// Capability is the set of capability flags of one side: the 32 bits of MySQL and, shifted left by 32, MariaDB's extended ones (KB, "Connecting").
type Capability uint64

// The flags that galley looks at; the others travel as they are.
const (
	ClientMySQL            = Capability(mysql.CLIENT_LONG_PASSWORD) // Set by MySQL; cleared, it announces MariaDB's extended flags.
	ClientFoundRows        = Capability(mysql.CLIENT_FOUND_ROWS)
	ClientLongFlag         = Capability(mysql.CLIENT_LONG_FLAG)
	ClientConnectWithDB    = Capability(mysql.CLIENT_CONNECT_WITH_DB)
	ClientCompress         = Capability(mysql.CLIENT_COMPRESS)
	ClientLocalFiles       = Capability(mysql.CLIENT_LOCAL_FILES)
	ClientIgnoreSpace      = Capability(mysql.CLIENT_IGNORE_SPACE)
	ClientProtocol41       = Capability(mysql.CLIENT_PROTOCOL_41)
	ClientInteractive      = Capability(mysql.CLIENT_INTERACTIVE)
	ClientSSL              = Capability(mysql.CLIENT_SSL)
	ClientTransactions     = Capability(mysql.CLIENT_TRANSACTIONS)
	ClientSecureConnection = Capability(mysql.CLIENT_SECURE_CONNECTION)
	ClientMultiStatements  = Capability(mysql.CLIENT_MULTI_STATEMENTS)
	ClientMultiResults     = Capability(mysql.CLIENT_MULTI_RESULTS)
	ClientPSMultiResults   = Capability(mysql.CLIENT_PS_MULTI_RESULTS)
	ClientPluginAuth       = Capability(mysql.CLIENT_PLUGIN_AUTH)
	ClientConnectAttrs     = Capability(mysql.CLIENT_CONNECT_ATTRS)
	ClientPluginAuthLenenc = Capability(mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
	ClientExpiredPasswords = Capability(mysql.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS)
	ClientSessionTrack     = Capability(mysql.CLIENT_SESSION_TRACK)
	ClientDeprecateEOF     = Capability(mysql.CLIENT_DEPRECATE_EOF)
	ClientZstd             = Capability(mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM) // MySQL 8; the level is the login's last byte.

	ClientProgress         = Capability(1) << 32 // MARIADB_CLIENT_PROGRESS: ERR packets with code 0xffff report progress.
	ClientBulk             = Capability(1) << 34 // MARIADB_CLIENT_STMT_BULK_OPERATIONS: COM_STMT_BULK_EXECUTE.
	ClientExtendedMetadata = Capability(1) << 35 // MARIADB_CLIENT_EXTENDED_METADATA: extended type data in column definitions.
	ClientCacheMetadata    = Capability(1) << 36 // MARIADB_CLIENT_CACHE_METADATA: a byte after the column count says if definitions follow.
	ClientBulkUnitResults  = Capability(1) << 37 // MARIADB_CLIENT_BULK_UNIT_RESULTS: a result set of ids answers a bulk execute.
)

// Shared is what a client and a node may agree on through galley: their answers to it are forwarded as they are.
// Cached metadata is not in it: a node leaves definitions out that it has sent on one connection, and the client may be sent on to another.
// Compression and TLS are each hop's own matter and are not in it, nor are MySQL's query attributes and optional metadata, which MariaDB has not,
// nor bulk unit results (MariaDB 11.5), whose ids come as rows: what LAST_INSERT_ID() is about would go unseen.
const Shared = ClientFoundRows | ClientLongFlag | ClientLocalFiles | ClientIgnoreSpace | ClientProtocol41 | ClientInteractive | ClientTransactions |
	ClientSecureConnection | ClientMultiStatements | ClientMultiResults | ClientPSMultiResults | ClientPluginAuth | ClientConnectAttrs | ClientPluginAuthLenenc |
	ClientExpiredPasswords | ClientSessionTrack | ClientDeprecateEOF | ClientConnectWithDB |
	ClientProgress | ClientBulk | ClientExtendedMetadata

// perClass are the flags that change what the server answers or does, so that two backend conns which differ in one of them cannot stand in for each other.
const perClass = ClientMySQL | ClientFoundRows | ClientLocalFiles | ClientIgnoreSpace | ClientInteractive | ClientMultiStatements | ClientMultiResults |
	ClientPSMultiResults | ClientDeprecateEOF | ClientProgress | ClientBulk | ClientExtendedMetadata | ClientCacheMetadata | ClientBulkUnitResults

// Has says whether every flag of f is set.
func (c Capability) Has(f Capability) bool { return c&f == f }

// Class is the part of the flags by which backend conns are told apart.
func (c Capability) Class() Capability { return c & perClass }

// Status flags of OK and EOF packets (MY, SERVER_STATUS_flags_enum).
const (
	StatusInTrans           = mysql.SERVER_STATUS_IN_TRANS
	StatusAutocommit        = mysql.SERVER_STATUS_AUTOCOMMIT
	StatusMoreResults       = mysql.SERVER_MORE_RESULTS_EXISTS
	StatusCursorExists      = mysql.SERVER_STATUS_CURSOR_EXISTS
	StatusLastRowSent       = mysql.SERVER_STATUS_LAST_ROW_SEND
	StatusNoBackslashEscape = mysql.SERVER_STATUS_NO_BACKSLASH_ESCAPED
	StatusInTransReadOnly   = mysql.SERVER_STATUS_IN_TRANS_READONLY
	StatusStateChanged      = mysql.SERVER_SESSION_STATE_CHANGED
	StatusAnsiQuotes        = uint16(1) << 15 // MariaDB: SERVER_STATUS_ANSI_QUOTES (include/mysql_com.h).

	// StatusOfAnswer are those that are about one answer, and not about the session.
	StatusOfAnswer = mysql.SERVER_STATUS_NO_GOOD_INDEX_USED | mysql.SERVER_STATUS_NO_INDEX_USED | StatusCursorExists | StatusLastRowSent | mysql.SERVER_STATUS_DB_DROPPED |
		mysql.SERVER_STATUS_METADATA_CHANGED | mysql.SERVER_QUERY_WAS_SLOW | mysql.SERVER_PS_OUT_PARAMS | StatusStateChanged
)

// Commands (MY, "Command Phase"; the last is MariaDB's).
const (
	ComSleep            = mysql.COM_SLEEP
	ComQuit             = mysql.COM_QUIT
	ComInitDB           = mysql.COM_INIT_DB
	ComQuery            = mysql.COM_QUERY
	ComFieldList        = mysql.COM_FIELD_LIST
	ComRefresh          = mysql.COM_REFRESH
	ComShutdown         = mysql.COM_SHUTDOWN
	ComStatistics       = mysql.COM_STATISTICS
	ComProcessInfo      = mysql.COM_PROCESS_INFO
	ComProcessKill      = mysql.COM_PROCESS_KILL
	ComDebug            = mysql.COM_DEBUG
	ComPing             = mysql.COM_PING
	ComChangeUser       = mysql.COM_CHANGE_USER
	ComBinlogDump       = mysql.COM_BINLOG_DUMP
	ComTableDump        = mysql.COM_TABLE_DUMP
	ComRegisterSlave    = mysql.COM_REGISTER_SLAVE
	ComStmtPrepare      = mysql.COM_STMT_PREPARE
	ComStmtExecute      = mysql.COM_STMT_EXECUTE
	ComStmtSendLongData = mysql.COM_STMT_SEND_LONG_DATA
	ComStmtClose        = mysql.COM_STMT_CLOSE
	ComStmtReset        = mysql.COM_STMT_RESET
	ComSetOption        = mysql.COM_SET_OPTION
	ComStmtFetch        = mysql.COM_STMT_FETCH
	ComBinlogDumpGTID   = mysql.COM_BINLOG_DUMP_GTID
	ComResetConnection  = mysql.COM_RESET_CONNECTION
	ComStmtBulkExecute  = byte(0xfa) // KB, "COM_STMT_BULK_EXECUTE".
)

// First bytes of an answer's packets.
const (
	headOK      = mysql.OK_HEADER
	headEOF     = mysql.EOF_HEADER
	headErr     = mysql.ERR_HEADER
	headInFile  = mysql.LocalInFile_HEADER
	maxPayload  = mysql.MaxPayloadLen
	progressErr = 0xffff
)
