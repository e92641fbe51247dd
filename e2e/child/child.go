// Package child has what the suites of end-to-end tests share about the galley that they run as a child process: its binary, and whether it serves.
// It starts and ends no process; each suite does that in its own way.
//
// The one thing to know first: E2E_GALLEY names a binary that is there; without it one is built.
package child

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary is the path of galley: E2E_GALLEY, or one that is built in dir as make does.
func Binary(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv("E2E_GALLEY"); bin != "" {
		return filepath.Abs(bin)
	}
	bin := filepath.Join(dir, "galley")
	// The linker setting is the Makefile's: it keeps the runtime's sysmon from parking.
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "-ldflags", "-X=runtime.godebugDefault=schedtrace=2000000000", "galley/cmd/galley") //nolint:gosec // builds what is tested
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build galley: %w\n%s", err, out)
	}
	return bin, nil
}

// Answers asks a page of galley's admin door, like /readyz; it is no error where the answer is 200.
func Answers(ctx context.Context, admin, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+page, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", page, resp.Status)
	}
	return nil
}
