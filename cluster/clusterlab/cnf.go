package clusterlab

import (
	"fmt"
	"strings"
)

// settings are what differs between the configuration files of two servers.
type settings struct {
	index        int
	name         string
	dataDir      string
	tmpDir       string
	socket       string
	provider     string
	ports        *portBlock
	join         []string // Group addresses; empty for the first node of a new cluster.
	bufferPoolMB int
}

func (n *Node) settings(join []string) settings {
	return settings{
		index: n.index, name: n.name, dataDir: n.dataDir(), tmpDir: n.tmpDir(), socket: n.Socket(),
		provider: n.lab.tools.provider, ports: n.ports, join: join, bufferPoolMB: n.lab.opts.BufferPoolMB,
	}
}

// renderCnf is a server's whole configuration. Every address is given, because the defaults of several servers on one host
// collide: wsrep_node_address (group), wsrep_node_incoming_address (clients), the receivers of SST and IST.
//
// Nothing is flushed (innodb_flush_method=nosync), as the data is thrown away, but the log is written at each commit, so
// that what was acknowledged survives a killed process.
func renderCnf(s settings) string {
	lines := []string{
		"[mariadbd]",
		"port=" + s.ports.number(portClient),
		"bind-address=127.0.0.1",
		"socket=" + s.socket,
		"datadir=" + s.dataDir,
		"tmpdir=" + s.tmpDir,
		"pid-file=" + s.tmpDir + "/server.pid",
		fmt.Sprintf("server-id=%d", s.index),
		"skip-name-resolve",
		"performance_schema=OFF",
		"max_connections=1000",
		"thread_cache_size=64",
		"max_allowed_packet=64M",
		"binlog_format=ROW",
		"character_set_server=utf8mb4", // As Debian has it.
		"collation_server=utf8mb4_general_ci",
		"default_storage_engine=InnoDB",
		"innodb_autoinc_lock_mode=2",
		fmt.Sprintf("innodb_buffer_pool_size=%dM", s.bufferPoolMB),
		"innodb_log_file_size=32M",
		"innodb_flush_method=nosync",
		"innodb_flush_log_at_trx_commit=2",
		"innodb_buffer_pool_dump_at_shutdown=OFF",
		"innodb_buffer_pool_load_at_startup=OFF",
		"wsrep_on=ON",
		"wsrep_provider=" + s.provider,
		"wsrep_cluster_name=galley-lab",
		"wsrep_cluster_address=gcomm://" + strings.Join(s.join, ","),
		"wsrep_node_name=" + s.name,
		"wsrep_node_address=" + s.ports.group(),
		"wsrep_node_incoming_address=" + s.ports.client(),
		"wsrep_sst_method=rsync",
		"wsrep_sst_receive_address=" + s.ports.addr(portSST),
		"wsrep_slave_threads=2",
		fmt.Sprintf("wsrep_provider_options=gmcast.listen_addr=tcp://%s;ist.recv_addr=%s;gcache.dir=%s;gcache.size=64M",
			s.ports.group(), s.ports.addr(portIST), s.dataDir),
	}
	return strings.Join(lines, "\n") + "\n"
}
