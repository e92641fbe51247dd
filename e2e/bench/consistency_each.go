package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// besideWrites is reads beside a steady load of writes: through galley with each consistency, and without galley on the nodes that do not write, each read behind a causal wait of its own.
const besideWrites = "reads beside writes, by consistency"

// The steady load of writes: transactions a second, of one row each, through galley.
const (
	steadyWrites  = 200
	steadyClients = 4
)

// measureBesideWrites has the doors take turns at sysbench's reads. The nodes are measured without any proxy between, half of the clients on each, which is in their favor.
func (r *runner) measureBesideWrites(ctx context.Context, doors []*door, round int, res *results) error {
	nodes := r.site.lab.Addrs()
	var ports []string
	for _, addr := range nodes[1:] { // Galley writes to the first.
		_, port, _ := strings.Cut(addr, ":")
		ports = append(ports, port)
	}
	each := &door{name: doorEach, reads: "127.0.0.1:" + strings.Join(ports, ",")}
	doors = append([]*door{each}, doors...)
	sc := scenario{name: besideWrites, script: "oltp_read_only", args: []string{"--skip-trx=on", "--db-ps-mode=disable"}}
	const clients, turns = 16, 2
	for turn := range turns * len(doors) {
		d := doors[(turn+round)%len(doors)]
		s, err := r.readBeside(ctx, d, &sc, clients)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", sc.name, d.name, err)
		}
		s.note(res.inTurns(sc.name, clients), d)
		r.say("round %d  %-48s %-18s %8.0f queries/s  p99 %6.2f ms", round+1, sc.name, d.name, s.qps, s.p99)
	}
	return nil
}

// readBeside is one turn.
func (r *runner) readBeside(ctx context.Context, d *door, sc *scenario, clients int) (s sample, err error) {
	if d.name == doorEach { // For the connections that are made from now on.
		defer func() {
			if failed := r.setOnReaders(context.WithoutCancel(ctx), "SET GLOBAL wsrep_sync_wait=0"); err == nil {
				err = failed
			}
		}()
		if err := r.setOnReaders(ctx, "SET GLOBAL wsrep_sync_wait=1"); err != nil {
			return s, err
		}
	}
	writing, stop := context.WithCancel(ctx)
	writer := r.site.sysbenchCommand(writing, r.site.find(doorGalley).writes, "oltp_update_non_index",
		fmt.Sprintf("--threads=%d", steadyClients), fmt.Sprintf("--rate=%d", steadyWrites), fmt.Sprintf("--time=%d", r.plan.seconds+60), "--db-ps-mode=disable", "--mysql-ignore-errors=1213,1020,1205", "run")
	writer.WaitDelay = time.Second
	if err := writer.Start(); err != nil {
		stop()
		return s, fmt.Errorf("start the writes: %w", err)
	}
	s, err = r.sysbench(ctx, d, sc, clients)
	stop()
	_ = writer.Wait() // Killed.
	return s, err
}

// setOnReaders runs a statement on the nodes that galley does not write to.
func (r *runner) setOnReaders(ctx context.Context, statement string) error {
	for _, addr := range r.site.lab.Addrs()[1:] {
		conn, err := r.site.connectAs(ctx, r.site.lab.Root(), addr, nil)
		if err != nil {
			return err
		}
		err = exhaust(ctx, conn, statement)
		_ = conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
