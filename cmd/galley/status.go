package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// shownEvents is how many of the latest events status prints.
const shownEvents = 8

// shownKeepers is how many of the sessions that have the connections others wait for status prints.
const shownKeepers = 10

// newStatus shows what the running galley says of itself.
func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running galley sees and does",
		Long: `status asks the galley that runs with this configuration, over admin.socket if it is set, else at admin.listen with admin.token, and prints
the nodes, the clients, problems and the latest events. --json prints the whole answer of /api/status.`,
		Example: `  galley status -c galley.yaml
  galley status --address 127.0.0.1:9306 --json | jq .nodes`,
		Args: cobra.NoArgs,
	}
	raw := cmd.Flags().Bool("json", false, "print JSON")
	ask := askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := ask()
		if err != nil {
			return err
		}
		if *raw {
			body, err := a.statusText(cmd.Context())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(append(body, '\n'))
			return err
		}
		s, err := a.status(cmd.Context())
		if err != nil {
			return err
		}
		s.print(newPrinter(cmd.OutOrStdout()))
		return nil
	}
	return cmd
}

// statusText asks for /api/status.
func (a *asker) statusText(ctx context.Context) ([]byte, error) {
	status, body, err := a.get(ctx, "/api/status")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, a.refused(status, body)
	}
	return body, nil
}

// status asks for /api/status and reads it.
func (a *asker) status(ctx context.Context) (*statusAnswer, error) {
	body, err := a.statusText(ctx)
	if err != nil {
		return nil, err
	}
	s := &statusAnswer{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("galley at %s answers what is no status: %w", a.where, err)
	}
	return s, nil
}

// statusAnswer is the part of /api/status that is printed.
type statusAnswer struct {
	Version  string  `json:"version"`
	Uptime   float64 `json:"uptime_seconds"`
	Ready    bool    `json:"ready"`
	NotReady string  `json:"not_ready"`
	Headline struct {
		Text   string `json:"text"`
		Detail string `json:"detail"`
	} `json:"headline"`
	Cluster struct {
		Name   string        `json:"name"`
		ConfID int64         `json:"conf_id"`
		Size   int           `json:"size"`
		Events []statusEvent `json:"events"`
	} `json:"cluster"`
	Nodes    []statusNode `json:"nodes"`
	MySQL    statusMySQL  `json:"mysql"`
	Web      *statusWeb   `json:"web"`
	WebOnly  bool         `json:"web_only"`
	Problems []struct {
		Severity string `json:"severity"`
		Text     string `json:"text"`
		Do       string `json:"do"`
	} `json:"problems"`
}

type statusEvent struct {
	At   time.Time `json:"at"`
	Node string    `json:"node"`
	Text string    `json:"text"`
}

type statusNode struct {
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	Addr             string  `json:"addr"`
	Role             string  `json:"role"`
	State            string  `json:"state"`
	Reason           string  `json:"reason"`
	ReasonText       string  `json:"reason_text"`
	RecvQueue        int64   `json:"recv_queue"`
	SendQueue        int64   `json:"send_queue"`
	Paused           float64 `json:"flow_control_paused"`
	ThreadsRunning   int64   `json:"threads_running"`
	ThreadsConnected int64   `json:"threads_connected"`
	MaxConnections   int64   `json:"max_connections"`
	Pool             struct {
		InUse   int64            `json:"in_use"`
		Idle    int64            `json:"idle"`
		Opening int64            `json:"opening"`
		Limit   int64            `json:"limit"`
		Waiting int64            `json:"waiting"`
		Longest float64          `json:"longest_wait_seconds"`
		Users   []statusUserPool `json:"users"`
	} `json:"pool"`
	QueriesPerSecond *float64 `json:"queries_per_second"`
}

type statusUserPool struct {
	User    string `json:"user"`
	InUse   int64  `json:"in_use"`
	Idle    int64  `json:"idle"`
	Waiting int64  `json:"waiting"`
	Limit   int64  `json:"limit"`
}

type statusSession struct {
	ID       uint64   `json:"id"`
	User     string   `json:"user"`
	Client   string   `json:"client_addr"`
	State    string   `json:"state"`
	StateAge float64  `json:"state_seconds"`
	Holds    []string `json:"holds"`
	Pins     []string `json:"pins"`
}

type statusMySQL struct {
	Listen  string `json:"listen"`
	Open    int64  `json:"sessions"`
	Active  int64  `json:"active_sessions"`
	Max     int64  `json:"max_sessions"`
	Waiting int64  `json:"waiting_sessions"`
	Queued  int64  `json:"waiting_for_connection"`
	Rates   struct {
		Queries *float64 `json:"queries_per_second"`
		Reads   *float64 `json:"reads_per_second"`
		Writes  *float64 `json:"writes_per_second"`
		Errors  *float64 `json:"errors_per_second"`
	} `json:"rates"`
	Latency struct {
		P50 *float64 `json:"p50_seconds"`
		P99 *float64 `json:"p99_seconds"`
	} `json:"latency"`
	Sessions []statusSession `json:"session_rows"`
}

// print writes the status for people.
func (s *statusAnswer) print(p *printer) {
	ready := "ready"
	if !s.Ready {
		ready = "not ready: " + s.NotReady
	}
	p.line("galley %s, up %s, %s", printable(s.Version), (time.Duration(s.Uptime) * time.Second).String(), printable(ready))
	p.line("%s", printable(s.Headline.Text))
	if s.Headline.Detail != "" {
		p.line("%s", printable(s.Headline.Detail))
	}
	if !s.WebOnly {
		s.printDatabase(p)
	}
	s.Web.print(p)
	s.printTrouble(p)
}

// printDatabase writes nodes and their clients.
func (s *statusAnswer) printDatabase(p *printer) {
	p.line("")
	p.row("NODE", "NAME", "ROLE", "STATE", "QUEUE", "PAUSED", "THREADS", "CONNS", "WAIT", "QUERIES/S", "REASON")
	for _, n := range s.Nodes {
		p.row(n.Addr, n.Name, n.Role, n.State, fmt.Sprintf("%d/%d", n.RecvQueue, n.SendQueue), fmt.Sprintf("%.1f%%", 100*n.Paused),
			fmt.Sprintf("%d/%d/%d", n.ThreadsRunning, n.ThreadsConnected, n.MaxConnections), n.conns(), n.wait(), figure(n.QueriesPerSecond), n.Reason)
	}
	p.flush()
	p.line("  (queue: received/to send; threads: running/connected/max_connections; conns: galley's own, in use/idle/limit; wait: sessions for one of them)")
	p.line("")
	m := &s.MySQL
	p.row("Clients:", fmt.Sprintf("%d of %d at %s, %d active, %d wait for a node, %d for a connection to one", m.Open, m.Max, m.Listen, m.Active, m.Waiting, m.Queued))
	p.row("Statements:", fmt.Sprintf("%s/s (%s reads, %s writes), %s errors/s", figure(m.Rates.Queries), figure(m.Rates.Reads), figure(m.Rates.Writes),
		figure(m.Rates.Errors)))
	p.row("Latency:", fmt.Sprintf("p50 %s, p99 %s", millis(m.Latency.P50), millis(m.Latency.P99)))
	p.row("Cluster:", fmt.Sprintf("%s, view %d of %d members", s.Cluster.Name, s.Cluster.ConfID, s.Cluster.Size))
	p.flush()
	s.printPools(p)
}

// conns writes the node's connections of galley's.
func (n *statusNode) conns() string {
	return fmt.Sprintf("%d/%d/%d", n.Pool.InUse, n.Pool.Idle, n.Pool.Limit)
}

// wait writes how many sessions wait for one, and how long.
func (n *statusNode) wait() string {
	if n.Pool.Waiting == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, %.1f s", n.Pool.Waiting, n.Pool.Longest)
}

// printPools writes who waits for connections and who keeps them, if anybody waits.
func (s *statusAnswer) printPools(p *printer) {
	if s.MySQL.Queued == 0 {
		return
	}
	p.line("")
	p.row("NODE", "USER", "IN USE", "IDLE", "LIMIT", "WAITING")
	for _, n := range s.Nodes {
		for _, u := range n.Pool.Users {
			limit := fmt.Sprintf("%d in all", n.Pool.Limit)
			if u.Limit > 0 {
				limit = fmt.Sprint(min(u.Limit, n.Pool.Limit))
			}
			p.row(n.Addr, u.User, fmt.Sprint(u.InUse), fmt.Sprint(u.Idle), limit, fmt.Sprint(u.Waiting))
		}
	}
	p.flush()
	waited := map[string]bool{}
	for _, n := range s.Nodes {
		waited[n.ID] = n.Pool.Waiting > 0
	}
	var keepers []statusSession
	for _, r := range s.MySQL.Sessions {
		if slices.ContainsFunc(r.Holds, func(id string) bool { return waited[id] }) {
			keepers = append(keepers, r)
		}
	}
	if len(keepers) == 0 {
		return
	}
	slices.SortStableFunc(keepers, func(a, b statusSession) int { return cmp.Compare(b.StateAge, a.StateAge) })
	p.line("")
	p.line("Sessions that have the connections, those first that do what they do for longest:")
	p.row("  ID", "USER", "CLIENT", "HOLDS", "STATE", "FOR", "PINNED BY")
	for _, r := range keepers[:min(len(keepers), shownKeepers)] {
		p.row("  "+fmt.Sprint(r.ID), r.User, r.Client, strings.Join(r.Holds, ", "), r.State, fmt.Sprintf("%.0f s", r.StateAge), strings.Join(r.Pins, ", "))
	}
	p.flush()
}

// printTrouble writes what is wrong and what has happened.
func (s *statusAnswer) printTrouble(p *printer) {
	var found []finding
	for _, problem := range s.Problems {
		found = append(found, finding{Text: problem.Severity + ": " + problem.Text, Do: problem.Do})
	}
	for _, n := range s.Nodes {
		if n.ReasonText != "" {
			found = append(found, finding{Text: "Node " + n.Addr + " is " + n.Role + ": " + strings.ReplaceAll(n.Reason, "_", " ") + ".", Do: n.ReasonText})
		}
	}
	p.findings("Problems", append(found, s.Web.findings()...))
	events := s.Cluster.Events
	if len(events) == 0 {
		return
	}
	p.line("")
	p.line("Latest events:")
	for _, e := range events[max(0, len(events)-shownEvents):] {
		p.row("  "+e.At.Local().Format("2006-01-02 15:04:05"), e.Node, e.Text)
	}
	p.flush()
}

// figure is a rate, or a dash before there is one.
func figure(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", *v)
}

func millis(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f ms", 1000**seconds)
}
