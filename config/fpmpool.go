package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// FPMPool is a set of php-fpm backends that serve the same scripts.
type FPMPool struct {
	// Name is the operator's word for the pool; sites name it.
	Name string
	// Backends are its members; a name or SRV record may stand for several.
	Backends []FPMBackend
	// ScriptRoot is where the scripts are for php-fpm; empty where that is the same as for galley.
	ScriptRoot string
	// StatusPath is pm.status_path, empty for none.
	StatusPath string
	// StatusListen is :port of pm.status_listen on each backend's own host; empty for none. FPMBackend.StatusListen replaces it.
	StatusListen string
	// PingPath is ping.path, empty for none.
	PingPath string
	// QueueLength is the number of requests that may wait for a worker, QueueTime how long each may.
	QueueLength int
	QueueTime   time.Duration
	// ConnectTimeout bounds a dial.
	ConnectTimeout time.Duration
	// ReadTimeout is how long a script may send nothing.
	ReadTimeout time.Duration
	// SlowStart is the time in which a backend that restarted comes back to its whole share; 0 is at once.
	SlowStart time.Duration
	// CheckInterval is the time between two looks at a backend.
	CheckInterval time.Duration
	// ResolveInterval is the time between two look-ups of names.
	ResolveInterval time.Duration
}

// FPMBackend is a configured member of a pool.
type FPMBackend struct {
	// Address is host:port in normal form, unix: and an absolute path, or srv: and a name.
	Address string
	// Weight is its share of work relative to the other backends for each of its workers.
	Weight int
	// Limit is how many requests it is given at a time; 0 is no limit but its workers.
	Limit int
	// Workers is its pm.max_children; 0 where galley is to learn it.
	Workers int
	// StatusListen is the address of pm.status_listen, host:port, unix: and a path, or :port on the backend's own host; empty for the pool's.
	StatusListen string
}

// srvPrefix begins a backend that stands for the SRV records of a name.
const srvPrefix = "srv:"

// fpmPort is what php-fpm's own example listens on.
const fpmPort = "9000"

const fpmPoolExample = "Write {name: php, backends: [10.0.0.11:9000, 10.0.0.12:9000]}."

func fpmPoolKeys() []string {
	return []string{
		"name", "backends", "script_root", "status_path", "status_listen", "ping_path", "queue_length", "queue_time", "connect_timeout", "read_timeout",
		"slow_start", "check_interval", "resolve_interval",
	}
}

func fpmBackendKeys() []string {
	return []string{"address", "weight", "limit", "workers", "status_listen"}
}

// DefaultFPMPool is a pool of which only the name and the backends have to be given.
func DefaultFPMPool() FPMPool {
	return FPMPool{
		QueueLength: 1000, QueueTime: 10 * time.Second, ConnectTimeout: time.Second, ReadTimeout: time.Minute, SlowStart: 20 * time.Second,
		CheckInterval: time.Second, ResolveInterval: 5 * time.Second,
	}
}

func webPoolSettings() []Setting {
	return []Setting{{
		Path: "web.pools", Type: "list of {name, backends, …}",
		Doc: "Pools of php-fpm backends: " + strings.Join(fpmPoolKeys(), ", ") + ". A backend is host:port, unix:/path, srv:name, or {" +
			strings.Join(fpmBackendKeys(), ", ") + "}.",
		binding: fpmPoolsBinding(),
	}}
}

// fpmPoolsBinding prints pools as they are written in the file.
func fpmPoolsBinding() binding {
	at := func(c *Config) *[]FPMPool { return &c.Web.Pools }
	b := listOf(at, readFPMPool, showFPMPool)
	b.plain = func(c *Config) any {
		out := make([]any, 0, len(*at(c)))
		for i := range *at(c) {
			out = append(out, plainFPMPool(&(*at(c))[i]))
		}
		return out
	}
	return b
}

// readFPMPool reads one pool.
func readFPMPool(r *reader, in value, path string) (FPMPool, bool) {
	if in.kind == kindBroken {
		return FPMPool{}, false
	}
	if in.kind != kindMapping {
		r.fail(in.at, path, &mistake{what: "a pool must be a section, but this is " + in.kind.String(), remedy: fpmPoolExample})
		return FPMPool{}, false
	}
	o := object{reader: r, in: in, path: path, keys: fpmPoolKeys(), ok: true}
	p := DefaultFPMPool()
	if f, ok := o.scalar("name"); ok {
		if p.Name = parsed(&o, f, path+".name", parseNodeName); p.Name != "" {
			o.ok = r.once("web.pools name "+p.Name, f.at, path+".name", "another pool has this name already") && o.ok
		}
	} else if !o.has("name") {
		o.missing("name", fpmPoolExample)
	}
	p.Backends = readFPMBackends(&o)
	keyOf(&o, "script_root", &p.ScriptRoot, parseScriptRoot)
	keyOf(&o, "status_path", &p.StatusPath, parseURLPath)
	keyOf(&o, "status_listen", &p.StatusListen, parseStatusPort)
	keyOf(&o, "ping_path", &p.PingPath, parseURLPath)
	keyOf(&o, "queue_length", &p.QueueLength, upTo(maxLimit))
	keyOf(&o, "queue_time", &p.QueueTime, lasting(0, time.Hour))
	keyOf(&o, "connect_timeout", &p.ConnectTimeout, lasting(10*time.Millisecond, time.Minute))
	keyOf(&o, "read_timeout", &p.ReadTimeout, lasting(100*time.Millisecond, 24*time.Hour))
	keyOf(&o, "slow_start", &p.SlowStart, lasting(0, time.Hour))
	keyOf(&o, "check_interval", &p.CheckInterval, lasting(50*time.Millisecond, time.Minute))
	keyOf(&o, "resolve_interval", &p.ResolveInterval, lasting(100*time.Millisecond, time.Hour))
	if p.StatusListen != "" && p.StatusPath == "" && o.ok {
		o.missing("status_path", "Write the pm.status_path that php-fpm answers on status_listen.")
	}
	return p, o.finish()
}

// readFPMBackends reads the members of a pool.
func readFPMBackends(o *object) []FPMBackend {
	f, given := o.in.field("backends")
	at := o.path + ".backends"
	switch {
	case !given:
		o.missing("backends", fpmPoolExample)
		return nil
	case f.value.kind == kindBroken:
		o.ok = false
		return nil
	case f.value.kind != kindList:
		o.fail(f.value.at, at, &mistake{what: "this must be a list, but it is " + f.value.kind.String(), remedy: "Write [10.0.0.11:9000, 10.0.0.12:9000]."})
		return nil
	case len(f.value.items) == 0:
		o.fail(f.value.at, at, &mistake{what: "a pool needs at least one backend", remedy: fpmPoolExample})
		return nil
	}
	var backends []FPMBackend
	for i, item := range f.value.items {
		b, ok := readFPMBackend(o.reader, item, itemPath(at, i))
		if ok {
			ok = o.reader.once("web.pools backend "+o.path+" "+b.Address, item.at, itemPath(at, i), "this backend is listed twice")
		}
		if o.ok = o.ok && ok; ok {
			backends = append(backends, b)
		}
	}
	return backends
}

// readFPMBackend reads an address, or a section with it.
func readFPMBackend(r *reader, in value, path string) (FPMBackend, bool) {
	b := FPMBackend{Weight: 1}
	switch in.kind {
	case kindScalar:
		address, m := parseFPMAddress(in.text)
		if m != nil {
			r.failItem(in.at, path, m)
		}
		b.Address = address
		return b, m == nil
	case kindBroken:
		return b, false
	case kindNull, kindList:
		r.fail(in.at, path, &mistake{what: "a backend must be an address or a section, but this is " + in.kind.String(), remedy: fpmRemedy})
		return b, false
	case kindMapping:
	}
	o := object{reader: r, in: in, path: path, keys: fpmBackendKeys(), ok: true}
	if !keyOf(&o, "address", &b.Address, parseFPMAddress) && !o.has("address") {
		o.missing("address", "Write {address: 10.0.0.11:9000}.")
	}
	keyOf(&o, "weight", &b.Weight, upTo(maxWeight))
	keyOf(&o, "limit", &b.Limit, upTo(maxLimit))
	keyOf(&o, "workers", &b.Workers, upTo(maxLimit))
	keyOf(&o, "status_listen", &b.StatusListen, parseStatusListen)
	return b, o.finish()
}

// keyOf reads one optional key of an object into a field.
func keyOf[T any](o *object, key string, into *T, parse func(string) (T, *mistake)) bool {
	f, ok := o.scalar(key)
	if ok {
		*into = parsed(o, f, o.path+"."+key, parse)
	}
	return ok
}

func upTo(most int) func(string) (int, *mistake) {
	return func(text string) (int, *mistake) { return parseNumber(text, 0, most) }
}

func lasting(least, most time.Duration) func(string) (time.Duration, *mistake) {
	return func(text string) (time.Duration, *mistake) { return parseDuration(text, least, most) }
}

const fpmRemedy = "Write host:port, for example 10.0.0.11:9000, or unix:/run/php/php-fpm.sock, or srv:_php._tcp.example.com."

// parseFPMAddress returns the address of a backend in normal form.
func parseFPMAddress(text string) (string, *mistake) {
	if strings.HasPrefix(text, unixPrefix) || strings.HasPrefix(text, "/") {
		p, m := parseSocket(text)
		return unixPrefix + p, m
	}
	if name, ok := strings.CutPrefix(text, srvPrefix); ok {
		host, why := hostName(name)
		if why == "" && (host == "" || strings.Trim(host, "0123456789.") == "") {
			why = "there is no name"
		}
		if why != "" {
			return "", notAddress(text, why, "Write srv:_php._tcp.example.com.")
		}
		return srvPrefix + host, nil
	}
	host, port, m := splitAddress(text, fpmRemedy)
	if m != nil {
		return "", m
	}
	if host == "" {
		return "", notAddress(text, "it has no host", fpmRemedy)
	}
	if port == "" {
		port = fpmPort
	}
	if port, m = checkPort(text, port, 1, fpmRemedy); m != nil {
		return "", m
	}
	return net.JoinHostPort(host, port), nil
}

// parseStatusPort reads :port.
func parseStatusPort(text string) (string, *mistake) {
	const remedy = "Write the port with a colon, as \":9001\": it is on each backend's own host. Other addresses go to single backends."
	port, ok := strings.CutPrefix(text, ":")
	if !ok {
		return "", notAddress(text, "it is not a port", remedy)
	}
	port, m := checkPort(text, port, 1, remedy)
	return ":" + port, m
}

// parseStatusListen reads an address or :port.
func parseStatusListen(text string) (string, *mistake) {
	switch {
	case strings.HasPrefix(text, ":"):
		return parseStatusPort(text)
	case strings.HasPrefix(text, srvPrefix):
		return "", notAddress(text, "it is an SRV record", "Write host:port or \":port\".")
	}
	return parseFPMAddress(text)
}

// parseURLPath reads a path as php-fpm compares it: exactly.
func parseURLPath(text string) (string, *mistake) {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " ?#%\\") {
		return "", &mistake{echo: text, what: "{} is not a path", remedy: "Write it as in php-fpm's own configuration, for example /fpm-status."}
	}
	return printableText(text)
}

func parseScriptRoot(text string) (string, *mistake) {
	if !strings.HasPrefix(text, "/") || path.Clean(text) != strings.TrimSuffix(text, "/") && text != "/" {
		return "", &mistake{echo: text, what: "{} is not an absolute path", remedy: "Write the whole path, for example /var/www/html."}
	}
	text, m := printableText(path.Clean(text))
	return text, m
}

// IsName says whether a backend stands for what a name resolves to.
func (b FPMBackend) IsName() bool {
	if strings.HasPrefix(b.Address, unixPrefix) {
		return false
	}
	host, _, err := net.SplitHostPort(b.Address)
	if err != nil {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}

func showFPMBackend(b FPMBackend) string {
	var more []string
	if b.Weight != 1 {
		more = append(more, "weight "+strconv.Itoa(b.Weight))
	}
	if b.Limit != 0 {
		more = append(more, "limit "+strconv.Itoa(b.Limit))
	}
	if b.Workers != 0 {
		more = append(more, "workers "+strconv.Itoa(b.Workers))
	}
	if b.StatusListen != "" {
		more = append(more, "status_listen "+b.StatusListen)
	}
	if len(more) == 0 {
		return b.Address
	}
	return b.Address + " (" + strings.Join(more, ", ") + ")"
}

func showFPMPool(p FPMPool) string {
	words := make([]string, 0, len(p.Backends))
	for _, b := range p.Backends {
		words = append(words, showFPMBackend(b))
	}
	for _, item := range plainFPMPool(&p)[2:] {
		words = append(words, fmt.Sprint(item.Key, " ", item.Value))
	}
	return p.Name + " (" + strings.Join(words, ", ") + ")"
}

// plainFPMPool is a pool with what differs from the defaults.
func plainFPMPool(p *FPMPool) yaml.MapSlice {
	backends := make([]any, 0, len(p.Backends))
	for _, b := range p.Backends {
		backends = append(backends, plainFPMBackend(b))
	}
	out := yaml.MapSlice{{Key: "name", Value: p.Name}, {Key: "backends", Value: backends}}
	add := func(key string, value, usual any) {
		if value != usual {
			out = append(out, yaml.MapItem{Key: key, Value: value})
		}
	}
	usual := DefaultFPMPool()
	add("script_root", p.ScriptRoot, "")
	add("status_path", p.StatusPath, "")
	add("status_listen", p.StatusListen, "")
	add("ping_path", p.PingPath, "")
	add("queue_length", p.QueueLength, usual.QueueLength)
	for _, d := range []struct {
		key          string
		value, usual time.Duration
	}{
		{"queue_time", p.QueueTime, usual.QueueTime},
		{"connect_timeout", p.ConnectTimeout, usual.ConnectTimeout},
		{"read_timeout", p.ReadTimeout, usual.ReadTimeout},
		{"slow_start", p.SlowStart, usual.SlowStart},
		{"check_interval", p.CheckInterval, usual.CheckInterval},
		{"resolve_interval", p.ResolveInterval, usual.ResolveInterval},
	} {
		add(d.key, showDuration(d.value), showDuration(d.usual))
	}
	return out
}

func plainFPMBackend(b FPMBackend) any {
	if b == (FPMBackend{Address: b.Address, Weight: 1}) {
		return b.Address
	}
	out := yaml.MapSlice{{Key: "address", Value: b.Address}, {Key: "weight", Value: b.Weight}}
	if b.Limit != 0 {
		out = append(out, yaml.MapItem{Key: "limit", Value: b.Limit})
	}
	if b.Workers != 0 {
		out = append(out, yaml.MapItem{Key: "workers", Value: b.Workers})
	}
	if b.StatusListen != "" {
		out = append(out, yaml.MapItem{Key: "status_listen", Value: b.StatusListen})
	}
	return out
}
