package admin

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const none = "–"

// count writes a figure as people read it: 7, 1,234, 56.7k, 1.2M.
func count(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return none
	case a >= 1e9:
		return trimmed(v/1e9) + "G"
	case a >= 1e6:
		return trimmed(v/1e6) + "M"
	case a >= 1e4:
		return trimmed(v/1e3) + "k"
	case a >= 1e3:
		n := int64(math.Round(v))
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	case a >= 10 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return trimmed(v)
}

func trimmed(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// seconds writes a duration given in seconds with two or three digits that matter: 640 µs, 1.2 ms, 3.4 s.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return none
	case v < 1e-3:
		return strconv.FormatFloat(v*1e6, 'f', 0, 64) + " µs"
	case v < 1:
		return digits(v*1e3) + " ms"
	}
	return digits(v) + " s"
}

func digits(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return trimmed(v)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return none
	}
	if p := share * 100; p > 0 && p < 1 {
		return "<1%"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + "%"
}

// age writes how long something has lasted in its greatest unit or two: 12 s, 5 min, 3 h 20 min, 4 d 2 h.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// bytesText writes how much memory something takes.
func bytesText(n int64) string {
	const step = 1024
	switch {
	case n < step:
		return strconv.FormatInt(n, 10) + " B"
	case n < step*step:
		return strconv.FormatInt(n/step, 10) + " KiB"
	}
	return strconv.FormatFloat(float64(n)/(step*step), 'f', 1, 64) + " MiB"
}
