package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuiltBinary holds what 'make build' promises: the sysmon setting is in the binary (the linker drops -X silently when the runtime's variable has
// another name in a new Go, and then galley needs twice the CPU), it is static, and it says its version without a word besides.
func TestBuiltBinary(t *testing.T) {
	bin := os.Getenv("E2E_GALLEY")
	if bin == "" {
		if testing.Short() {
			t.Skip("builds the binary")
		}
		if _, err := exec.LookPath("make"); err != nil {
			t.Skip("no make on this machine")
		}
		bin = filepath.Join(t.TempDir(), "galley")
		build := exec.CommandContext(t.Context(), "make", "-C", "../..", "build", "BIN="+bin)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("make build: %v\n%s", err, out)
		}
	}
	image, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(image, []byte("schedtrace=2000000000")) {
		t.Error("the sysmon setting is not in the binary: see LDFLAGS in the Makefile")
	}
	if bytes.Contains(image, []byte("/ld-linux")) {
		t.Error("the binary asks for a dynamic linker")
	}
	cmd := exec.CommandContext(t.Context(), bin, "version")
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out); !strings.HasPrefix(text, "galley ") || strings.Count(text, "\n") != 1 {
		t.Errorf("galley version prints %q", text)
	}
}
