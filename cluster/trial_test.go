package cluster

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

// A monitor user that comes by a reload is tried before it is used.
func TestTrial(t *testing.T) {
	const refuses, isDown, hangs, isFull = "refuses", "is down", "hangs", "is full"
	for _, c := range []struct {
		title string
		nodes [3]string
		user  string
		bad   int // nodes named in the error
	}{
		{"the same user", [3]string{refuses, refuses, refuses}, "monitor", 0},
		{"all let it in", [3]string{}, "other", 0},
		{"all refuse it", [3]string{refuses, refuses, refuses}, "other", 3},
		{"one lets it in", [3]string{refuses, refuses, ""}, "other", 0},
		{"one refuses it and the others are not there", [3]string{isDown, refuses, hangs}, "other", 1},
		{"one refuses it and one is full", [3]string{isDown, refuses, isFull}, "other", 1},
		{"nobody says anything", [3]string{isDown, hangs, isFull}, "other", 0},
	} {
		t.Run(c.title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				addrs := []string{addr1, addr2, addr3}
				net := newFakeNet(addrs...)
				r := runMonitor(t, net, testSettings(addrs...))
				after(testSettings().ProbeTimeout)
				for i, how := range c.nodes {
					n := net.nodes[addrs[i]]
					switch how {
					case refuses:
						n.refuseLogins(1045)
					case isFull:
						n.refuseLogins(1040)
					case isDown:
						n.kill()
					case hangs:
						defer n.hang()()
					}
				}
				s := testSettings(addrs...)
				s.User = c.user
				err := r.Trial(t.Context(), s)
				refused, ok := errors.AsType[*RefusedError](err)
				switch {
				case c.bad == 0 && err != nil:
					t.Errorf("refused: %v", err)
				case c.bad > 0 && (!ok || len(refused.Nodes) != c.bad || !strings.Contains(err.Error(), addr2) || !strings.Contains(err.Error(), `"other"`)):
					t.Errorf("error %v, want one that names %d nodes", err, c.bad)
				}
			})
		})
	}
}

func (n *fakeNode) refuseLogins(number uint16) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loginErr = number
}
