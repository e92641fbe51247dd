package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pinning says which CPUs what runs on.
type pinning string

const (
	pinOne   pinning = "one"
	pinNone  pinning = "none"
	pinSplit pinning = "split"
)

func (p pinning) check() error {
	switch p {
	case pinOne, pinNone:
		return nil
	case pinSplit:
		if runtime.NumCPU() < 2 {
			return fmt.Errorf("-pin %s needs two CPUs", p)
		}
		return nil
	default:
		return fmt.Errorf("-pin: %q is none of %s, %s, %s", string(p), pinOne, pinNone, pinSplit)
	}
}

// everything puts this process, and with it all it will start, where the nodes and the clients belong.
func (p pinning) everything() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("read the CPUs: %w", err)
	}
	switch p {
	case pinOne:
		set.Zero()
		set.Set(0)
	case pinSplit:
		set.Clear(0)
	case pinNone:
		return nil
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("set the CPUs: %w", err)
		}
	}
	return nil
}

// start starts a proxy where a proxy belongs. A child has the CPUs of the thread that forks it, from its first instruction on: both galley and HAProxy count
// them at their start.
func (p pinning) start(cmd *exec.Cmd) error {
	if p != pinSplit {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, proxy unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	proxy.Set(0)
	if err := unix.SchedSetaffinity(0, &proxy); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return cmd.Start()
}

// proxyCPUs is how many CPUs a proxy may run on.
func (p pinning) proxyCPUs() int {
	if p == pinNone {
		return runtime.NumCPU()
	}
	return 1
}

// busy is how long the CPUs that a run uses have worked, whoever for, and how long they have been there (/proc/stat, in hundredths of a second a CPU).
func (p pinning) busy() (busy, whole time.Duration, err error) {
	name := "cpu"
	if p == pinOne {
		name = "cpu0"
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != name {
			continue
		}
		for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal; the guest's are in user.
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("/proc/stat: %w", err)
			}
			const tick = 10 * time.Millisecond
			whole += time.Duration(n) * tick
			if i != 3 && i != 4 {
				busy += time.Duration(n) * tick
			}
		}
		return busy, whole, nil
	}
	return 0, 0, fmt.Errorf("/proc/stat has no %s", name)
}
