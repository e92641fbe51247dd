package mysql

import (
	"testing"
)

func TestParsec(t *testing.T) {
	// From MariaDB's documentation of PARSEC.
	const stored = "P0:lhXyNv1cIxpB8EnTxR7ON7S7:1l3rWRW1/jw45yrvYXB8eh02wzk7lcJcz4CMcWw2b+8"
	k, err := parseParsec(stored)
	if err != nil {
		t.Fatal(err)
	}
	challenge, own := make([]byte, parsecChallenge), make([]byte, parsecChallenge)
	own[0] = 1
	for password, want := range map[string]bool{"MyPassword123!": true, "MyPassword123": false} {
		answer, err := parsecAnswer(password, challenge, k.salt, own)
		if err != nil || k.verify(&proof{answer: answer, scramble: challenge}) != want {
			t.Errorf("%q: %v, want %v", password, err, want)
		}
		if want && k.verify(&proof{answer: answer, scramble: own}) {
			t.Error("good for another challenge")
		}
	}
	for _, bad := range []string{"", "P0", "P0::", "Q0:" + stored[3:], "P:" + stored[3:], stored + ":x", "P0:x:" + stored[28:]} {
		if _, err := parseParsec(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// FuzzParsec: an authentication string and an answer to it are taken or refused.
func FuzzParsec(f *testing.F) {
	f.Add("P0:lhXyNv1cIxpB8EnTxR7ON7S7:1l3rWRW1/jw45yrvYXB8eh02wzk7lcJcz4CMcWw2b+8", []byte("x"))
	f.Fuzz(func(t *testing.T, stored string, answer []byte) {
		k, err := parseParsec(stored)
		if err == nil && k.verify(&proof{answer: answer, scramble: make([]byte, parsecChallenge)}) {
			t.Errorf("%q is good for %q", answer, stored)
		}
	})
}
