package lease

import (
	"slices"
	"time"
)

// Wish is what a galley sees and wants at one moment.
type Wish struct {
	// Sees are the nodes that it could write to, the best first.
	Sees []string
	// Quiet says that nothing of this galley is under way on the writer that
	// was: no statement, and with a soft move no transaction.
	Quiet bool
	// Soft says that the writer could still end what is open there.
	Soft bool
	// Switch is the node that an operator wants for the writer, or empty.
	Switch string
	// Abort takes back a soft move that this galley has begun; Force cuts what
	// is still open.
	Abort, Force bool
}

// Do is what is to be done next.
type Do uint8

// What can be done.
const (
	Wait    Do = iota // until Step.At, or until something changes
	Read              // read the rows
	Join              // make a row of one's own, if the epoch is still Step.Epoch
	Confirm           // beat in one's own row, if it has Step.Epoch
	Ack               // Stop, then beat and acknowledge Step.Epoch, if the row has it
	Begin             // let the writer move to Step.Target, if the epoch is still Step.Epoch
	End               // say that it has moved, if the epoch is still Step.Epoch
	Undo              // say that it stays, if the epoch is still Step.Epoch
)

// Step is what is to be done next, and about what.
type Step struct {
	Do     Do
	Epoch  int64
	Target string
	Soft   bool
	At     time.Duration
	// Others are the beats of the other galleys by which End was decided: it
	// holds only where they are still so, and there is nobody else. A galley
	// that lets its transactions end goes on confirming.
	Others map[string]int64
}

// Holds says whether the rows of galleys are as End takes them to be.
func (s Step) Holds(self string, peers []Peer) bool {
	return !slices.ContainsFunc(peers, func(p Peer) bool {
		beat, ok := s.Others[p.ID]
		return p.ID != self && (!ok || beat != p.Beat)
	})
}

// After gives the row that a change makes of the present one. Only Begin, End
// and Undo change it.
func (s Step) After(row Row, by string) Row {
	row.Epoch, row.Holder = s.Epoch+1, by
	switch s.Do {
	case Begin:
		row.Target, row.Soft = s.Target, s.Soft
	case End:
		row.Writer, row.Target, row.Soft = row.Target, "", false
	case Undo:
		row.Target, row.Soft = "", false
	case Wait, Read, Join, Confirm, Ack:
	}
	return row
}

// Next decides what to do.
func (s *State) Next(now time.Duration, w Wish) Step {
	step := Step{Epoch: s.row.Epoch}
	switch {
	case !s.known, !s.fresh:
		step.Do = Read
		return step
	case !s.joined:
		step.Do = Join
		return step
	}
	if s.row.Moving() {
		return s.moving(now, w, step)
	}
	switch target := s.better(now, w.Sees, s.row.Writer); {
	case w.Switch != "" && w.Switch != s.row.Writer && slices.Contains(w.Sees, w.Switch):
		step.Do, step.Target, step.Soft = Begin, w.Switch, true
	case target != "":
		step.Do, step.Target, step.Soft = Begin, target, w.Soft && s.row.Writer != ""
	default:
		return s.glance(now, s.beat(now, w, step, s.Times.Every))
	}
	return step
}

// glance has the rows read between confirmations where there are other
// galleys: they may want to move the writer, and their clients wait for this
// one.
func (s *State) glance(now time.Duration, step Step) Step {
	if step.Do != Wait || s.Times.Glance == 0 || s.Live(now) == 0 {
		return step
	}
	if step.At = min(step.At, s.looked+s.Times.Glance); now >= step.At {
		step.Do = Read
	}
	return step
}

// beat confirms when it is due, and else waits.
func (s *State) beat(now time.Duration, w Wish, step Step, wait time.Duration) Step {
	due := s.confirmed + s.Times.Every
	if s.until == 0 && !s.row.Moving() || now >= due || !slices.Equal(s.sees, w.Sees) {
		step.Do = Confirm
		return step
	}
	step.Do, step.At = Wait, min(due, now+wait)
	return step
}

// moving decides while the writer moves.
func (s *State) moving(now time.Duration, w Wish, step Step) Step {
	mine := s.row.Holder == s.Self || s.silent(s.row.Holder, now) || !s.present(s.row.Holder) || !s.row.Soft && now >= s.entered+s.Times.Patience
	switch target := s.better(now, w.Sees, s.row.Target); {
	case mine && w.Abort && s.row.Soft && s.row.Writer != "":
		step.Do = Undo
	case mine && target != "" && (w.Switch != s.row.Target || !slices.Contains(w.Sees, w.Switch)):
		step.Do, step.Target = Begin, target
	case mine && w.Force && s.row.Soft:
		step.Do, step.Target = Begin, s.row.Target
	case !s.stopped(now) && w.Quiet && s.Permit(now) != All:
		step.Do = Ack
	case s.acked < s.row.Epoch && now >= s.until:
		step.Do = Ack // It has stopped, whatever is under way.
	case mine && s.stopped(now) && s.othersStopped(now) && slices.Contains(w.Sees, s.row.Target):
		step.Do, step.Others = End, make(map[string]int64, len(s.peers))
		for _, p := range s.peers {
			step.Others[p.ID] = p.Beat
		}
	case now >= s.looked+s.Times.Poll:
		step.Do = Read
	case s.row.Soft || s.acked >= s.row.Epoch:
		return s.beat(now, w, step, s.Times.Poll)
	default:
		step.Do, step.At = Wait, s.looked+s.Times.Poll
	}
	return step
}

// present says whether there is a row of this galley.
func (s *State) present(id string) bool {
	return slices.ContainsFunc(s.peers, func(p Peer) bool { return p.ID == id })
}

// better gives a node that more of the galleys that are there could write to
// than to this one, the best of them; or nothing. So a galley that alone has
// lost sight of the writer moves it only to where all can follow, and two that
// see different nodes do not take it from each other. A row that may be of a
// galley that has died speaks for the writer only.
func (s *State) better(now time.Duration, sees []string, than string) string {
	votes := func(node string, proved bool) (n int) {
		if slices.Contains(sees, node) {
			n++
		}
		for _, p := range s.peers {
			if !s.silent(p.ID, now) && (!proved || s.marks[p.ID].proved) && slices.Contains(p.Sees, node) {
				n++
			}
		}
		return n
	}
	best, most := "", votes(than, false)
	for _, node := range sees {
		if n := votes(node, true); n > most {
			best, most = node, n
		}
	}
	return best
}
