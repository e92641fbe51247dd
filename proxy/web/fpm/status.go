package fpm

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// maxStatus bounds a status answer: 1,000 workers have about 500 KB.
const maxStatus = 4 << 20

// status is what php-fpm says of itself (?json&full).
type status struct {
	// Pool and Manager are its words: www, static.
	Pool, Manager string
	// Started is when the master was started, or reloaded.
	Started time.Time
	// Workers counts the processes by what they do: idle, running, reading, finishing.
	Workers map[WorkerState]int
	// Total is all processes.
	Total int
	// MaxActive is the most that were active at a time; ListenQueue what waits in the backlog (never known on unix sockets).
	MaxActive, ListenQueue int
}

// WorkerState is what a worker of php-fpm does.
type WorkerState string

// The states of a worker.
const (
	WorkerIdle      WorkerState = "idle"
	WorkerReading   WorkerState = "reading"
	WorkerRunning   WorkerState = "running"
	WorkerFinishing WorkerState = "finishing"
)

// busy is the processes that are not idle.
func (s *status) busy() int { return s.Total - s.Workers[WorkerIdle] }

var errNoStatus = errors.New("not a status of php-fpm")

// parseStatus reads the JSON of pm.status_path with full.
func parseStatus(b []byte) (*status, error) {
	var raw struct {
		Pool      string `json:"pool"`
		Manager   string `json:"process manager"`
		Start     int64  `json:"start time"`
		Queue     int    `json:"listen queue"`
		MaxActive int    `json:"max active processes"`
		Processes []struct {
			State string `json:"state"`
		} `json:"processes"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoStatus, err)
	}
	if raw.Pool == "" || raw.Start == 0 {
		return nil, errNoStatus
	}
	s := &status{
		Pool: raw.Pool, Manager: raw.Manager, Started: time.Unix(raw.Start, 0), Workers: map[WorkerState]int{}, Total: len(raw.Processes),
		MaxActive: raw.MaxActive, ListenQueue: raw.Queue,
	}
	for _, p := range raw.Processes {
		s.Workers[workerState(p.State)]++
	}
	return s, nil
}

// workerState reads php-fpm's word for a stage (fpm_request.c, fpm_request_get_stage_name).
func workerState(text string) WorkerState {
	switch text {
	case "Idle":
		return WorkerIdle
	case "Reading headers", "Getting request informations", "Getting request information":
		return WorkerReading
	case "Finishing", "Ending":
		return WorkerFinishing
	}
	return WorkerRunning
}

// othersBusy is the workers that are busy for somebody else than this galley:
// with requests of other fronts, or with scripts that go on although galley
// has closed their connections. asked is 1 where a worker of the pool itself
// answered the status.
func othersBusy(s *status, own, asked int) int {
	return max(s.busy()-own-asked, 0)
}
