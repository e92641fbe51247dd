package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"galley/config"
)

const (
	// askLimit bounds a question to the running galley.
	askLimit = 5 * time.Second
	// maxAnswer bounds its answer.
	maxAnswer = 16 << 20
	// tokenVariable is where the token stands when no configuration is read.
	tokenVariable = "GALLEY_ADMIN_TOKEN"
)

// asker asks the galley that runs on this machine, by its admin door.
type asker struct {
	where  string
	token  string
	client http.Client
}

// askFlags adds what says which galley is meant: its configuration, or an address or a socket without one.
func askFlags(cmd *cobra.Command) func() (*asker, error) {
	address := cmd.Flags().String("address", "", "ask at this host:port instead of reading a configuration; the token, if needed, is taken from "+tokenVariable)
	socket := cmd.Flags().String("socket", "", "ask at this unix socket instead of reading a configuration")
	load := configFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("address", "socket")
	return func() (*asker, error) {
		if *address != "" || *socket != "" {
			return newAsker(*address, *socket, os.Getenv(tokenVariable)), nil
		}
		c, path, err := load()
		switch {
		case err != nil && path == "":
			return nil, fmt.Errorf("which galley? Give --address HOST:PORT or --socket PATH of one that runs, or its configuration: %w", err)
		case err != nil:
			return nil, err
		}
		return askerOf(c.Admin)
	}
}

// askerOf asks at the door of a configuration, over the unix socket if there is one.
func askerOf(c config.Admin) (*asker, error) {
	if c.Listen == "" && c.Socket == "" {
		return nil, errors.New("admin.listen and admin.socket are both empty: there is nobody to ask")
	}
	return newAsker(c.Listen, c.Socket, c.Token.Reveal()), nil
}

func newAsker(listen, socket, token string) *asker {
	network, addr := "tcp", reachable(listen)
	if socket != "" {
		network, addr, token = "unix", socket, "" // The socket's mode is the key.
	}
	a := &asker{where: addr, token: token}
	a.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	return a
}

// reachable turns a listen address into one to connect to.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// get asks for a path; the status is http's.
func (a *asker) get(ctx context.Context, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return a.send(ctx, http.MethodGet, path, nil)
}

// send sends a request, with a JSON body or without; the status is http's.
func (a *asker) send(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // Without the address of the request, which says nothing.
		}
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: no galley has its admin door there; see whether it runs, and its admin.listen and admin.socket", err)
		}
		return 0, nil, fmt.Errorf("asking galley at %s: %w", a.where, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("asking galley at %s: %w", a.where, err)
	}
	return resp.StatusCode, answer, nil
}

// refused makes an error of an answer that is not 200.
func (a *asker) refused(status int, body []byte) error {
	var told struct{ Error string }
	if json.Unmarshal(body, &told) == nil {
		body = []byte(told.Error)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if status == http.StatusUnauthorized {
		text = "it wants its admin.token: name its configuration by -c, or give the token in " + tokenVariable
	}
	return fmt.Errorf("galley at %s answers %d %s: %.300s", a.where, status, http.StatusText(status), printable(text))
}
