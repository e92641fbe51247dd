package main

import (
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"galley/config"
)

// newConfig tells of settings: all there are, an example, or those that hold.
func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the reference of all settings, an example, or the configuration that holds",
		Long: `config prints the reference of all settings in Markdown. --example prints a configuration file with every setting and its default.
--show reads the configuration as serve does (file, variables, flags) and prints all that holds, defaults included, with secrets masked.`,
		Example: `  galley config | less
  galley config --example > galley.yaml
  galley config --show -c galley.yaml`,
		Args: cobra.NoArgs,
	}
	example := cmd.Flags().Bool("example", false, "print a configuration file with every setting")
	show := cmd.Flags().Bool("show", false, "print the configuration that holds")
	load := configFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("example", "show")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := cmd.OutOrStdout()
		switch {
		case *example:
			_, err := io.WriteString(out, config.Example())
			return err
		case *show:
			c, _, err := load()
			if err != nil {
				return err
			}
			text, err := yaml.Marshal(c)
			if err != nil {
				return fmt.Errorf("printing the configuration: %w", err)
			}
			_, err = out.Write(text)
			return err
		}
		_, err := io.WriteString(out, config.Reference())
		return err
	}
	return cmd
}
