package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"galley/proxy/admin"
)

// newSwitchWriter asks the running galley for another writer.
func newSwitchWriter() *cobra.Command {
	return newChange(&cobra.Command{
		Use:   "switch-writer [NODE]",
		Short: "Make another node the writer, without an error for any client",
		Long: `switch-writer has the galley that runs with this configuration make NODE (its address or its name) the writer, or the best node where none is named.
New transactions and writes are held for a moment, those that have begun end, the new writer applies all of it, and then everything goes on there.
When that does not come within mysql.switch_timeout, nothing is changed and the sessions that held it up are named; with --force their transactions
are run again on the new writer when they go on (mysql.transaction_replay) or, where that cannot be, end with a deadlock error (1213), which
applications answer by beginning them again.`,
		Example: `  galley switch-writer -c galley.yaml
  galley switch-writer n2 --address 127.0.0.1:9306`,
		Args: cobra.MaximumNArgs(1),
	}, true, nil)
}

// newDrain asks it to take a node out.
func newDrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain NODE|POOL/ADDRESS",
		Short: "Take a node or a php-fpm backend out, for a restart for example, without an error for any client",
		Long: `drain has the galley that runs with this configuration send nothing new to NODE (its address or its name). If it is the writer, another node
becomes the writer first, as by switch-writer. What runs on the node ends there, and idle connections are closed. The node stays out, also over its
restart, until galley undrain puts it back.
--wait returns when no session has a connection to the node any more; until then it says who has. Ending it by Ctrl-C leaves the node drained.

POOL/ADDRESS is a php-fpm backend of a pool in web.pools: it is given no new request, and those that it has end there; --wait returns when they have.
The last backend in use of a pool is drained with --force only. A backend stays out until galley undrain or a restart of galley.`,
		Example: `  galley drain n1 --wait && ssh n1 systemctl restart mariadb && galley undrain n1 --wait
  galley drain php/10.0.0.11:9000 --wait && ssh web1 systemctl restart php8.2-fpm && galley undrain php/10.0.0.11:9000 --wait`,
		Args: oneNode,
	}
	wait := cmd.Flags().Bool("wait", false, "return when nothing of galley's clients is there any more")
	return newChange(cmd, true, func(a *asker, node string) error {
		if !*wait {
			return nil
		}
		return await(cmd.Context(), a, cmd.OutOrStdout(), func(s *statusAnswer) string { return s.leftOn(node) })
	})
}

// oneNode wants the name of what is meant.
func oneNode(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one node or php-fpm backend: galley %s; galley status has their names", cmd.Use)
	}
	return nil
}

// newUndrain asks it to put a node back.
func newUndrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "undrain NODE|POOL/ADDRESS",
		Short: "Put a drained node or php-fpm backend back",
		Long: `undrain has the galley that runs with this configuration use NODE (its address or its name) again, as soon as it is synced, or the php-fpm backend
POOL/ADDRESS, as soon as it is seen alive.
--wait returns when it is used; until then it says why it is not.`,
		Example: `  galley undrain n1 --wait
  galley undrain php/unix:/run/php/c.sock`,
		Args: oneNode,
	}
	wait := cmd.Flags().Bool("wait", false, "return when it is used again")
	return newChange(cmd, false, func(a *asker, node string) error {
		if !*wait {
			return nil
		}
		return await(cmd.Context(), a, cmd.OutOrStdout(), func(s *statusAnswer) string { return s.unused(node) })
	})
}

// newChange makes cmd have the action of its name done by the running galley, and does what comes behind that.
func newChange(cmd *cobra.Command, forcible bool, then func(a *asker, node string) error) *cobra.Command {
	var force bool
	if forcible {
		cmd.Flags().BoolVar(&force, "force", false, "go on after mysql.switch_timeout: transactions are run again on the new writer, or end with a deadlock error; drain the last php-fpm backend of a pool")
	}
	ask := askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := ask()
		if err != nil {
			return err
		}
		params := map[string]string{}
		if len(args) > 0 {
			params["node"] = args[0]
		}
		if force {
			params["force"] = "true"
		}
		text, err := a.act(cmd.Context(), cmd.Name(), params)
		if err != nil {
			return err
		}
		if _, err = fmt.Fprintln(cmd.OutOrStdout(), printable(text)); err != nil || then == nil {
			return err
		}
		return then(a, params["node"])
	}
	return cmd
}

// act has the running galley do something, for as long as it takes; ending ctx calls it off.
func (a *asker) act(ctx context.Context, name string, params map[string]string) (result string, err error) {
	body, err := json.Marshal(params)
	if err != nil {
		return "", err
	}
	status, answer, err := a.send(ctx, http.MethodPost, "/api/actions/"+name, body)
	if err != nil {
		return "", err
	}
	var told struct{ Result, Error string }
	if err := json.Unmarshal(answer, &told); err != nil {
		return "", a.refused(status, answer)
	}
	switch status {
	case http.StatusOK:
		return told.Result, nil
	case http.StatusConflict:
		return "", errors.New(printable(told.Error))
	}
	return "", a.refused(status, []byte(told.Error))
}

// changeTick is how often it is looked whether what is waited for has come.
const changeTick = 300 * time.Millisecond

// await returns when missing, which says what is still waited for, has nothing to say. On out it tells of it whenever that is something else.
func await(ctx context.Context, a *asker, out io.Writer, missing func(*statusAnswer) string) error {
	ticker := time.NewTicker(changeTick)
	defer ticker.Stop()
	told := ""
	for {
		s, err := a.status(ctx)
		if err != nil {
			return err
		}
		left := missing(s)
		if left == "" {
			return nil
		}
		if left != told {
			told = left
			if _, err := fmt.Fprintln(out, printable(left)); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.New("no longer waited for; what was asked for is done all the same")
		}
	}
}

// node finds a node by its address or its name.
func (s *statusAnswer) node(key string) *statusNode {
	at := slices.IndexFunc(s.Nodes, func(n statusNode) bool { return n.ID == key || n.Addr == key || n.Name == key })
	if at < 0 {
		return nil
	}
	return &s.Nodes[at]
}

// unused tells why a node is not used.
func (s *statusAnswer) unused(key string) string {
	if isBackend(key) {
		return s.Web.unused(key)
	}
	n := s.node(key)
	switch {
	case n == nil:
		return "It is not in the cluster."
	case n.Role == admin.RoleOut:
		return "It is not used yet: " + strings.ReplaceAll(n.Reason, "_", " ") + "."
	}
	return ""
}

// leftOn tells what galley's clients still have on a node.
func (s *statusAnswer) leftOn(key string) string {
	if isBackend(key) {
		return s.Web.leftOn(key)
	}
	const most = 5 // Sessions that are named.
	n := s.node(key)
	if n == nil || n.Pool.InUse+n.Pool.Idle+n.Pool.Opening == 0 {
		return ""
	}
	var who []string
	for _, r := range s.MySQL.Sessions {
		if !slices.Contains(r.Holds, n.ID) {
			continue
		}
		doing := r.State
		if len(r.Pins) > 0 {
			doing += ", pinned by " + strings.Join(r.Pins, ", ")
		}
		who = append(who, fmt.Sprintf("session %d of %s at %s (%s)", r.ID, r.User, r.Client, doing))
	}
	if more := len(who) - most; more > 0 {
		who = append(who[:most], fmt.Sprintf("%d more", more))
	}
	text := fmt.Sprintf("%d of galley's connections are left there", n.Pool.InUse+n.Pool.Idle+n.Pool.Opening)
	if len(who) > 0 {
		text += ": " + strings.Join(who, "; ")
	}
	return text + "."
}
