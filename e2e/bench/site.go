package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"galley/cluster/clusterlab"
)

// The tables that sysbench works on.
const (
	tables    = 4
	tableSize = 10000

	schemaOfTables = clusterlab.Schema
)

// site is the cluster with the doors to it.
type site struct {
	plan     plan
	dir      string
	haproxy  string
	sysbench string
	lab      *clusterlab.Lab
	doors    []*door
	files    int

	everyCell int // That many of the doors are measured in every cell.
}

// openSite starts everything. The cluster goes when ctx ends, all else with close.
func openSite(ctx context.Context, p plan, say func(string, ...any)) (*site, error) {
	s := &site{plan: p}
	var err error
	if s.sysbench, err = find("sysbench"); err != nil {
		return nil, err
	}
	if s.haproxy, err = find("haproxy"); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "galley-bench-"); err != nil {
		return nil, err
	}
	if err := s.open(ctx, say); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not there: run e2e/install.sh bench", name)
}

func (s *site) open(ctx context.Context, say func(string, ...any)) error {
	// HAProxy has a node connection for each idle client, a third of them on each node; many clients without a proxy have one each.
	perNode := max(s.plan.idleBehindHAProxy(), crowdClients) + 1000
	nodes := 3
	if s.plan.onlyWeb() {
		nodes = 1
	}
	var err error
	s.lab, err = clusterlab.Start(ctx, clusterlab.Options{
		Nodes: nodes, Progress: func(line string) { say("%s", line) },
		ExtraArgs: []string{fmt.Sprintf("--max-connections=%d", perNode), fmt.Sprintf("--open-files-limit=%d", perNode+2000)},
	})
	if err != nil {
		return err
	}
	if err := s.calm(ctx); err != nil {
		return err
	}
	if s.plan.onlyWeb() {
		return nil
	}
	say("making %d tables of %d rows", tables, tableSize)
	first := s.lab.Addrs()[0]
	if out, err := s.sysbenchCommand(ctx, first, "oltp_point_select", "prepare").CombinedOutput(); err != nil {
		return fmt.Errorf("sysbench prepare: %w\n%s", err, out)
	}
	s.doors = append(s.doors, &door{name: doorDirect, reads: first, writes: first})
	// Galera leaves gaps between the ids that sysbench's rows get; a row of this table is there for each.
	if err := s.exec(ctx, "CREATE TABLE pages (id INT NOT NULL PRIMARY KEY, c VARCHAR(120) NOT NULL)"); err != nil {
		return err
	}
	if err := s.exec(ctx, fmt.Sprintf("INSERT INTO pages SELECT seq, REPEAT(MD5(seq), 3) FROM seq_1_to_%d", tableSize)); err != nil {
		return err
	}
	hap, err := s.startHAProxy(ctx, doorHAProxy, 0)
	if err != nil {
		return err
	}
	s.doors = append(s.doors, hap)
	gal, err := s.startGalley(ctx, doorGalley, s.plan.galley, "")
	if err != nil {
		return err
	}
	s.doors = append(s.doors, gal)
	if s.plan.other != "" {
		other, err := s.startGalley(ctx, doorOther, s.plan.other, "")
		if err != nil {
			return err
		}
		s.doors = append(s.doors, other)
	}
	s.everyCell = len(s.doors)
	if s.plan.pin.proxyCPUs() == 2 {
		return nil // The default is two threads.
	}
	two, err := s.startHAProxy(ctx, doorHAProxy2, 2)
	if err != nil {
		return err
	}
	s.doors = append(s.doors, two)
	return nil
}

// calm makes the nodes patient with each other: where other work takes the CPUs for seconds, none of them is to be taken for dead in the middle of a measurement.
func (s *site) calm(ctx context.Context) error {
	root := s.lab.Root()
	for _, addr := range s.lab.Addrs() {
		conn, err := s.connectAs(ctx, root, addr, nil)
		if err != nil {
			return err
		}
		err = exhaust(ctx, conn, "SET GLOBAL wsrep_provider_options='evs.inactive_timeout=PT2M;evs.suspect_timeout=PT1M'")
		_ = conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *site) close() {
	for _, d := range s.doors {
		if d.proxy != nil {
			d.proxy.stop()
		}
	}
	if s.lab != nil {
		s.lab.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// main are the doors that are measured in every cell.
func (s *site) main() []*door { return s.doors[:s.everyCell] }

func (s *site) next() int {
	s.files++
	return s.files
}

func (s *site) sysbenchCommand(ctx context.Context, addr, script string, args ...string) *exec.Cmd {
	host, port, _ := strings.Cut(addr, ":")
	app := s.lab.App()
	all := append([]string{
		script, "--db-driver=mysql", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=" + app.User, "--mysql-password=" + app.Password,
		"--mysql-db=" + clusterlab.Schema, fmt.Sprintf("--tables=%d", tables), fmt.Sprintf("--table-size=%d", tableSize),
	}, args...)
	return exec.CommandContext(ctx, s.sysbench, all...) //nolint:gosec // Debian's sysbench with arguments of ours
}

// connect logs in. If raw is not nil it gets the socket beneath.
func (s *site) connect(ctx context.Context, addr string, raw *net.Conn) (driver.Conn, error) {
	return s.connectAs(ctx, s.lab.App(), addr, raw)
}

func (s *site) connectAs(ctx context.Context, as clusterlab.Account, addr string, raw *net.Conn) (driver.Conn, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = as.User, as.Password, "tcp", addr, clusterlab.Schema
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, network, addr)
		if raw != nil {
			*raw = nc
		}
		return nc, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return connector.Connect(ctx)
}

// find is the door of that name.
func (s *site) find(name string) *door {
	return s.doors[slices.IndexFunc(s.doors, func(d *door) bool { return d.name == name })]
}

// exec runs a statement without a proxy.
func (s *site) exec(ctx context.Context, statement string) error {
	conn, err := s.connect(ctx, s.find(doorDirect).writes, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return exhaust(ctx, conn, statement)
}

// ping logs in and runs a statement.
func (s *site) ping(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := s.connect(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return exhaust(ctx, conn, "SELECT 1")
}

// exhaust runs a statement and reads its whole answer.
func exhaust(ctx context.Context, conn driver.Conn, statement string) error {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return fmt.Errorf("%T runs no statements", conn)
	}
	rows, err := q.QueryContext(ctx, statement, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	defer func() { _ = rows.Close() }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err != nil {
			return ended(err)
		}
	}
}
