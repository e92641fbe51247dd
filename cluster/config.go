package cluster

import (
	"github.com/hashicorp/go-hclog"

	"galley/config"
)

// SettingsOf takes the settings from the configuration.
func SettingsOf(c config.Cluster) Settings {
	s := Settings{
		User: c.Monitor.User, Password: c.Monitor.Password.Reveal(),
		Interval: c.Interval, ProbeTimeout: c.ProbeTimeout,
		Discover: c.Discover, DiscoverNetworks: c.DiscoverNetworks,
		ReadsOnWriter: c.ReadsOnWriter, DegradedReads: c.Degraded == config.DegradedReadonly, AccountsInterval: c.AccountsInterval,
		InFlightWeight: c.WeightInFlight, ThreadsWeight: c.WeightRunning, QueueWeight: c.WeightQueue,
		Limits: Limits{QueueLow: c.QueueLow, QueueHigh: c.QueueHigh},
	}
	for _, n := range c.Nodes {
		s.Nodes = append(s.Nodes, ConfiguredNode{Addr: n.Address, Name: n.Name, Weight: n.Weight})
	}
	return s
}

// AccountsOf takes the accounts from the configuration.
func AccountsOf(users []config.User) []ConfiguredAccount {
	out := make([]ConfiguredAccount, 0, len(users))
	for _, u := range users {
		if !u.Imported {
			out = append(out, ConfiguredAccount{User: u.User, Host: u.Host, Password: u.Password.Reveal()})
		}
	}
	return out
}

// LeaseOptionsOf takes the lease's settings from the configuration.
func LeaseOptionsOf(c config.Cluster, log hclog.Logger, quiet func(n *Node, soft bool) bool) LeaseOptions {
	return LeaseOptions{Mode: c.Lease, Schema: c.LeaseSchema, Term: c.LeaseTerm, Logger: log, Quiet: quiet}
}
