package web

import (
	"testing"
	"time"

	"galley/config"
)

func TestSnapshot(t *testing.T) {
	b := serve(t, nil)
	for _, what := range []string{"GET /", "GET /pic.png", "GET /style.css", "GET /.env", "GET /sub"} {
		b.get(t, what, "example.com")
	}
	b.get(t, "GET /", "a..b")
	// What is counted is so when the answer has ended, a moment after the client has it.
	var s Snapshot
	for end := time.Now().Add(10 * time.Second); ; {
		s = b.Snapshot()
		if s.Unknown == 1 && s.Sites[0].Classes == [6]int64{0, 0, 3, 1, 1, 0} {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
		<-time.After(time.Millisecond)
	}
	site := s.Sites[0]
	if site.Name != "example.com" || site.Pool != "php" || !site.WordPress || site.Running != 0 || site.Bytes == 0 || len(s.Sites) != 2 || s.MaxConnections == 0 {
		t.Errorf("%+v", s)
	}
	if files, scripts := site.Files, site.Scripts; files[len(files)-1].Count != 4 || scripts[len(scripts)-1].Count != 1 || files[len(files)-1].Bound != 0 {
		t.Errorf("files %v, scripts %v", files, scripts)
	}
	// A reload goes on counting.
	c := b.settings().conf
	c.Sites = append([]config.Site{}, c.Sites...)
	c.Sites[0].MaxAge = time.Hour
	if err := b.SetConfig(c); err != nil {
		t.Fatal(err)
	}
	if after := b.Snapshot().Sites[0]; after.Classes != site.Classes {
		t.Errorf("after a reload: %v", after.Classes)
	}
}

func TestTimes(t *testing.T) {
	var c times
	for _, seconds := range []float64{0, 0.0005, 0.0006, 0.3, 60, 61} {
		c.add(seconds)
	}
	got := map[time.Duration]int64{}
	for _, s := range c.steps() {
		got[s.Bound] = s.Count
	}
	for bound, want := range map[time.Duration]int64{500 * time.Microsecond: 2, time.Millisecond: 3, 250 * time.Millisecond: 3, 500 * time.Millisecond: 4, time.Minute: 5, 0: 6} {
		if got[bound] != want {
			t.Errorf("%s: %d, want %d", bound, got[bound], want)
		}
	}
}
