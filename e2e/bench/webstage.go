package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"galley/cluster/clusterlab"
	"galley/cluster/clusterlab/wordpress"
)

// The hosts at which all fronts serve the same directory.
const (
	hostPlain  = "site.test"
	hostCached = "cached.test" // With the page cache of the front.
	hostUneven = "uneven.test" // By two pools, one of which is slow.
)

// The php-fpm pools. Two workers a pool and CPU are enough to keep the machine busy; there are more, so that a page that waits for the database holds nobody up.
const (
	fpmWorkers = 4
	// slowBy is how much longer the slow pool takes for a page, in microseconds: long enough that its pages are well above one in a hundred, and thus the p99.
	slowBy = 20000
)

// scripts are the pages besides WordPress's.
func scripts() map[string]string {
	return map[string]string{
		"hello.php":  "<?php echo 'Hello, galley!';\n",
		"uneven.php": "<?php usleep((int) getenv('BENCH_SLOW')); echo 'Hello, galley!';\n",
	}
}

// webStage is what stands behind all fronts: a directory with a WordPress, pages and files, and php-fpm.
type webStage struct {
	dir    string
	root   string
	even   []*clusterlab.FPM
	uneven []*clusterlab.FPM
	fronts []*door
}

// openStage makes the site, starts php-fpm and all fronts.
func (s *site) openStage(ctx context.Context, say func(string, ...any)) (*webStage, error) {
	w := &webStage{}
	err := w.fill(ctx, s)
	if err == nil {
		say("starting the fronts")
		err = w.startFronts(ctx, s)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *webStage) fill(ctx context.Context, s *site) error {
	var err error
	if w.dir, err = os.MkdirTemp("", "galley-bench-web-"); err != nil {
		return err
	}
	if err := os.Chmod(w.dir, 0o755); err != nil { //nolint:gosec // php-fpm and nginx run as others
		return err
	}
	w.root = filepath.Join(w.dir, "root")
	install := wordpress.Site{
		Source: s.plan.wordpress, Dir: w.root, DBHost: s.lab.Addrs()[0], DB: s.lab.App(), URL: "http://" + hostPlain,
		Admin: clusterlab.Account{User: "admin", Password: "bench"},
	}
	if err := install.Install(ctx); err != nil {
		return err
	}
	if err := w.anyHost(); err != nil {
		return err
	}
	for name, text := range scripts() {
		if err := w.file(name, []byte(text)); err != nil {
			return err
		}
	}
	for _, p := range pages() {
		if p.size > 0 {
			if err := w.file(strings.TrimPrefix(p.path, "/"), noise(p.size)); err != nil {
				return err
			}
		}
	}
	for i := range 4 {
		opts := clusterlab.FPMOptions{Workers: fpmWorkers, StatusListen: true, Dir: w.dir}
		if i == 3 {
			opts.Pool = []string{fmt.Sprintf("env[BENCH_SLOW] = %d", slowBy)}
		}
		fpm, err := clusterlab.StartFPM(ctx, opts)
		if err != nil {
			return err
		}
		if i < 2 {
			w.even = append(w.even, fpm)
		} else {
			w.uneven = append(w.uneven, fpm)
		}
	}
	return nil
}

func (w *webStage) file(name string, content []byte) error {
	return os.WriteFile(filepath.Join(w.root, name), content, 0o644) //nolint:gosec // meant to be served
}

// anyHost has WordPress answer by whatever name it is asked: it redirects to its own otherwise.
func (w *webStage) anyHost() error {
	name := filepath.Join(w.root, "wp-config.php")
	text, err := os.ReadFile(name) //nolint:gosec // made here
	if err != nil {
		return err
	}
	const head = "<?php\n"
	own := "define('WP_HOME', 'http://' . ($_SERVER['HTTP_HOST'] ?? '" + hostPlain + "'));\ndefine('WP_SITEURL', WP_HOME);\n"
	if !bytes.HasPrefix(text, []byte(head)) {
		return errors.New("wp-config.php does not begin as it should")
	}
	return w.file("wp-config.php", append([]byte(head+own), text[len(head):]...))
}

// noise is what no front can make smaller; the same in each run.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

// fpms are all masters.
func (w *webStage) fpms() []*clusterlab.FPM {
	return append(append([]*clusterlab.FPM(nil), w.even...), w.uneven...)
}

// phpTime is the CPU time of all php-fpm.
func (w *webStage) phpTime() (time.Duration, error) {
	var all time.Duration
	for _, fpm := range w.fpms() {
		t, err := familyTime(fpm.Pid())
		if err != nil {
			return 0, err
		}
		all += t
	}
	return all, nil
}

func (w *webStage) close() {
	for _, d := range w.fronts {
		d.proxy.stop()
	}
	for _, fpm := range w.fpms() {
		fpm.Close()
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}
