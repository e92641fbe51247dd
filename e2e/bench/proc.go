package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process's threads, ended ones included, have run: its CPU clock, by the number that clock_getcpuclockid(3) makes of a pid. It is the sum that
// utime and stime in /proc/PID/stat are cut from, in nanoseconds instead of hundredths of a second. Of no process it is 0.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	const schedClock = 2 // CPUCLOCK_SCHED, include/linux/posix-timers.h
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// family are a process and its children.
func family(pid int) ([]int, error) {
	pids := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // below /proc
		if err != nil {
			continue // That thread has ended.
		}
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list, err)
			}
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// familyTime is the CPU time of a process and its children.
func familyTime(pid int) (time.Duration, error) {
	pids, err := family(pid)
	if err != nil {
		return 0, err
	}
	var all time.Duration
	for i, pid := range pids {
		t, err := cpuTime(pid)
		if err != nil {
			if i > 0 && errors.Is(err, unix.EINVAL) {
				continue // It has ended meanwhile.
			}
			return 0, err
		}
		all += t
	}
	return all, nil
}

// resident is a process's memory (VmRSS) in bytes.
func resident(pid int) (int64, error) {
	text, err := procField(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
	if err != nil {
		return 0, err
	}
	kb, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return kb << 10, nil
}

// procField is the value of the first line "name: value" in a file of /proc.
func procField(path, name string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // below /proc
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", path, name)
}

// threads is the number of a process's threads.
func threads(pid int) (int, error) {
	text, err := procField(fmt.Sprintf("/proc/%d/status", pid), "Threads")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// raiseOpenFiles lets this process and its children have as many open files as are allowed, at least want if it may say so, and returns how many that is.
func raiseOpenFiles(want uint64) (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	asked := unix.Rlimit{Cur: max(want, limit.Max), Max: max(want, limit.Max)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &asked); err == nil {
		return asked.Cur, nil
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return limit.Cur, nil
}
