package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// newHealth is what a container asks: is the galley that runs with this configuration ready?
func newHealth() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running galley whether it is ready (for HEALTHCHECK); exits non-zero if it is not",
		Long: `health asks /readyz of the galley that runs with this configuration, over admin.socket if it is set, else at admin.listen.
It prints nothing and exits with 0 when galley serves reads and writes; otherwise it says why not and exits with 1.`,
		Example: `  galley health -c galley.yaml
  galley health --address 127.0.0.1:9306`,
		Args: cobra.NoArgs,
	}
	ask := askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := ask()
		if err != nil {
			return err
		}
		status, body, err := a.get(cmd.Context(), "/readyz")
		switch {
		case err != nil:
			return err
		case status == http.StatusServiceUnavailable:
			return errors.New(printable(strings.TrimSpace(string(body))))
		case status != http.StatusOK:
			return a.refused(status, body)
		}
		return nil
	}
	return cmd
}
