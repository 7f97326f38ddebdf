package bulkfhir

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a Retry-After may ask: servers have asked for hours.
const (
	shortestWait = time.Second
	longestWait  = 5 * time.Minute
)

// maxSeconds is a month: a greater number is no wait but, where it can be one, a
// Unix time.
const maxSeconds = 31 * 24 * 60 * 60

// retryIn is the server's wish; zero when it has none, or none that makes sense.
// An instant is measured against the answer's own clock where it shows one.
func (s *Source) retryIn(a answer) time.Duration {
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
