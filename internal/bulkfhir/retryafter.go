package bulkfhir

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits for Retry-After. Some servers have asked for hours.
const (
	shortestWait = time.Second
	longestWait  = 5 * time.Minute
)

// maxSeconds is a month. A greater number is read as a Unix time if it can be one.
const maxSeconds = 31 * 24 * 60 * 60

// retryIn returns the delay from Retry-After; zero if it is missing or implausible. A date is
// compared with the answer's own Date if there is one.
func (s *caller) retryIn(a answer) time.Duration {
	v := strings.TrimSpace(a.header.Get("Retry-After"))
	at, err := http.ParseTime(v)
	if n, numberErr := strconv.ParseInt(v, 10, 64); numberErr == nil {
		if n < 0 {
			return 0
		}
		if n <= maxSeconds {
			return clamp(time.Duration(n) * time.Second)
		}
		at, err = time.Unix(n, 0), nil
	}
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		now = s.now()
	}
	wait := at.Sub(now)
	if wait > maxSeconds*time.Second {
		return 0
	}
	return clamp(wait)
}

func clamp(d time.Duration) time.Duration { return min(max(d, shortestWait), longestWait) }
