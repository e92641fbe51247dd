package config

import (
	"fmt"
	"slices"
	"strings"
)

// diffSites compares sites one by one, setting by setting: they are the same where they have a host in common.
func diffSites(before, after []Site) []Change {
	var changes []Change
	kept := make([]bool, len(after))
	for i := range before {
		old := &before[i]
		path := "web.sites[" + strings.Join(old.Hosts, " ") + "]"
		now := slices.IndexFunc(after, func(s Site) bool {
			return slices.ContainsFunc(s.Hosts, func(host string) bool { return slices.Contains(old.Hosts, host) })
		})
		if now < 0 || kept[now] {
			changes = append(changes, Change{Path: path, Old: showSite(old)})
			continue
		}
		kept[now] = true
		changes = append(changes, diffSite(path, old, &after[now])...)
	}
	for i := range after {
		if !kept[i] {
			changes = append(changes, Change{Path: "web.sites[" + strings.Join(after[i].Hosts, " ") + "]", New: showSite(&after[i])})
		}
	}
	return changes
}

// diffSite compares what a file would say of a site. What is not said is empty.
func diffSite(path string, before, after *Site) []Change {
	var changes []Change
	was, is := siteValues(before), siteValues(after)
	for _, key := range siteKeys() {
		if was[key] != is[key] {
			changes = append(changes, Change{Path: path + "." + key, Old: was[key], New: is[key]})
		}
	}
	return changes
}

// siteValues are the settings of a site that are other than usual.
func siteValues(s *Site) map[string]string {
	values := map[string]string{}
	for _, item := range plainSiteOf(s) {
		text := fmt.Sprint(item.Value)
		if list, ok := item.Value.([]string); ok {
			text = strings.Join(list, " ")
		}
		values[fmt.Sprint(item.Key)] = text
	}
	return values
}

// showSite is a whole site in a line.
func showSite(s *Site) string {
	values := siteValues(s)
	var parts []string
	for _, key := range siteKeys() {
		if text, ok := values[key]; ok && key != "hosts" {
			parts = append(parts, key+" "+text)
		}
	}
	return strings.Join(parts, ", ")
}
