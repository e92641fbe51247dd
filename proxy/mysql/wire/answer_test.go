package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// frames puts payloads into packets with rising sequence numbers from 1.
func frames(payloads ...string) []byte {
	var b []byte
	for i, p := range payloads {
		b = append(b, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(i+1))
		b = append(b, p...)
	}
	return b
}

const (
	okPlain  = "\x00\x01\x00\x02\x00\x00\x00"
	okMore   = "\x00\x01\x00\x0a\x00\x00\x00"
	okEOF    = "\xfe\x00\x00\x22\x00\x00\x00"
	eof      = "\xfe\x00\x00\x02\x00"
	eofMore  = "\xfe\x00\x00\x0a\x00"
	eofCur   = "\xfe\x00\x00\x42\x00"
	errPlain = "\xff\x28\x04#42000bad"
	progress = "\xff\xff\xff\x01\x01\x02\x00\x00\x00\x05abcde"
	def      = "\x03def\x00\x00\x00\x01a\x00\x0c\x3f\x00\x01\x00\x00\x00\x08\x81\x00\x00\x00\x00"
)

type walkCase struct {
	name   string
	kind   AnswerKind
	caps   Capability
	answer []byte
	events string // Of the walk over the whole, without EventMore.
	status uint16
}

func walkCases() []walkCase {
	long := string(bytes.Repeat([]byte("x"), maxPayload))
	big := append(frames("\x01", def, eof), bigRow(long, "tail")...)
	big = append(big, frames(eof)...)
	exact := append(frames("\x01", def, eof), bigRow(long, "")...)
	exact = append(exact, frames(eof)...)
	return []walkCase{
		{"ok", AnswerQuery, 0, frames(okPlain), "S", 2},
		{"error", AnswerQuery, 0, frames(errPlain), "E", 0},
		{"two oks", AnswerQuery, 0, frames(okMore, okPlain), "SS", 2},
		{"rows", AnswerQuery, 0, frames("\x01", def, eof, "\x011", "\xfb", eof), "S", 2},
		{"rows without EOF", AnswerQuery, ClientDeprecateEOF, frames("\x01", def, "\x011", okEOF), "S", 0x22},
		{"result, then ok of a call", AnswerQuery, 0, frames("\x02", def, def, eof, "\x011\x012", eofMore, okPlain), "SS", 2},
		{"error among rows", AnswerQuery, 0, frames("\x01", def, eof, "\x011", errPlain), "E", 0},
		{"progress before rows", AnswerQuery, ClientProgress, frames(progress, progress, "\x01", def, eof, eof), "S", 2},
		{"cursor", AnswerCursor, 0, frames("\x01", def, eofCur), "S", 0x42},
		{"cursor that was not opened", AnswerCursor, 0, frames("\x01", def, eof, "\x011", eof), "S", 2},
		{"cursor inside a procedure", AnswerQuery, 0, frames("\x01", def, eofCur, "\x011", eofMore, okPlain), "SS", 2},
		{"cached metadata", AnswerQuery, ClientCacheMetadata | ClientDeprecateEOF, frames("\x01\x00", "\x011", okEOF), "S", 0x22},
		{"cached metadata with EOF", AnswerQuery, ClientCacheMetadata, frames("\x01\x00", eof, "\x011", eof), "S", 2},
		{"sent metadata", AnswerQuery, ClientCacheMetadata, frames("\x01\x01", def, eof, "\x011", eof), "S", 2},
		{"infile", AnswerQuery, 0, append(frames("\xfbname"), frames(okPlain)...), "FS", 2},
		{"fetch", AnswerRows, 0, frames("\x00\x00\x01", "\x00\x00\x02", eof), "S", 2},
		{"field list", AnswerRows, 0, frames(def, def, eof), "S", 2},
		{"prepare", AnswerPrepare, 0, frames("\x00\x07\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00", def, def, eof, def, eof), "HD", 0},
		{"prepare without EOF", AnswerPrepare, ClientDeprecateEOF, frames("\x00\x07\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00", def, def, def), "HD", 0},
		{"prepare of no result", AnswerPrepare, 0, frames("\x00\x07\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", def, eof), "HD", 0},
		{"prepare of nothing", AnswerPrepare, 0, frames("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "H", 0},
		{"prepare fails", AnswerPrepare, 0, frames(errPlain), "E", 0},
		{"statistics", AnswerSingle, 0, frames("Uptime: 1"), "D", 0},
		{"lone EOF", AnswerSingle, 0, frames(eof), "S", 2},
		{"row of 16 MiB and more", AnswerQuery, 0, big, "S", 2},
		{"row of 16 MiB exactly", AnswerQuery, 0, exact, "S", 2},
	}
}

func bigRow(first, second string) []byte { return frames(first, second) }

// walk feeds answer in pieces as step says and gives the events and how many bytes were walked.
func walk(t *testing.T, c *walkCase, step func(have int) int) (string, int) {
	t.Helper()
	var a Answer
	a.Start(c.kind, c.caps)
	var events []byte
	done, have := 0, 0
	for !a.Done {
		n, ev, err := a.Walk(c.answer[done:have])
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		done += n
		switch ev {
		case EventMore:
			if a.Done {
				break
			}
			if have == len(c.answer) {
				return string(events) + "?", done
			}
			have = min(have+step(have), len(c.answer))
		case EventStatus:
			events = append(events, 'S')
		case EventError:
			events = append(events, 'E')
		case EventInFile:
			events = append(events, 'F')
		case EventDone:
			events = append(events, 'D')
		case EventHead:
			events = append(events, 'H')
		}
	}
	if a.Status != c.status && c.status != 0 {
		t.Errorf("%s: status %#x, want %#x", c.name, a.Status, c.status)
	}
	return string(events), done
}

func TestWalk(t *testing.T) {
	for _, c := range walkCases() {
		for _, step := range []int{1 << 30, 1, 2, 3, 5, 7, 4096} {
			if step < 100 && len(c.answer) > 1<<20 {
				continue
			}
			got, n := walk(t, &c, func(int) int { return step })
			if got != c.events {
				t.Errorf("%s in steps of %d: events %q, want %q", c.name, step, got, c.events)
			}
			if n != len(c.answer) {
				t.Errorf("%s in steps of %d: walked %d of %d bytes", c.name, step, n, len(c.answer))
			}
		}
	}
}

func TestWalkRefusesNonsense(t *testing.T) {
	for name, answer := range map[string][]byte{
		"empty packet": {0, 0, 0, 1}, "zero columns": frames("\xfc\x00\x00"), "no EOF behind definitions": frames("\x01", def, "\x011"), "short OK": frames("\x00"),
	} {
		var a Answer
		a.Start(AnswerQuery, 0)
		if _, _, err := a.Walk(answer); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzWalk holds that the walk never panics, never passes more than it has, and finds the same however the bytes are split.
func FuzzWalk(f *testing.F) {
	for _, c := range walkCases() {
		if len(c.answer) < 4096 {
			f.Add(c.answer, byte(c.kind), uint64(c.caps), byte(3))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, kind byte, caps uint64, step byte) {
		whole := walkAll(answer, AnswerKind(kind%5), Capability(caps), len(answer))
		split := walkAll(answer, AnswerKind(kind%5), Capability(caps), int(step)+1)
		if whole != split {
			t.Fatalf("whole %s, in steps of %d %s", whole, int(step)+1, split)
		}
	})
}

func walkAll(answer []byte, kind AnswerKind, caps Capability, step int) string {
	var a Answer
	a.Start(kind, caps)
	var out bytes.Buffer
	done, have := 0, 0
	for !a.Done {
		n, ev, err := a.Walk(answer[done:have])
		if n > have-done {
			panic("walked beyond the window")
		}
		done += n
		if err != nil {
			fmt.Fprintf(&out, "error at %d", done)
			break
		}
		if ev != EventMore {
			fmt.Fprintf(&out, "%d@%d ", ev, done)
			continue
		}
		if a.Done || have == len(answer) {
			break
		}
		have = min(have+max(step, 1), len(answer))
	}
	fmt.Fprintf(&out, " status %d done %v", a.Status, a.Done)
	return out.String()
}

// BenchmarkWalkPoint walks over the answer of a point select: what is done for each query of the forward path.
func BenchmarkWalkPoint(b *testing.B) {
	answer := frames("\x01", def, "\x78"+string(bytes.Repeat([]byte("c"), 120)), okEOF)
	b.ReportAllocs()
	for b.Loop() {
		var a Answer
		a.Start(AnswerQuery, ClientDeprecateEOF)
		if n, ev, err := a.Walk(answer); n != len(answer) || ev != EventStatus || err != nil {
			b.Fatal(n, ev, err)
		}
	}
}

// TestUntoldStateChange: the EOF behind definitions says nothing of session state to a client that did not ask for it.
func TestUntoldStateChange(t *testing.T) {
	for _, untold := range []bool{false, true} {
		win := []byte("\x01\x00\x00\x01\x01" + "\x03\x00\x00\x02\x03de" + "\x05\x00\x00\x03\xfe\x00\x00\x03\x40" + "\x02\x00\x00\x04\x011" + "\x05\x00\x00\x05\xfe\x00\x00\x03\x00")
		var a Answer
		a.Start(AnswerQuery, 0)
		a.Untold = untold
		if _, ev, err := a.Walk(win); ev != EventStatus || err != nil {
			t.Fatal(ev, err)
		}
		if told := win[20]&0x40 != 0; told == untold {
			t.Errorf("untold %t: %q", untold, win[12:21])
		}
	}
}
