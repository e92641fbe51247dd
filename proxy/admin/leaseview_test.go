package admin

import "testing"

func TestLeaseOnThePage(t *testing.T) {
	s := healthy()
	for want, l := range map[leaseView]Lease{
		{}:            {},
		{Text: "off"}: {State: "off"},
		{Text: "stalled by 1 galley", Bad: true, Title: "Epoch 3, writer node1, last changed by this galley"}: {State: "stalled", Epoch: 3, Writer: "u1", Own: true, Galleys: 1},
		{Text: "moving by 2 galleys", Title: "Epoch 4, writer node1, last changed by another galley (X), moving to node2"}: {
			State: "moving", Epoch: 4, Writer: "u1", Target: "u2", Holder: "X", Galleys: 2,
		},
	} {
		s.Lease = l
		if got := newLeaseView(s); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
