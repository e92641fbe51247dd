package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"galley/cluster/clusterlab"
	"galley/cluster/clusterlab/wordpress"
	"galley/cmd/galley/demo"
)

// shop is the demo's web half: two php-fpm, a WordPress, and somebody who shops there.
type shop struct {
	pools   []*clusterlab.FPM
	listen  string
	root    string
	source  string
	url     string
	admin   clusterlab.Account
	shopper *demo.Shopper
	db      *sql.DB
}

// openShop starts php-fpm and makes the directory of the site, which is empty until install.
func (d *theDemo) openShop(ctx context.Context) (*shop, error) {
	s := &shop{root: filepath.Join(d.lab.Dir(), "site"), source: d.wordpress, admin: clusterlab.Account{User: "admin", Password: rand.Text()[:12]}}
	var err error
	if s.listen, err = freeOr(d.web, demoWeb); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.root, 0o755); err != nil { //nolint:gosec // read by php-fpm's user
		return nil, fmt.Errorf("make the directory of the site: %w", err)
	}
	for range 2 {
		d.screen.line("          starting php-fpm with 4 workers…")
		pool, err := clusterlab.StartFPM(ctx, clusterlab.FPMOptions{Dir: d.dir, Workers: 4, StatusListen: true})
		if err != nil {
			s.close()
			return nil, err
		}
		s.pools = append(s.pools, pool)
	}
	return s, nil
}

func (s *shop) close() {
	if s.db != nil {
		_ = s.db.Close()
	}
	for _, pool := range s.pools {
		pool.Close()
	}
}

// configuration is the part of galley's that a person would write for the site.
func (s *shop) configuration() string {
	var backends []string
	for _, pool := range s.pools {
		backends = append(backends, fmt.Sprintf("{address: %q, status_listen: %q}", pool.Addr(), pool.StatusAddr()))
	}
	return fmt.Sprintf(`web:
  listen: %q
  pools:
    - {name: php, status_path: %s, ping_path: %s, backends: [%s]}
  sites:
    - {hosts: ["*"], root: %q, pool: php, preset: wordpress, cache: 5s}
`, s.listen, clusterlab.FPMStatusPath, clusterlab.FPMPingPath, strings.Join(backends, ", "), s.root)
}

// install puts WordPress there, with galley as its DB_HOST.
func (s *shop) install(ctx context.Context, d *theDemo) error {
	s.url = "http://" + d.galley.web.addr()
	site := wordpress.Site{Source: s.source, Dir: s.root, DBHost: d.galley.mysqlAddr(), DB: d.lab.App(), URL: s.url, Admin: s.admin}
	if err := site.Install(ctx); err != nil {
		return err
	}
	s.shopper = demo.NewShopper(s.url, s.admin.User, s.admin.Password)
	app := d.lab.App()
	var err error
	if s.db, err = sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/%s", app.User, app.Password, d.galley.mysqlAddr(), clusterlab.Schema)); err != nil {
		return fmt.Errorf("open the shop's tables: %w", err)
	}
	return nil
}

// onStage lets a script break php-fpm too.
func (s *shop) onStage(stage *demo.Stage) {
	stage.Shopper = s.shopper
	for _, pool := range s.pools {
		stage.Pools = append(stage.Pools, pool)
	}
}

// account prints what the shopper noticed, and compares the comments that are there with those that WordPress took.
func (s *shop) account(ctx context.Context, p *printer, acts []demo.Act) error {
	p.line("")
	p.line("What a shopper on the WordPress noticed:")
	p.row("EVENT", "PAGES", "FORMS", "ERRORS", "LONGEST WAIT FOR A PAGE", "FOR A FORM", "KINDS OF ERRORS")
	row := func(event string, n *demo.Noticed) {
		p.row(event, fmt.Sprint(n.Reads), fmt.Sprint(n.Writes), fmt.Sprint(n.Count()), seconds(n.ReadPause), seconds(n.WritePause), n.Kinds())
	}
	for i := range acts {
		row(acts[i].Event, &acts[i].Shop)
	}
	all := s.shopper.All()
	row("all the time", &all)
	p.flush()
	rows, err := s.db.QueryContext(ctx, "SELECT comment_content, COUNT(*) FROM wp_comments GROUP BY comment_content")
	if err != nil {
		return fmt.Errorf("count the comments: %w", err)
	}
	defer func() { _ = rows.Close() }()
	there := map[string]int{}
	for rows.Next() {
		var text string
		var n int
		if err := rows.Scan(&text, &n); err != nil {
			return fmt.Errorf("count the comments: %w", err)
		}
		there[text] = n
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("count the comments: %w", err)
	}
	v := s.shopper.Verify(there)
	p.line("")
	p.line("%d comments were taken, %d had their answer lost, %d are there.", v.Acknowledged, v.Unknown, v.Found)
	if len(v.Wrong) > 0 {
		return errors.New("the comments are not what the shopper was told: " + strings.Join(v.Wrong, "; "))
	}
	return nil
}
