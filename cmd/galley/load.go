package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"galley/config"
)

// configFlags adds -c and the flags of all settings to a command, and gives what reads the configuration that they name, now or again.
func configFlags(cmd *cobra.Command) func() (*config.Config, string, error) {
	cmd.Flags().SortFlags = false // A command's own ones first, then the settings in the order of the reference.
	file := cmd.Flags().StringP("config", "c", "", "the configuration file (or "+config.FileVariable+")")
	config.RegisterFlags(cmd.Flags())
	return func() (*config.Config, string, error) {
		path := *file
		if path == "" {
			path = os.Getenv(config.FileVariable)
		}
		c, err := config.Load(config.Source{File: path, Env: os.Environ(), Flags: cmd.Flags()})
		if err != nil && path == "" {
			err = fmt.Errorf("no configuration file is named (-c FILE, or %s), and variables and flags alone do not do:\n%w", config.FileVariable, err)
		}
		return c, path, err
	}
}

// warn logs what a configuration has that is not wrong but should be seen.
func warn(log hclog.Logger, c *config.Config) {
	for _, w := range c.Warnings() {
		log.Warn("configuration", "finding", w.String())
	}
}
