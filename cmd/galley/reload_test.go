package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"galley/config"
	"galley/proxy/admin"
	"galley/proxy/mysql/mysqltest"
)

// TestReloadTriesTheMonitorUser: one that no node lets in does not come into use.
func TestReloadTriesTheMonitorUser(t *testing.T) {
	n := mysqltest.NewNode(t, "n1", 1)
	n.Listen(t)
	n.AddUser("monitor", mysqltest.User{Password: "hush"})
	text := sections + "[" + n.Addr + "]\n"
	next := load(t, text)
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: &out})
	g, err := newGalley(next, "/etc/galley/galley.yaml", log, func() (*config.Config, error) { return next, nil })
	if err != nil {
		t.Fatal(err)
	}
	next = load(t, strings.Replace(text, "hush", "wrong", 1)+"log: {level: debug}\n")
	g.reconfigure()
	if said := out.String(); g.config().Cluster.Monitor.Password.Reveal() != "hush" || log.IsDebug() {
		t.Errorf("a wrong password came into use:\n%s", said)
	} else {
		for _, want := range []string{"not reloaded", "/etc/galley/galley.yaml", "cluster.monitor", n.Addr, "1045", "password_file"} {
			if !strings.Contains(said, want) {
				t.Errorf("the log does not say %q:\n%s", want, said)
			}
		}
		if all := g.reloads.problems(); len(all) != 1 || all[0].Severity != admin.SeverityWarning || !strings.Contains(all[0].Text, "1045") || strings.Contains(all[0].Text, "\n") {
			t.Errorf("the page says %+v", all)
		}
	}
	n.AddUser("monitor", mysqltest.User{Password: "wrong"})
	g.reconfigure()
	if g.config().Cluster.Monitor.Password.Reveal() != "wrong" {
		t.Errorf("a right password was refused:\n%s", out.String())
	}
	if all := g.reloads.problems(); len(all) > 0 {
		t.Errorf("the page says %+v", all)
	}
	next = load(t, strings.Replace(text, "hush", "wrong", 1)+"admin: {listen: 127.0.0.1:9999}\n")
	g.reconfigure()
	if all := g.reloads.problems(); len(all) != 1 || all[0].Severity != admin.SeverityNote || !strings.Contains(all[0].Text, "admin.listen") {
		t.Errorf("the page says %+v of a setting that needs a restart", all)
	}
}
