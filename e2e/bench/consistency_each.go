package main

import (
	"context"
	"fmt"
	"time"
)

// besideWrites is reads of one row beside a steady load of writes: through galley with each consistency, and through HAProxy on all nodes, each read behind a causal wait of its own.
const besideWrites = "reads beside writes, by consistency"

// The steady load of writes: transactions a second, of one row each, through galley.
const (
	steadyWrites  = 200
	steadyClients = 4
)

// measureBesideWrites has the doors take turns at sysbench's point selects.
func (r *runner) measureBesideWrites(ctx context.Context, doors []*door, round int, res *results) error {
	each := *r.site.find(doorHAProxy)
	each.name = doorEach
	doors = append([]*door{&each}, doors...)
	sc := scenario{name: besideWrites, script: "oltp_point_select", args: []string{"--db-ps-mode=disable"}}
	const clients, turns = 16, 2
	for turn := range turns * len(doors) {
		d := doors[(turn+round)%len(doors)]
		s, err := r.readBeside(ctx, d, &sc, clients)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", sc.name, d.name, err)
		}
		s.note(res.inTurns(sc.name, clients), d)
		r.say("round %d  %-48s %-18s %8.0f queries/s  p99 %6.2f ms  CPU %5.1f of %5.1f µs", round+1, sc.name, d.name, s.qps, s.p99, s.cpu, s.all)
	}
	return nil
}

// readBeside is one turn.
func (r *runner) readBeside(ctx context.Context, d *door, sc *scenario, clients int) (s sample, err error) {
	if d.name == doorEach { // For the connections that are made from now on.
		defer func() {
			if failed := r.setOnNodes(context.WithoutCancel(ctx), "SET GLOBAL wsrep_sync_wait=0"); err == nil {
				err = failed
			}
		}()
		if err := r.setOnNodes(ctx, "SET GLOBAL wsrep_sync_wait=1"); err != nil {
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

// setOnNodes runs a statement on each node.
func (r *runner) setOnNodes(ctx context.Context, statement string) error {
	for _, addr := range r.site.lab.Addrs() {
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
