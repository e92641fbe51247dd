package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LocalState is wsrep_local_state (wsrep_api.h, wsrep_member_status).
type LocalState uint8

// The states of a member of the group.
const (
	StateUndefined LocalState = iota
	StateJoining
	StateDonor // donor or desynced
	StateJoined
	StateSynced
	StateError
)

// String gives the state in the server's words.
func (s LocalState) String() string {
	switch s {
	case StateUndefined:
		return "undefined"
	case StateJoining:
		return "joining"
	case StateDonor:
		return "donor/desynced"
	case StateJoined:
		return "joined"
	case StateSynced:
		return "synced"
	case StateError:
		return "error"
	}
	return "unknown"
}

// Status is what a node says of itself in one probe.
type Status struct {
	Galera       bool // a provider is loaded and wsrep_on
	State        LocalState
	Primary      bool
	Ready        bool
	Connected    bool
	ConfID       int64 // -1 outside a primary component
	StateUUID    string
	ClusterName  string
	ClusterSize  int
	LocalIndex   int
	GcommUUID    string
	NodeName     string
	Incoming     string   // the address this node announces for clients; may be AUTO
	Members      []string // wsrep_incoming_addresses as it came: may hold AUTO and empty entries
	LastApplied  int64    // wsrep_last_committed
	RecvQueue    int
	SendQueue    int
	PausedNS     int64   // wsrep_flow_control_paused_ns: since the node started
	FCLimit      float64 // gcs.fc_limit
	FCFactor     float64 // gcs.fc_factor
	FCSent       int64   // wsrep_flow_control_sent: pauses that the node has asked for; who reads it may set it back to 0
	FCActive     bool    // the cluster is paused by flow control now
	FCRequested  bool    // this node is what pauses it
	Desync       bool
	RejectsAll   bool // wsrep_reject_queries is not NONE
	DonorRejects bool // wsrep_sst_donor_rejects_queries
	ReadOnly     bool
	Maintenance  bool // PXC's pxc_maint_mode is not DISABLED

	ThreadsRunning   int
	ThreadsConnected int
	MaxConnections   int
	Uptime           time.Duration
	Provider         string // version of the Galera provider

	Server ServerFacts
}

// ServerFacts is what the MySQL door needs to greet a client in the name of a
// server.
type ServerFacts struct {
	Greeting            string // version as in the server's greeting, 5.5.5- included
	Version             string // variable version
	VersionComment      string
	Capabilities        uint32 // of the greeting; the common ones in a View
	ExtendedCaps        uint32 // MariaDB's own; zero on other servers
	Collation           uint8  // id in the greeting
	Charset             string // character_set_server
	CollationName       string // collation_server
	SkipNameResolve     bool
	LowerCaseTableNames int
	MaxAllowedPacket    int64
	InitConnect         string
	WaitTimeout         time.Duration
	SQLMode             string
	TimeZone            string
	SystemTimeZone      string
	GTIDMode            bool   // wsrep_gtid_mode
	GTIDDomain          int64  // wsrep_gtid_domain_id
	PasswordLifetime    int    // default_password_lifetime, days; 0 never
	Autocommit          bool   // of new sessions
	ClientCharset       string // character_set_client of sessions whose own wish the server ignores (skip-character-set-client-handshake)
	DefaultEngine       string // default_storage_engine

	InteractiveTimeout     time.Duration
	MaxPreparedStatements  int64 // max_prepared_stmt_count, of all connections together
	MaxUserConnections     int   // of an account that has no limit of its own; 0 none
	MaxPasswordErrors      int64 // wrong passwords in a row from which on the server refuses the account
	RequireSecureTransport bool
	StrictPasswordExpiry   bool // disconnect_on_expired_password
}

// statusNames are the status variables a probe asks for.
const statusNames = `'wsrep_local_state','wsrep_cluster_status','wsrep_ready','wsrep_connected',` +
	`'wsrep_cluster_conf_id','wsrep_cluster_state_uuid','wsrep_cluster_size','wsrep_local_index',` +
	`'wsrep_local_recv_queue','wsrep_local_send_queue','wsrep_flow_control_paused_ns',` +
	`'wsrep_flow_control_active','wsrep_flow_control_requested','wsrep_flow_control_sent','wsrep_last_committed',` +
	`'wsrep_incoming_addresses','wsrep_gcomm_uuid','wsrep_provider_version','Threads_running',` +
	`'Threads_connected','Uptime'`

// variableNames are the system variables a probe asks for.
const variableNames = `'wsrep_on','wsrep_desync','wsrep_reject_queries','wsrep_sst_donor_rejects_queries',` +
	`'wsrep_provider_options','wsrep_node_name','wsrep_node_incoming_address','wsrep_cluster_name',` +
	`'wsrep_gtid_mode','wsrep_gtid_domain_id','pxc_maint_mode','read_only','max_connections','version',` +
	`'version_comment','character_set_server','collation_server','skip_name_resolve',` +
	`'lower_case_table_names','max_allowed_packet','init_connect','wait_timeout','sql_mode','time_zone',` +
	`'system_time_zone','default_password_lifetime','autocommit','character_set_client','default_storage_engine',` +
	`'interactive_timeout','max_prepared_stmt_count','max_user_connections','max_password_errors',` +
	`'require_secure_transport','disconnect_on_expired_password'`

// ParseStatus reads one probe's rows of SHOW GLOBAL STATUS and SHOW GLOBAL
// VARIABLES. The keys are lower case. Whatever is absent keeps its zero value;
// a number that is none is an error, because a node whose state cannot be read
// is not to be judged by half of it.
func ParseStatus(status, variables map[string]string) (Status, error) {
	p := parser{status: status, variables: variables}
	conf, size := p.stat("wsrep_cluster_conf_id"), int(p.number(status, "wsrep_cluster_size"))
	fc := providerOptions(variables["wsrep_provider_options"])
	_, hasState := status["wsrep_local_state"]
	s := Status{
		Galera:       hasState && !off(variables["wsrep_on"]),
		State:        LocalState(p.number(status, "wsrep_local_state")),
		Primary:      strings.EqualFold(status["wsrep_cluster_status"], "Primary"),
		Ready:        on(status["wsrep_ready"]),
		Connected:    on(status["wsrep_connected"]),
		ConfID:       conf,
		StateUUID:    uuid(status["wsrep_cluster_state_uuid"]),
		ClusterName:  variables["wsrep_cluster_name"],
		ClusterSize:  size,
		LocalIndex:   int(p.stat("wsrep_local_index")),
		GcommUUID:    uuid(status["wsrep_gcomm_uuid"]),
		NodeName:     variables["wsrep_node_name"],
		Incoming:     variables["wsrep_node_incoming_address"],
		Members:      members(status["wsrep_incoming_addresses"]),
		LastApplied:  p.stat("wsrep_last_committed"),
		RecvQueue:    int(p.number(status, "wsrep_local_recv_queue")),
		SendQueue:    int(p.number(status, "wsrep_local_send_queue")),
		PausedNS:     p.number(status, "wsrep_flow_control_paused_ns"),
		FCLimit:      p.float(fc, "gcs.fc_limit"),
		FCFactor:     p.float(fc, "gcs.fc_factor"),
		FCActive:     on(status["wsrep_flow_control_active"]),
		FCRequested:  on(status["wsrep_flow_control_requested"]),
		FCSent:       p.number(status, "wsrep_flow_control_sent"),
		Desync:       on(variables["wsrep_desync"]),
		RejectsAll:   set(variables["wsrep_reject_queries"], "NONE"),
		DonorRejects: on(variables["wsrep_sst_donor_rejects_queries"]),
		ReadOnly:     set(variables["read_only"], "OFF") && !off(variables["read_only"]),
		Maintenance:  set(variables["pxc_maint_mode"], "DISABLED"),

		ThreadsRunning:   int(p.number(status, "threads_running")),
		ThreadsConnected: int(p.number(status, "threads_connected")),
		MaxConnections:   int(p.number(variables, "max_connections")),
		Uptime:           time.Duration(p.number(status, "uptime")) * time.Second,
		Provider:         status["wsrep_provider_version"],
		Server:           p.server(),
	}
	if p.err != nil {
		return Status{}, p.err
	}
	if s.State > StateError {
		return Status{}, fmt.Errorf("wsrep_local_state is %d: no such state", s.State)
	}
	return s, nil
}

// parser keeps the first mistake found in a probe's rows.
type parser struct {
	status, variables map[string]string
	err               error
}

// server reads what the MySQL door wants to know.
func (p *parser) server() ServerFacts {
	v := p.variables
	return ServerFacts{
		Version:             v["version"],
		VersionComment:      v["version_comment"],
		Charset:             v["character_set_server"],
		CollationName:       v["collation_server"],
		SkipNameResolve:     on(v["skip_name_resolve"]),
		LowerCaseTableNames: int(p.number(v, "lower_case_table_names")),
		MaxAllowedPacket:    p.number(v, "max_allowed_packet"),
		InitConnect:         v["init_connect"],
		WaitTimeout:         time.Duration(p.number(v, "wait_timeout")) * time.Second,
		SQLMode:             v["sql_mode"],
		TimeZone:            v["time_zone"],
		SystemTimeZone:      v["system_time_zone"],
		GTIDMode:            on(v["wsrep_gtid_mode"]),
		GTIDDomain:          p.number(v, "wsrep_gtid_domain_id"),
		PasswordLifetime:    int(p.number(v, "default_password_lifetime")),
		Autocommit:          !off(v["autocommit"]),
		ClientCharset:       v["character_set_client"],
		DefaultEngine:       v["default_storage_engine"],

		InteractiveTimeout:     time.Duration(p.number(v, "interactive_timeout")) * time.Second,
		MaxPreparedStatements:  p.number(v, "max_prepared_stmt_count"),
		MaxUserConnections:     int(p.number(v, "max_user_connections")),
		MaxPasswordErrors:      p.number(v, "max_password_errors"),
		RequireSecureTransport: on(v["require_secure_transport"]),
		StrictPasswordExpiry:   on(v["disconnect_on_expired_password"]),
	}
}

// number reads a number; absent is zero.
func (p *parser) number(from map[string]string, name string) int64 {
	text := strings.TrimSpace(from[name])
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s is %q: not a number", name, text)
	}
	return n
}

// stat reads a number of the group, which is 2^64-1 or 2^32-1 outside a
// primary component; that becomes -1.
func (p *parser) stat(name string) int64 {
	switch strings.TrimSpace(p.status[name]) {
	case "18446744073709551615", "4294967295":
		return -1
	}
	return p.number(p.status, name)
}

// float reads a number with a fraction; absent is zero.
func (p *parser) float(from map[string]string, name string) float64 {
	text := from[name]
	if text == "" {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if (err != nil || !(f >= 0)) && p.err == nil {
		p.err = fmt.Errorf("%s is %q: not a number", name, text)
	}
	return f
}

// on reads the server's several ways to say yes.
func on(s string) bool {
	switch strings.ToUpper(s) {
	case "ON", "1", "TRUE", "YES":
		return true
	}
	return false
}

// off reads the server's several ways to say no. Absent is neither on nor off.
func off(s string) bool {
	switch strings.ToUpper(s) {
	case "OFF", "0", "FALSE", "NO":
		return true
	}
	return false
}

// set says whether a variable is there and is not its harmless value.
func set(s, harmless string) bool { return s != "" && !strings.EqualFold(s, harmless) }

// uuid drops the UUID of all zeros, which says that there is none.
func uuid(s string) string {
	if strings.Trim(s, "0-") == "" {
		return ""
	}
	return strings.ToLower(s)
}

// members splits wsrep_incoming_addresses and keeps each entry's place: an
// empty one is an arbitrator.
func members(list string) []string {
	if list == "" {
		return nil
	}
	out := strings.Split(list, ",")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// providerOptions reads "name = value; name = value; ".
func providerOptions(text string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			out[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return out
}
