package cluster

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Rows of a real node (MariaDB 10.11.19, Galera 26.4.23).
func realStatus() map[string]string {
	return map[string]string{
		"threads_connected": "4", "threads_running": "2", "uptime": "119", "wsrep_last_committed": "3",
		"wsrep_local_send_queue": "1", "wsrep_local_recv_queue": "7", "wsrep_flow_control_paused_ns": "123456789",
		"wsrep_flow_control_active": "false", "wsrep_flow_control_requested": "true", "wsrep_local_state": "4",
		"wsrep_incoming_addresses": "127.0.0.1:23010,,AUTO, 127.0.0.1:23030", "wsrep_gcomm_uuid": "0254D829-e633-11f1-8fbc-3a59d4a15cbf",
		"wsrep_cluster_conf_id": "3", "wsrep_cluster_size": "3", "wsrep_cluster_state_uuid": uuidA,
		"wsrep_cluster_status": "Primary", "wsrep_connected": "ON", "wsrep_local_index": "1",
		"wsrep_provider_version": "4.23(rXXXX)", "wsrep_ready": "ON",
	}
}

func realVariables() map[string]string {
	return map[string]string{
		"autocommit": "ON", "character_set_client": "latin1", "default_storage_engine": "InnoDB",
		"character_set_server": "latin1", "collation_server": "latin1_swedish_ci", "default_password_lifetime": "0",
		"interactive_timeout": "28800", "max_prepared_stmt_count": "16382", "max_user_connections": "0", "max_password_errors": "4294967295",
		"require_secure_transport": "OFF", "disconnect_on_expired_password": "ON",
		"init_connect": "", "lower_case_table_names": "0", "max_allowed_packet": "16777216", "max_connections": "151",
		"read_only": "OFF", "skip_name_resolve": "ON", "sql_mode": "STRICT_TRANS_TABLES", "system_time_zone": "UTC",
		"time_zone": "SYSTEM", "version": "10.11.19-MariaDB-0+deb12u1", "version_comment": "Debian 12", "wait_timeout": "28800",
		"wsrep_cluster_name": "hand", "wsrep_desync": "OFF", "wsrep_gtid_domain_id": "0", "wsrep_gtid_mode": "OFF",
		"wsrep_node_incoming_address": "127.0.0.1:23010", "wsrep_node_name": "n1", "wsrep_on": "ON",
		"wsrep_provider_options": "base_dir = /var/lib/mysql/; gcs.fc_factor = 1.0; gcs.fc_limit = 16; gcs.fc_master_slave = no; socket.ssl_cipher = ; ",
		"wsrep_reject_queries":   "NONE", "wsrep_sst_donor_rejects_queries": "OFF",
	}
}

func TestParseStatus(t *testing.T) {
	s, err := ParseStatus(realStatus(), realVariables())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Galera || s.State != StateSynced || !s.Primary || !s.Ready || !s.Connected || s.ConfID != 3 || s.ClusterSize != 3 ||
		s.StateUUID != uuidA || s.GcommUUID != "0254d829-e633-11f1-8fbc-3a59d4a15cbf" || s.LocalIndex != 1 ||
		s.RecvQueue != 7 || s.SendQueue != 1 || s.PausedNS != 123456789 || s.FCLimit != 16 || s.FCFactor != 1 ||
		s.FCActive || !s.FCRequested || s.Desync || s.RejectsAll || s.DonorRejects || s.ReadOnly || s.Maintenance ||
		s.LastApplied != 3 || s.Uptime != 119*time.Second || s.MaxConnections != 151 || s.ThreadsRunning != 2 ||
		s.ThreadsConnected != 4 || s.NodeName != "n1" || s.ClusterName != "hand" || s.Incoming != "127.0.0.1:23010" {
		t.Errorf("status %+v", s)
	}
	if f := s.Server; f.InteractiveTimeout != 8*time.Hour || f.MaxPreparedStatements != 16382 || f.MaxUserConnections != 0 ||
		f.MaxPasswordErrors != 1<<32-1 || f.RequireSecureTransport || !f.StrictPasswordExpiry {
		t.Errorf("facts %+v", f)
	}
	if want := []string{"127.0.0.1:23010", "", "AUTO", "127.0.0.1:23030"}; !slices.Equal(s.Members, want) {
		t.Errorf("members %q", s.Members)
	}
	if want := []string{"127.0.0.1:23010", "127.0.0.1:23030"}; !slices.Equal(announced(s.Members), want) {
		t.Errorf("announced %q", announced(s.Members))
	}
	if v := Classify(s); v != (Verdict{Usable, Usable, OK}) {
		t.Errorf("verdict %+v", v)
	}
	f := s.Server
	if !f.SkipNameResolve || f.MaxAllowedPacket != 16777216 || f.WaitTimeout != 8*time.Hour || f.CollationName != "latin1_swedish_ci" || f.TimeZone != "SYSTEM" {
		t.Errorf("facts %+v", f)
	}
	if !f.Autocommit || f.ClientCharset != "latin1" || f.DefaultEngine != "InnoDB" {
		t.Errorf("facts %+v", f)
	}
}

func TestParseStatusVariants(t *testing.T) {
	for name, c := range map[string]struct {
		status, variables map[string]string
		check             func(Status) bool
	}{
		"outside of a primary component": {
			map[string]string{
				"wsrep_cluster_status": "non-Primary", "wsrep_cluster_conf_id": "18446744073709551615",
				"wsrep_local_index": "18446744073709551615", "wsrep_cluster_state_uuid": "00000000-0000-0000-0000-000000000000",
			},
			nil, func(s Status) bool { return !s.Primary && s.ConfID == -1 && s.LocalIndex == -1 && s.StateUUID == "" },
		},
		"autocommit off":           {nil, map[string]string{"autocommit": "OFF"}, func(s Status) bool { return !s.Server.Autocommit }},
		"desync":                   {nil, map[string]string{"wsrep_desync": "ON"}, func(s Status) bool { return s.Desync }},
		"reject queries":           {nil, map[string]string{"wsrep_reject_queries": "ALL_KILL"}, func(s Status) bool { return s.RejectsAll }},
		"read_only":                {nil, map[string]string{"read_only": "ON"}, func(s Status) bool { return s.ReadOnly }},
		"read_only as a number":    {nil, map[string]string{"read_only": "0"}, func(s Status) bool { return !s.ReadOnly }},
		"read_only of MariaDB 12":  {nil, map[string]string{"read_only": "NO_LOCK_NO_ADMIN"}, func(s Status) bool { return s.ReadOnly }},
		"PXC in maintenance":       {nil, map[string]string{"pxc_maint_mode": "MAINTENANCE"}, func(s Status) bool { return s.Maintenance }},
		"PXC not in maintenance":   {nil, map[string]string{"pxc_maint_mode": "DISABLED"}, func(s Status) bool { return !s.Maintenance }},
		"wsrep_on off":             {nil, map[string]string{"wsrep_on": "OFF"}, func(s Status) bool { return !s.Galera }},
		"fc_limit with a fraction": {nil, map[string]string{"wsrep_provider_options": "gcs.fc_limit=100;gcs.fc_factor=0.8"}, func(s Status) bool { return s.FCLimit == 100 && s.FCFactor == .8 }},
	} {
		t.Run(name, func(t *testing.T) {
			status, variables := realStatus(), realVariables()
			maps.Copy(status, c.status)
			maps.Copy(variables, c.variables)
			s, err := ParseStatus(status, variables)
			if err != nil || !c.check(s) {
				t.Errorf("%v: %+v", err, s)
			}
		})
	}
	if s, err := ParseStatus(map[string]string{"uptime": "3"}, map[string]string{"version": "8.0.36"}); err != nil || Classify(s).Reason != NotGalera {
		t.Errorf("a plain server: %v, %+v", err, Classify(s))
	}
	for name, value := range map[string]string{"wsrep_local_state": "four", "wsrep_cluster_conf_id": "x", "uptime": "1.5.", "threads_running": "99999999999999999999"} {
		status := realStatus()
		status[name] = value
		if _, err := ParseStatus(status, realVariables()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	status := realStatus()
	status["wsrep_local_state"] = "17"
	if _, err := ParseStatus(status, realVariables()); err == nil {
		t.Error("state 17 accepted")
	}
}

func TestReasonsAreClosed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range AllReasons() {
		if s := r.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("reason %d is %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if Reason(200).String() != "unknown" {
		t.Error("a number out of the list has a word")
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add("wsrep_cluster_conf_id", "18446744073709551615", "gcs.fc_limit = 16; a=b;;=;")
	f.Add("wsrep_incoming_addresses", ",,AUTO,[::1]:3306", "gcs.fc_limit")
	f.Add("uptime", "-1", "gcs.fc_factor=NaN")
	f.Fuzz(func(t *testing.T, name, value, options string) {
		status, variables := realStatus(), realVariables()
		status[name], variables[name], variables["wsrep_provider_options"] = value, value, options
		s, err := ParseStatus(status, variables)
		if err != nil {
			return
		}
		if s.State > StateError || !(s.FCLimit >= 0) {
			t.Fatalf("%+v", s)
		}
		for _, m := range announced(s.Members) {
			if !hostPort(m) {
				t.Fatalf("member %q", m)
			}
		}
	})
}

// realGreeting is a greeting as MariaDB 10.11 sends it.
func realGreeting() []byte {
	p := append([]byte{10}, "5.5.5-10.11.19-MariaDB\x00"...)
	p = append(p, 1, 0, 0, 0)
	p = append(p, "12345678\x00"...)
	p = binary.LittleEndian.AppendUint16(p, 0xf7fe)
	p = append(p, 8, 2, 0)
	p = binary.LittleEndian.AppendUint16(p, 0x81ff)
	p = append(p, 21, 0, 0, 0, 0, 0, 0)
	p = binary.LittleEndian.AppendUint32(p, 0x1d)
	p = append(p, "901234567890\x00"...)
	return append(p, "mysql_native_password\x00"...)
}

func TestParseGreeting(t *testing.T) {
	g, err := parseGreeting(realGreeting())
	want := greeting{version: "5.5.5-10.11.19-MariaDB", capabilities: 0x81fff7fe, extended: 0x1d, collation: 8}
	if err != nil || g != want {
		t.Errorf("%+v, %v, want %+v", g, err, want)
	}
	mysql := realGreeting()
	mysql[1+23+13] |= 1 // CLIENT_MYSQL: the filler is no capability
	if g, err = parseGreeting(mysql); err != nil || g.extended != 0 {
		t.Errorf("extended capabilities of a MySQL server: %+v, %v", g, err)
	}
	for name, p := range map[string][]byte{"nothing": nil, "an error": []byte("\xff\x10\x04Too many"), "no end": []byte("\x0a5.5"), "short": []byte("\x0a5.5\x00abc")} {
		if _, err := parseGreeting(p); err == nil {
			t.Errorf("%s accepted", name)
		}
	}
}

func FuzzParseGreeting(f *testing.F) {
	f.Add(realGreeting())
	f.Add([]byte("\x0a5.5\x00abc"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if g, err := parseGreeting(p); err == nil && len(g.version) > len(p) {
			t.Fatalf("%+v", g)
		}
	})
}

func TestVersionNumbers(t *testing.T) {
	for in, want := range map[string][]int{
		"5.5.5-10.11.19-MariaDB-log": {10, 11, 19}, "8.0.36-28.1": {8, 0, 36}, "11.4": {11, 4}, "": nil, "x": nil, "10.6a.3": {10, 6},
	} {
		if got := versionNumbers(in); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]bool{
		"10.0.0.1:3306": true, "db1:3306": true, "[::1]:3306": true, "AUTO": false, "AUTO:3306": false, "": false,
		"10.0.0.1": false, "10.0.0.1:0": false, "0.0.0.0:3306": false, ":3306": false, "h:99999": false, "h:x": false,
	} {
		if hostPort(in) != want {
			t.Errorf("%q: %v", in, !want)
		}
	}
}
