package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func TestGreetingRoundTrip(t *testing.T) {
	for _, caps := range []Capability{Shared &^ ClientMySQL, (Shared | ClientMySQL) & 0xffffffff} {
		g := Greeting{Version: "5.5.5-10.11.19-MariaDB", ThreadID: 1<<31 + 7, Capability: caps, Charset: 45, Status: 2, Plugin: "mysql_native_password"}
		copy(g.Scramble[:], "abcdefghijklmnopqrst")
		got, err := ParseGreeting(g.Append(nil))
		if err != nil || !reflect.DeepEqual(got, g) {
			t.Errorf("got %+v, %v; want %+v", got, err, g)
		}
	}
}

func TestGreetingThatIsAnError(t *testing.T) {
	refused := NewError(1040, "Too many connections")
	if _, err := ParseGreeting(refused.Append(nil)); err == nil || err.Error() != refused.Error() {
		t.Errorf("got %v, want %v", err, refused)
	}
	// Before the capabilities are known the server sends no SQLSTATE.
	if _, err := ParseGreeting([]byte("\xff\x69\x04Host is blocked")); err == nil || err.Error() != "ERROR 1129 (HY000): Host is blocked" {
		t.Errorf("got %v", err)
	}
}

func TestLoginRoundTrip(t *testing.T) {
	l := Login{
		Capability: Shared &^ ClientMySQL, MaxPacket: 1 << 24, Charset: 45, User: "wp", Auth: []byte("12345678901234567890"),
		Schema: "wordpress", Plugin: "mysql_native_password", Attrs: []byte("\x04_pid\x0242"),
	}
	got, err := ParseLogin(l.Append(nil), Shared)
	l.Asked = l.Capability
	if err != nil || !reflect.DeepEqual(got, l) {
		t.Errorf("got %+v, %v; want %+v", got, err, l)
	}
	if _, err := ParseLogin(l.Append(nil)[:40], Shared); err == nil {
		t.Error("a login that is cut off was taken")
	}
}

func TestOKRoundTrip(t *testing.T) {
	state := []byte("\x00\x0f\x0aautocommit\x03OFF\x01\x03\x02db")
	for _, track := range []bool{false, true} {
		ok := OK{AffectedRows: 300, InsertID: 1 << 40, Status: 2, Warnings: 1, Info: []byte("Rows matched: 1")}
		if track {
			ok.State = state
			ok.Status |= StatusStateChanged
		}
		got, err := ParseOK(ok.Append(nil, 0, track), track)
		if err != nil || !reflect.DeepEqual(got, ok) {
			t.Errorf("got %+v, %v; want %+v", got, err, ok)
		}
	}
	trackers := NewTrackers(state)
	e, more := trackers.Next()
	if !more || e.Type != TrackVariable || string(e.Name) != "autocommit" || string(e.Value) != "OFF" {
		t.Errorf("first entry %+v", e)
	}
	e, more = trackers.Next()
	if !more || e.Type != TrackSchema || string(e.Value) != "db" || string(e.Raw) != "\x01\x03\x02db" {
		t.Errorf("second entry %+v", e)
	}
	if _, more = trackers.Next(); more || trackers.Bad() {
		t.Error("no end of entries")
	}
}

// FuzzParse holds that no parser of outside bytes panics or reads beyond them.
func FuzzParse(f *testing.F) {
	g := Greeting{Version: "10", Capability: Shared, Plugin: "p"}
	l := Login{Capability: Shared, User: "u", Auth: []byte("a"), Schema: "s", Plugin: "p", Attrs: []byte("\x01a\x01b")}
	f.Add(g.Append(nil), uint64(Shared))
	f.Add(l.Append(nil), uint64(Shared))
	f.Add([]byte("u\x00\x00s\x00\x2d\x00p\x00"), uint64(Shared))
	f.Add([]byte("\x00\x01\x00\x02\x40\x00\x00\x00\x11\x00\x0f\x0aautocommit\x03OFF"), uint64(0))
	f.Fuzz(func(_ *testing.T, p []byte, caps uint64) {
		_, _ = ParseGreeting(p)
		if l, err := ParseLogin(p, Capability(caps)); err == nil && l.Capability.Has(ClientProtocol41|ClientSecureConnection) {
			again, err := ParseLogin(l.Append(nil), Capability(caps))
			if err != nil || again.User != l.User || !bytes.Equal(again.Auth, l.Auth) && len(l.Auth) < 256 {
				panic("a login does not survive being written")
			}
		}
		_, _ = ParseChangeUser(p, Capability(caps))
		_, _ = ParseAuthSwitch(p)
		_ = ParseErr(p)
		if ok, err := ParseOK(p, caps&1 == 0); err == nil {
			t := NewTrackers(ok.State)
			for _, more := t.Next(); more; _, more = t.Next() {
			}
		}
	})
}
