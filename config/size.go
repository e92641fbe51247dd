package config

import (
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// The units of sizes. K, M and G alone are those of MariaDB's own option files: powers of 1024.
const (
	kibi Size = 1 << 10
	mebi Size = 1 << 20
	gibi Size = 1 << 30
)

// sizeUnit returns what a unit stands for; 0 for an unknown one.
func sizeUnit(unit string) Size {
	switch strings.ToLower(unit) {
	case "", "b":
		return 1
	case "k", "kib":
		return kibi
	case "m", "mib":
		return mebi
	case "g", "gib":
		return gibi
	case "kb":
		return 1e3
	case "mb":
		return 1e6
	case "gb":
		return 1e9
	}
	return 0
}

// String shows the size in the largest unit that divides it.
func (s Size) String() string {
	for _, unit := range []struct {
		size Size
		name string
	}{{gibi, "GiB"}, {mebi, "MiB"}, {kibi, "KiB"}} {
		if s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// parseSize reads 1MiB, 512 KiB, 1.5M or a plain number of bytes.
func parseSize(text string) (Size, *mistake) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	unit := sizeUnit(strings.TrimSpace(text[end:]))
	number, err := strconv.ParseFloat(text[:end], 64)
	if err != nil || unit == 0 {
		return 0, &mistake{echo: text, what: "{} is not a size", remedy: "Write a number with a unit, for example 512KiB or 1MiB."}
	}
	bytes := number * float64(unit)
	if bytes >= math.MaxInt64 {
		return 0, &mistake{echo: text, what: "{} is too large", remedy: "Write a smaller size, for example 1MiB."}
	}
	return Size(bytes), nil
}
