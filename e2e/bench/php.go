package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const phpTest = "PHP pattern"

// measurePHP runs what a PHP page does at the least, each time over a new connection.
func (r *runner) measurePHP(ctx context.Context, round int, res *results) error {
	doors := r.site.main()
	for _, clients := range []int{8, targetClients} {
		c := res.cell(phpTest, clients)
		for i := range doors {
			d := doors[(i+round)%len(doors)]
			before, err := cpuTime(d.pid())
			if err != nil {
				return err
			}
			took, err := r.php(ctx, d, clients)
			if err != nil {
				return fmt.Errorf("%s, %d clients, %s: %w", phpTest, clients, d.name, err)
			}
			after, err := cpuTime(d.pid())
			if err != nil {
				return err
			}
			slices.Sort(took)
			rate := float64(len(took)) / r.phpTime().Seconds()
			cpu := float64(after-before) / 1e3 / float64(len(took))
			c.figure("connections per second").add(d.name, rate)
			c.figure("p50, ms").add(d.name, percentile(took, 0.5))
			c.figure("p99, ms").add(d.name, percentile(took, 0.99))
			if d.proxy != nil {
				c.figure("CPU of the proxy, µs per connection").add(d.name, cpu)
			}
			r.say("round %d  %-18s %3d  %-18s %8.0f connections/s  CPU %5.0f µs each", round+1, phpTest, clients, d.name, rate, cpu)
		}
	}
	return nil
}

func (r *runner) phpTime() time.Duration { return time.Duration(r.plan.seconds-2) * time.Second }

// php gives the durations of all pages, in milliseconds.
func (r *runner) php(ctx context.Context, d *door, clients int) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.phpTime()+30*time.Second)
	defer cancel()
	until := time.Now().Add(r.phpTime())
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		all    []float64
		failed error
	)
	for range clients {
		wg.Go(func() {
			var own []float64
			var err error
			for err == nil && time.Now().Before(until) {
				began := time.Now()
				if err = r.phpPage(ctx, d); err == nil {
					own = append(own, float64(time.Since(began))/1e6)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return all, failed
}

// phpPage is one: connect, two statements of every framework, a row by its key, quit.
func (r *runner) phpPage(ctx context.Context, d *door) error {
	conn, err := r.site.connect(ctx, d.reads, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if e, ok := conn.(driver.ExecerContext); ok {
		if _, err := e.ExecContext(ctx, "SET NAMES utf8mb4", nil); err != nil {
			return err
		}
	}
	if err := exhaust(ctx, conn, "SELECT @@sql_mode"); err != nil {
		return err
	}
	return exhaust(ctx, conn, fmt.Sprintf("SELECT c FROM sbtest1 WHERE id = %d", 1+rand.IntN(tableSize))) //nolint:gosec // any row
}
