package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The parts of a run.
const (
	partSysbench = "sysbench"
	partLarge    = "large"
	partPHP      = "php"
	partSharing  = "sharing"
	partLevels   = "consistency"
	partCrowd    = "crowd"
	partIdle     = "idle"
	partWeb      = "web"
)

// plan is what to measure.
type plan struct {
	rounds     int
	seconds    int      // Of one sysbench run, the first of which is not counted.
	clients    []int    // For sysbench.
	tests      []string // Keys of scenarios.
	idle       int      // Idle connections.
	largeMB    int
	webClients []int
	parts      []string
	doors      []string // Of those that take turns, if not all.
	pin        pinning
	galley     string // The binary.
	other      string // Another galley binary to be measured beside it.
	markdown   string
	json       string
	pages      []string // Keys of what the web part measures.
	wordpress  string   // A directory with WordPress.
	hold       bool
	quick      bool
	galleyLog  string
}

// allParts are the parts in the order in which they are run.
func allParts() []string {
	return []string{partPHP, partSharing, partLevels, partCrowd, partSysbench, partLarge, partIdle, partWeb}
}

// idleBehindHAProxy is how many idle clients HAProxy gets: for each of them the nodes have a connection as well.
func (p *plan) idleBehindHAProxy() int { return max(1, p.idle/2) }

// onlyWeb says that nothing of the database side is measured: one node is enough then.
func (p *plan) onlyWeb() bool { return len(p.parts) == 1 && p.has(partWeb) }

func (p *plan) has(part string) bool { return slices.Contains(p.parts, part) }

// scenario is one of sysbench's tests.
type scenario struct {
	key    string // On the command line.
	name   string
	script string
	args   []string
	writes bool  // It goes where writes go.
	only   []int // Client numbers, if not all.
}

// targetClients is the number of clients at which the targets for point selects stand.
const targetClients = 64

const pointSelect = "point select"

func scenarios() []scenario {
	return []scenario{
		{key: "point", name: pointSelect, script: "oltp_point_select"},
		{key: "text", name: "point select, text", script: "oltp_point_select", args: []string{"--db-ps-mode=disable"}, only: []int{targetClients}},
		{key: "readonly", name: "read only", script: "oltp_read_only"},
		{key: "readwrite", name: "read-write", script: "oltp_read_write", writes: true},
	}
}

// parsePlan reads the command line.
func parsePlan(args []string, usage io.Writer) (plan, error) {
	var p plan
	var long bool
	var clients, tests, pages, parts, doors, pin string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(usage)
	fs.BoolVar(&p.quick, "quick", false, "1 round of 3 s, 64 clients only: less than 4 minutes, and 2 for the web")
	fs.BoolVar(&long, "long", false, "7 rounds of 11 s: about two hours")
	fs.IntVar(&p.rounds, "rounds", 0, "rounds (default 3)")
	fs.IntVar(&p.seconds, "seconds", 0, "length of a sysbench run, its first second not counted (default 5)")
	fs.StringVar(&clients, "clients", "", "clients of sysbench (default 1,8,64,256) and of the web (default 1,64,256)")
	fs.StringVar(&tests, "tests", "point,text,readonly,readwrite", "tests of sysbench")
	fs.StringVar(&pages, "pages", strings.Join(pageKeys(), ","), "what the web part measures")
	fs.IntVar(&p.idle, "idle", 10000, "idle connections whose cost is measured; through HAProxy half as many")
	fs.IntVar(&p.largeMB, "large", 0, "size of the large result in MB (default 200)")
	fs.StringVar(&parts, "parts", strings.Join(allParts(), ","), "what to measure")
	fs.StringVar(&doors, "doors", "", "doors that are measured where they take turns, separated by semicolons (default all)")
	fs.StringVar(&pin, "pin", string(pinOne), "CPUs: one (all on CPU 0), none, split (the proxy on CPU 0, all else on the others)")
	fs.StringVar(&p.galley, "galley", "", "the galley binary (required; bench.sh builds it)")
	fs.StringVar(&p.other, "other", "", "another galley binary, measured beside the first: before and after a change")
	fs.StringVar(&p.wordpress, "wordpress", "", "a directory with WordPress, for the part web (e2e/wordpress.sh makes one, and bench.sh gives it)")
	fs.StringVar(&p.markdown, "markdown", "", "file for the tables as Markdown")
	fs.StringVar(&p.json, "json", "", "file for all figures as JSON")
	fs.StringVar(&p.galleyLog, "galley-log", "", "file for galley's log (default: thrown away)")
	fs.BoolVar(&p.hold, "hold", false, "measure nothing: print the addresses and wait for Ctrl-C, to look at things by hand")
	if err := fs.Parse(args); err != nil {
		return plan{}, err
	}
	if fs.NArg() > 0 {
		return plan{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	web := clients
	p.size(long, &clients, &web)
	var err error
	if p.clients, err = numbers(clients); err != nil {
		return plan{}, fmt.Errorf("-clients: %w", err)
	}
	if p.webClients, err = numbers(web); err != nil {
		return plan{}, fmt.Errorf("-clients: %w", err)
	}
	if doors != "" {
		p.doors = strings.Split(doors, ";")
	}
	p.parts, p.tests, p.pages = strings.Split(parts, ","), strings.Split(tests, ","), strings.Split(pages, ",")
	p.pin = pinning(pin)
	return p, p.check()
}

// size fills in what the command line leaves to -quick, -long or neither.
func (p *plan) size(long bool, clients, web *string) {
	rounds, seconds, steps, webSteps, large := 3, 5, "1,8,64,256", "1,64,256", 200
	switch {
	case p.quick:
		rounds, seconds, steps, webSteps, large = 1, 3, "64", "64", 50
	case long:
		rounds, seconds = 7, 11
	}
	if p.rounds == 0 {
		p.rounds = rounds
	}
	if p.seconds == 0 {
		p.seconds = seconds
	}
	if p.largeMB == 0 {
		p.largeMB = large
	}
	if *clients == "" {
		*clients, *web = steps, webSteps
	}
}

func (p *plan) check() error {
	known := allParts()
	for _, part := range p.parts {
		if !slices.Contains(known, part) {
			return fmt.Errorf("-parts: %q is none of %s", part, strings.Join(known, ", "))
		}
	}
	for _, test := range p.tests {
		if !slices.ContainsFunc(scenarios(), func(sc scenario) bool { return sc.key == test }) {
			return fmt.Errorf("-tests: %q is none of point, text, readonly, readwrite", test)
		}
	}
	for _, page := range p.pages {
		if !slices.Contains(pageKeys(), page) {
			return fmt.Errorf("-pages: %q is none of %s", page, strings.Join(pageKeys(), ", "))
		}
	}
	for _, door := range p.doors {
		if known := []string{doorDirect, doorHAProxy, doorGalley, doorOther, doorOneNode, doorUnshared, doorFew, doorNginx, doorCaddy}; !slices.Contains(known, door) {
			return fmt.Errorf("-doors: %q is none of %s", door, strings.Join(known, "; "))
		}
	}
	switch {
	case p.galley == "":
		return errors.New("-galley: the path of the binary is missing (e2e/bench.sh gives it)")
	case p.has(partWeb) && p.wordpress == "":
		return errors.New("-wordpress: the directory with WordPress is missing (e2e/bench.sh gives it)")
	case p.rounds < 1 || p.idle < 1 || p.largeMB < 1:
		return errors.New("-rounds, -idle and -large must be at least 1")
	case p.seconds < 3:
		return errors.New("-seconds must be at least 3")
	}
	return p.pin.check()
}

func numbers(list string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of clients", word)
		}
		all = append(all, n)
	}
	return all, nil
}
