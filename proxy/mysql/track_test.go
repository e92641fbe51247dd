package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"galley/proxy/mysql/mysqltest"
	"galley/proxy/mysql/wire"
)

// capabilityCases are the styles of answers that clients ask for.
func capabilityCases() map[string]wire.Capability {
	return map[string]wire.Capability{
		"plain":          mysqltest.PlainCaps,
		"deprecate EOF":  mysqltest.PlainCaps | wire.ClientDeprecateEOF,
		"tracking":       mysqltest.PlainCaps | wire.ClientSessionTrack,
		"both":           mysqltest.TrackingCaps,
		"MariaDB's own":  mysqltest.TrackingCaps&^wire.ClientMySQL | wire.ClientBulk | wire.ClientExtendedMetadata | wire.ClientProgress,
		"cache metadata": mysqltest.TrackingCaps&^wire.ClientMySQL | wire.ClientCacheMetadata,
	}
}

// TestAnswersInEveryStyle: the strict client of the tests reads whatever galley forwards, and finds session state only where it asked for it.
func TestAnswersInEveryStyle(t *testing.T) {
	for name, caps := range capabilityCases() {
		if caps.Has(wire.ClientCacheMetadata) {
			continue // The bare client does not know it.
		}
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
			track := caps.Has(wire.ClientSessionTrack)
			r := c.result("SET time_zone='+04:00', sql_mode='ANSI_QUOTES'")
			if got := len(r.Last().OK.State) > 0; got != track {
				t.Errorf("SET is answered with state %q", r.Last().OK.State)
			}
			if got := r.Last().OK.Status&wire.StatusStateChanged != 0; got != track {
				t.Errorf("SET is answered with status %x", r.Last().OK.Status)
			}
			if r := c.result("SELECT 1"); r.Value() != "n2" || r.Last().IsEOF == caps.Has(wire.ClientDeprecateEOF) {
				t.Errorf("a result set: %+v", r)
			}
			if r := c.result("SELECT 1; INSERT INTO t VALUES (1); SELECT 2"); len(r.Sets) != 3 || r.Sets[2].Columns != 1 {
				t.Errorf("three results: %+v", r)
			}
			r = c.result("UPDATE t SET a = 1")
			if ok := r.Last().OK; ok.AffectedRows != 1 || string(ok.Info) != "Rows matched: 1" {
				t.Errorf("an UPDATE: %+v", ok)
			}
			c.fails("nonsense that fails", 1064)
		})
	}
}

func TestTrackersAreFiltered(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: mysqltest.TrackingCaps})
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{"SET sql_mode='ANSI_QUOTES'", nil}, // Not among the server's defaults.
		{"SET time_zone='+01:00'", []string{"0:time_zone=+01:00"}},
		{"SET NAMES latin1", []string{"0:character_set_client=latin1", "0:character_set_results=latin1", "0:character_set_connection=latin1"}},
		{"USE other", []string{"1:other"}},
		{"SET @a=1", nil},
		{"BEGIN", nil},
		{"COMMIT", nil},
		{"SET session_track_state_change=ON", nil},
		{"SET @a=2", []string{"2:1"}},
		{"SET session_track_transaction_info='STATE'", nil},
		{"BEGIN", []string{"5:T_______"}},
		{"COMMIT", []string{"5:________"}},
		{"SET session_track_transaction_info='CHARACTERISTICS'", nil},
		{"BEGIN", []string{"4:START TRANSACTION;", "5:T_______"}},
		{"COMMIT", []string{"4:", "5:________"}},
		{"SET session_track_schema=OFF", nil},
		{"USE third", nil},
		{"SET session_track_system_variables='sql_mode'", nil},
		{"SET time_zone='+02:00'", []string{"2:1"}},
		{"SET sql_mode=''", []string{"0:sql_mode=", "2:1"}},
		{"SET session_track_system_variables='*'", []string{"0:session_track_system_variables=*", "2:1"}},
		{"SET wait_timeout=9", []string{"0:wait_timeout=9", "2:1"}},
		{"SELECT 1", nil},
	} {
		got := c.result(step.sql).Trackers()
		if step.want == nil && strings.Contains(step.sql, "session_track") {
			continue // Whether the change of the tracking itself is told is the server's affair.
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: told %q, want %q", step.sql, got, step.want)
		}
	}
}

// TestTrackingGoesOnWhenTheClientTurnsItOff: galley still sees what changes.
func TestTrackingGoesOnWhenTheClientTurnsItOff(t *testing.T) {
	d := newDoor(t, 2)
	c := d.client()
	c.query("SELECT 1")
	c.result("SET session_track_system_variables=''")
	c.result("SET sql_mode='ANSI_QUOTES'")
	c.query("SELECT 2")
	if got := stateAt(d.n[1], "SELECT 2"); got != "|sql_mode=ANSI_QUOTES" {
		t.Errorf("the reader had %q", got)
	}
}

// setting answers a SELECT inside which a variable changes.
func setting(name, value string) mysqltest.Reply {
	return func(c *mysqltest.Conn, _ *mysqltest.Command) error {
		c.Set(name, value)
		c.Rows([]string{"a"}, []string{"x"})
		return nil
	}
}

// TestChangeInsideAFunction: with DEPRECATE_EOF the end of the rows names what changed; without it a bit says that something did, and the session stays on the writer.
func TestChangeInsideAFunction(t *testing.T) {
	for name, caps := range capabilityCases() {
		if caps.Has(wire.ClientCacheMetadata) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, 2)
			c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
			c.query("SELECT 1")
			d.n[0].On("SELECT f()", setting("sql_mode", "ANSI_QUOTES"))
			r := c.result("SELECT f()")
			if changed := r.Last().OK.Status&wire.StatusStateChanged != 0; changed && (!caps.Has(wire.ClientSessionTrack) || caps.Has(wire.ClientDeprecateEOF)) {
				t.Errorf("the client is told of a change: %+v", r.Last())
			}
			got := c.query("SELECT 2")
			if caps.Has(wire.ClientDeprecateEOF) {
				if at := stateAt(d.n[1], "SELECT 2"); at != "|sql_mode=ANSI_QUOTES" {
					t.Errorf("SELECT 2 on %s, where the reader has %q", got, at)
				}
			} else if got != "n1" {
				t.Errorf("SELECT 2 on %s, though nobody knows what has changed", got)
			}
		})
	}
}

// TestLongTrackers: an OK packet of more than 250 bytes of state, and of 64 KB, is rewritten right.
func TestLongTrackers(t *testing.T) {
	for _, n := range []int{200, 250, 251, 300, 65535, 65536, 70000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			d := newDoor(t, 2)
			value := strings.Repeat("v", n)
			for name, caps := range map[string]wire.Capability{"plain": mysqltest.PlainCaps, "tracking": mysqltest.TrackingCaps} {
				c := d.client(mysqltest.Login{User: "app", Password: "secret", Caps: caps})
				r := c.result("SET time_zone='" + value + "', sql_mode='" + value + "'")
				want := []string(nil)
				if name == "tracking" {
					want = []string{"0:time_zone=" + value}
				}
				if !slices.Equal(r.Trackers(), want) {
					t.Errorf("%s: %d trackers", name, len(r.Trackers()))
				}
				if got := c.query("SELECT 1"); got != "n2" {
					t.Errorf("then %q", got)
				}
				if at := stateAt(d.n[1], "SELECT 1"); at != sorted("|time_zone="+value+" sql_mode="+value) {
					t.Errorf("the reader has %d bytes of state", len(at))
				}
			}
		})
	}
}
