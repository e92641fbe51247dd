package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

// maxSocketPath leaves room for the temporary name beside the socket: sun_path holds 108 bytes (unix(7)).
const maxSocketPath = 88

// shortToken is where a token earns a warning: less can be guessed in spite of the limit on guesses.
const shortToken = 16

// Options says what a Server shows, where it listens and who may use it.
type Options struct {
	Listen       string   // host:port; empty for no TCP listener
	Token        string   // needed when Listen is not loopback, and for every change over TCP
	Socket       string   // path of a unix socket for changes without a token; empty for none
	AllowedHosts []string // names by which browsers may address the TCP listener, besides loopback and Listen
	Logger       hclog.Logger
	Gatherer     prometheus.Gatherer
	Source       Source
	Actions      []Action
}

// Action is something that an authorised caller can have done: POST /api/actions/{Name}. Label and Confirm are for
// whoever draws a button. Run's text goes to the caller, as does its error.
type Action struct {
	Name    string
	Label   string
	Confirm string
	// OnNode says which nodes have a button; the node's ID is then the parameter node. Nil where none has.
	OnNode func(n *NodeRow) bool
	// OnBackend says which php-fpm backends have a button, and what it asks before; POOL/ADDRESS is then the parameter node. Nil where none has.
	OnBackend func(p *WebPool, b *WebBackend) (confirm string, ok bool)
	Run       func(ctx context.Context, params map[string]string) (string, error)
}

func (o Options) check() error {
	switch {
	case o.Source == nil:
		return errors.New("admin: no source")
	case o.Gatherer == nil:
		return errors.New("admin: no gatherer for metrics")
	case o.Logger == nil:
		return errors.New("admin: no logger")
	case o.Listen == "" && o.Socket == "":
		return errors.New("admin: neither listen nor socket is set")
	case len(o.Socket) > maxSocketPath:
		return fmt.Errorf("admin: socket path is %d bytes long, at most %d fit", len(o.Socket), maxSocketPath)
	}
	if o.Listen != "" {
		host, _, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return fmt.Errorf("admin: listen %q: %w", o.Listen, err)
		}
		if o.Token == "" && !loopbackHost(host) {
			return fmt.Errorf("admin: listen %q is reachable from other machines: set admin.token, or listen on 127.0.0.1", o.Listen)
		}
	}
	return checkActions(o.Actions)
}

func checkActions(actions []Action) error {
	valid := regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	seen := make(map[string]bool, len(actions))
	for _, a := range actions {
		if !valid.MatchString(a.Name) || a.Run == nil || seen[a.Name] {
			return fmt.Errorf("admin: action %q: its name is not lower-case words with dashes, is taken, or it has nothing to run", a.Name)
		}
		seen[a.Name] = true
	}
	return nil
}

// loopbackHost tells whether a host can only mean this machine: localhost by name (RFC 6761 section 6.3) or a loopback
// address. An empty host listens everywhere and is not loopback; other names are not looked up.
func loopbackHost(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
