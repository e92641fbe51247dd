package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"galley/config"
)

// TestSettingsPage: docs/settings.md is what galley says.
func TestSettingsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != "# Settings\n\n"+config.Reference() {
		t.Error("docs/settings.md is not up to date: run make docs")
	}
}

// TestMetricsOfTheReadme: the README names every metric that there is, and no other.
func TestMetricsOfTheReadme(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, sections+"[127.0.0.1:1]\nadmin: {listen: 127.0.0.1:0}\n")
	g := startAdmin(t, c)
	status, body, err := newAsker(g.adminAddr(), "", "").get(t.Context(), "/metrics")
	if err != nil || status != 200 {
		t.Fatal(status, err)
	}
	// These have nothing to show before there was a probe, or another writer.
	have := []string{"galley_probe_duration_seconds", "galley_probe_errors_total", "galley_writer_changes_total"}
	for line := range strings.Lines(string(body)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "TYPE" && strings.HasPrefix(fields[2], "galley_") {
			have = append(have, fields[2])
		}
	}
	// And these need a node that has answered.
	for _, name := range []string{"recv_queue_length", "send_queue_length", "threads_running", "threads_connected", "max_connections", "last_committed", "load"} {
		have = append(have, "galley_node_"+name)
	}
	named := regexp.MustCompile("`(galley_[a-z_]+)`").FindAllStringSubmatch(string(page), -1)
	var said []string
	for _, n := range named {
		said = append(said, n[1])
		if !slices.Contains(have, n[1]) {
			t.Errorf("the README names %s, which there is not", n[1])
		}
	}
	for _, name := range have {
		if !slices.Contains(said, name) {
			t.Errorf("the README does not name %s", name)
		}
	}
}

// TestReadmeConfiguration: the configuration on the README's first screen is whole.
func TestReadmeConfiguration(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is none")
	}
	load(t, text)
}
