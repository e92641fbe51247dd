package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"galley/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plantedSecrets stand in the files of testdata; every message is checked for them.
var plantedSecrets = []string{"Gr3en", "Herring"}

// TestGolden holds the words for each mistake: testdata/NAME.yaml gives testdata/NAME.golden.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Load(config.Source{File: name + ".yaml", Data: data})
			if err == nil {
				t.Fatal("this file must have mistakes")
			}
			got := err.Error() + "\n"
			for _, secret := range plantedSecrets {
				if strings.Contains(got, secret) {
					t.Errorf("the message shows a secret:\n%s", got)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
