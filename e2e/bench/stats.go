package main

import (
	"math"
	"slices"
)

// spread is a median with its range.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// spreadOf sums up measurements; what is not a number is left out.
func spreadOf(values []float64) spread {
	var good []float64
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			good = append(good, v)
		}
	}
	if len(good) == 0 {
		return spread{}
	}
	slices.Sort(good)
	middle := len(good) / 2
	median := good[middle]
	if len(good)%2 == 0 {
		median = (good[middle-1] + good[middle]) / 2
	}
	return spread{Median: median, Min: good[0], Max: good[len(good)-1], N: len(good)}
}

// percentile is the value below which the share q of the sorted values lies.
func percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
