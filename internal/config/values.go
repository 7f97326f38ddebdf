package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseSize parses a number of bytes: "64MB", "16 MiB", "65536".
func parseSize(text string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"B", 1},
		{"", 1},
	}
	for _, u := range units {
		if len(text) < len(u.suffix) ||
			!strings.EqualFold(text[len(text)-len(u.suffix):], u.suffix) {
			continue
		}
		number := strings.TrimSpace(text[:len(text)-len(u.suffix)])
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		return n * u.factor, nil
	}
	return 0, fmt.Errorf("%q is not a size: write for example 64MB", text)
}

// ParseLineLimit parses the setting LineLimit in bytes: "64MB", "16 MiB", "65536".
func ParseLineLimit(text string) (int, error) {
	// A resource of a few kilobytes must fit, and a line is held in memory whole.
	const least, most = 64 << 10, 1 << 30
	n, err := parseSize(text)
	if err == nil && (n < least || n > most) {
		err = errors.New("must be from 64KiB to 1GiB, since a line is held in memory whole")
	}
	return int(n), err
}

// parsePercent parses "5%" as 0.05. A bare number is refused, because 1 could mean 1 % or 100 %.
func parsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || math.IsNaN(f) || f < 0 || f > 100 {
		return 0, fmt.Errorf("%q is not a percentage from 0%% to 100%%: write for example 5%%",
			text)
	}
	return f / 100, nil
}

// parseDuration is time.ParseDuration with an example in its error.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write for example 30s, 5m or 1h30m", text)
	}
	return d, nil
}

// parseTimeSpan parses functionTimeout, [d.]hh:mm:ss. "-1" means unlimited and returns the longest
// duration.
func parseTimeSpan(text string) (time.Duration, error) {
	if text == "-1" {
		return math.MaxInt64, nil
	}
	bad := fmt.Errorf("%q is not of the form hh:mm:ss", text)
	rest, days := text, 0
	if before, after, ok := strings.Cut(text, "."); ok && !strings.Contains(before, ":") {
		d, err := strconv.Atoi(before)
		if err != nil || d < 0 || d > 10000 {
			return 0, bad
		}
		rest, days = after, d
	}
	parts := strings.Split(rest, ":")
	if len(parts) != 3 {
		return 0, bad
	}
	total := time.Duration(days) * 24 * time.Hour
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return 0, bad
		}
		total += time.Duration(n) * unit
	}
	return total, nil
}

// meant returns the known word nearest to a misspelt one, or "".
func meant(word string, known []string) string {
	best, bestDistance := "", 3
	for _, k := range known {
		limit := min(bestDistance, 1+len(k)/4)
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance &&
			d <= limit {
			best, bestDistance = k, d
		}
	}
	return best
}

// hint returns ": did you mean x?" or the list of known words.
func hint(word string, known []string) string {
	if m := meant(word, known); m != "" {
		return fmt.Sprintf(": did you mean %s?", m)
	}
	if len(known) > 32 {
		return ""
	}
	return ": known are " + strings.Join(known, ", ")
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between a and b.
func distance(a, b string) int {
	if abs(len(a)-len(b)) > 3 {
		return 4
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
