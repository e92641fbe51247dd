package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine says where and with what was measured.
type machine struct {
	Time     string `json:"time"`
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB uint64 `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	System   string `json:"system"`
	Server   string `json:"server"`
	HAProxy  string `json:"haproxy"`
	Sysbench string `json:"sysbench"`
	Galley   string `json:"galley"`
	Go       string `json:"go"`
	Pin      string `json:"pin"`
	Rounds   int    `json:"rounds"`
	Seconds  int    `json:"seconds"`
	Load     string `json:"load_at_start"`
	Threads  string `json:"threads"`
	Web      string `json:"web,omitempty"` // The other web servers and php-fpm.
}

// describe asks everything for its version.
func (r *runner) describe(ctx context.Context, load string) (machine, error) {
	m := machine{
		Time: time.Now().UTC().Format(time.RFC3339), Cores: runtime.NumCPU(), Go: runtime.Version(), Pin: string(r.plan.pin),
		Rounds: r.plan.rounds, Seconds: r.plan.seconds, Load: load,
	}
	m.CPU, _ = procField("/proc/cpuinfo", "model name")
	if cores, err := procField("/proc/cpuinfo", "siblings"); err == nil && runtime.NumCPU() == 1 {
		m.CPU += " (" + cores + " in all)"
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m.MemoryMB = info.Totalram * uint64(info.Unit) >> 20
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return m, err
	}
	m.Kernel = unix.ByteSliceToString(uts.Release[:])
	m.System = system()
	m.Server = firstLine(ctx, "mariadbd", "--version")
	m.HAProxy = firstLine(ctx, r.site.haproxy, "-v")
	m.Sysbench = firstLine(ctx, r.site.sysbench, "--version")
	if r.plan.has(partWeb) {
		m.Web = fmt.Sprintf("nginx %s; Caddy %s; PHP %s", versionOnStderr(ctx, doorNginx, "-v"), firstLine(ctx, doorCaddy, "version"), firstLine(ctx, "php", "-r", "echo PHP_VERSION;"))
	}
	m.Galley = firstLine(ctx, r.plan.galley, "version")
	var counts []string
	for _, d := range r.site.doors {
		if d.proxy == nil {
			continue
		}
		n, err := threads(d.pid())
		if err != nil {
			return m, err
		}
		counts = append(counts, fmt.Sprintf("%s %d", d.name, n))
	}
	m.Threads = strings.Join(counts, "; ")
	return m, nil
}

func system() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	return ""
}

// loadAverage is how busy the machine was.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// firstLine is what a program says first of itself.
func firstLine(ctx context.Context, name string, args ...string) string {
	path, err := find(name)
	if err != nil {
		return "unknown"
	}
	out, err := exec.CommandContext(ctx, path, args...).Output() //nolint:gosec // asks for a version
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// versionOnStderr is the last word that a program says there.
func versionOnStderr(ctx context.Context, name string, args ...string) string {
	path, err := find(name)
	if err != nil {
		return "unknown"
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput() //nolint:gosec // asks for a version
	words := strings.Fields(string(out))
	if err != nil || len(words) == 0 {
		return "unknown"
	}
	return strings.TrimPrefix(words[len(words)-1], "nginx/")
}
