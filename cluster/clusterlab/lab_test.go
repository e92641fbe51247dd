package clusterlab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParseGrastate(t *testing.T) {
	const uuid = "5f1c1d9c-0000-11ef-8a34-0242ac120002"
	tests := []struct {
		name, text string
		want       position
	}{
		{"left last", "# GALERA saved state\nversion: 2.1\nuuid:    " + uuid + "\nseqno:   42\nsafe_to_bootstrap: 1\n", position{uuid, 42, true}},
		{"left before", "uuid: " + uuid + "\nseqno: 41\nsafe_to_bootstrap: 0\n", position{uuid, 41, false}},
		{"crashed", "uuid: " + uuid + "\nseqno: -1\nsafe_to_bootstrap: 0\n", position{uuid, noSeqno, false}},
		{"no number", "seqno: x\n", position{"", noSeqno, false}},
		{"empty", "", position{"", noSeqno, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseGrastate(tt.text); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestParseRecovered(t *testing.T) {
	const uuid = "5f1c1d9c-0000-11ef-8a34-0242ac120002"
	got, err := parseRecovered("noise\n2026-01-01 [Note] WSREP: Recovered position: " + uuid + ":1234,0-1-5\nnoise\n")
	if want := (position{uuid: uuid, seqno: 1234}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseRecovered("nothing of the kind"); err == nil {
		t.Error("a log without a position was accepted")
	}
}

func TestNewest(t *testing.T) {
	tests := []struct {
		name      string
		positions []position
		want      int
		fails     bool
	}{
		{"highest", []position{{"a", 1, false}, {"a", 3, false}, {"a", 2, false}}, 1, false},
		{"the one that left last is right whatever the numbers", []position{{"a", 9, false}, {"a", noSeqno, true}}, 1, false},
		{"never joined", []position{{"", noSeqno, false}, {"a", 0, false}}, 1, false},
		{"different clusters", []position{{"a", 1, false}, {"b", 2, false}}, 0, true},
		{"nobody knows", []position{{"", noSeqno, false}}, 0, true},
		{"no nodes", nil, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newest(tt.positions)
			if (err != nil) != tt.fails || got != tt.want {
				t.Errorf("got %d, %v, want %d, failure %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

// TestPortBlocksAreDisjoint claims many blocks at once, as several labs do.
func TestPortBlocksAreDisjoint(t *testing.T) {
	seen := map[int]bool{}
	for range 40 {
		b, err := claimPorts()
		if err != nil {
			t.Fatal(err)
		}
		defer b.release()
		for port := range portBlockSize {
			if seen[b.base+port] {
				t.Fatalf("port %d was given twice", b.base+port)
			}
			seen[b.base+port] = true
		}
	}
}

func TestPortBlockAvoidsUsedPorts(t *testing.T) {
	b, err := claimPorts()
	if err != nil {
		t.Fatal(err)
	}
	b.release()
	used, err := listen(b.addr(portSST))
	if err != nil {
		t.Skip("somebody else took the port")
	}
	defer used.Close()
	if again := tryBlock(b.base); again != nil {
		t.Error("a block with a port in use was claimed")
	}
}

func TestRenderCnf(t *testing.T) {
	s := settings{
		index: 2, name: "node2", dataDir: "/lab/node2/data", tmpDir: "/lab/node2/tmp", socket: "/lab/node2/s.sock",
		provider: "/lib/galera.so", ports: &portBlock{base: 21000}, join: []string{"127.0.0.1:1", "127.0.0.1:2"}, bufferPoolMB: 64,
	}
	lines := strings.Split(renderCnf(s), "\n")
	for _, want := range []string{
		"port=21001", "server-id=2", "socket=/lab/node2/s.sock", "wsrep_cluster_address=gcomm://127.0.0.1:1,127.0.0.1:2",
		"wsrep_node_address=127.0.0.1:21002", "wsrep_node_incoming_address=127.0.0.1:21001", "wsrep_sst_receive_address=127.0.0.1:21004",
		"wsrep_provider_options=gmcast.listen_addr=tcp://127.0.0.1:21002;ist.recv_addr=127.0.0.1:21003;gcache.dir=/lab/node2/data;gcache.size=64M",
		"innodb_buffer_pool_size=64M",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("there is no line %q", want)
		}
	}
	s.join = nil
	if !strings.Contains(renderCnf(s), "wsrep_cluster_address=gcomm://\n") {
		t.Error("without nodes to join the first node's address is not empty")
	}
}

// TestMonitorHasOnlyWhatItNeeds holds the monitor account to reading accounts and rights and to seeing, not reading, which tables there are (SHOW VIEW), and what routines do.
func TestMonitorHasOnlyWhatItNeeds(t *testing.T) {
	var granted []string
	for _, s := range accountStatements(Account{User: "root", Password: "r"}, Account{User: "monitor"}, Account{User: "app"}) {
		if strings.HasPrefix(s, "GRANT") && strings.Contains(s, "monitor") {
			granted = append(granted, strings.TrimSuffix(strings.TrimPrefix(s, "GRANT SELECT ON mysql."), " TO 'monitor'@'%'"))
		}
	}
	if want := []string{"global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "roles_mapping", "GRANT SHOW VIEW ON *.*", "proc"}; !slices.Equal(granted, want) {
		t.Errorf("granted on %v, want %v", granted, want)
	}
}

func TestFindToolsNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mariadbd", "rsync"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, err := findTools(dir)
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want a MissingError", err)
	}
	if !slices.Contains(missing.Names, "mariadb-install-db") || slices.Contains(missing.Names, "mariadbd") || slices.Contains(missing.Names, "rsync") {
		t.Errorf("missing: %v", missing.Names)
	}
}

// TestRemoveLeftovers keeps what is in use and removes, processes first, what is not.
func TestRemoveLeftovers(t *testing.T) {
	parent := t.TempDir()
	used, owner, err := makeDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	left, leftOwner, err := makeDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	leftOwner.Close()
	foreign := filepath.Join(parent, dirPrefix+"without-owner")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	// The argument after the script is what names the directory, as --defaults-file does for a server.
	child := exec.Command("/bin/sh", "-c", "read line", left+"/node1/my.cnf")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for dir, pid := range map[string]int{left: child.Process.Pid, used: os.Getpid()} {
		if err := os.WriteFile(filepath.Join(dir, "node1.pid"), []byte(strconv.Itoa(pid)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	removeLeftovers(parent)
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the leftover process ended with %v, want killed", err)
	}
	if exists(left) {
		t.Error("the leftover directory is still there")
	}
	if !exists(used) || !exists(foreign) {
		t.Error("a directory in use, or one that is no lab, was removed")
	}
}

func TestKillNamedSparesOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node1.pid")
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	killNamed(file, "/somewhere/else") // Were the check missing, this test would die here.
}

func TestCopyTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	if err := os.MkdirAll(filepath.Join(from, "mysql"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "mysql", "db.frm"), []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(from, to, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "mysql", "db.frm")); err != nil || string(got) != "rows" {
		t.Errorf("got %q, %v", got, err)
	}
}
