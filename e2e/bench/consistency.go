package main

import (
	"context"
	"fmt"
)

// consistencyTest is what it costs that reads see what was written before: the same statements, each by itself, with each consistency.
const consistencyTest = "read-write without transactions, by consistency"

// measureConsistency runs sysbench's read-write mix through galleys of three consistencies, in turns.
func (r *runner) measureConsistency(ctx context.Context, round int, res *results) error {
	doors := []*door{r.site.find(doorGalley)}
	for name, word := range map[string]string{doorEventual: "eventual", doorStrict: "strict"} {
		d, err := r.site.startGalley(ctx, name, r.plan.galley, "  consistency: "+word+"\n")
		if err != nil {
			return err
		}
		defer d.proxy.stop()
		doors = append(doors, d)
	}
	sc := scenario{name: consistencyTest, script: "oltp_read_write", args: []string{"--skip-trx=on", "--db-ps-mode=disable", "--mysql-ignore-errors=1213,1020,1062,1205"}, writes: true}
	const clients, turns = 16, 2
	for turn := range turns * len(doors) {
		d := doors[(turn+round)%len(doors)]
		s, err := r.sysbench(ctx, d, &sc, clients)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", sc.name, d.name, err)
		}
		s.note(res.inTurns(sc.name, clients), d)
		r.say("round %d  %-48s %-18s %8.0f queries/s  p99 %6.2f ms  CPU %5.1f of %5.1f µs", round+1, sc.name, d.name, s.qps, s.p99, s.cpu, s.all)
	}
	return r.measureBesideWrites(ctx, doors, round, res)
}
