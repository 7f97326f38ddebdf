package functionshost

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule computes when a timer fires, in UTC as in Azure.
type schedule interface {
	// Next returns the first time after t.
	Next(t time.Time) time.Time
}

var fields = cron.NewParser(
	cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// starBit marks a field that was "*" in package cron.
const starBit = 1 << 63

// parseSchedule reads an NCRONTAB expression of six fields, seconds first, or five fields without
// seconds. It also reads a TimeSpan, hh:mm:ss.
func parseSchedule(text string) (schedule, error) {
	if text == "" {
		return nil, errors.New("it is empty: write six fields, such as \"0 */5 * * * *\"")
	}
	if !strings.Contains(text, " ") {
		d, err := parseSpan(text)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%q: write six fields, such as \"0 */5 * * * *\", or hh:mm:ss",
				text)
		}
		return every(d), nil
	}
	if strings.ContainsAny(text, "?=@") { // extensions of package cron that NCRONTAB lacks
		return nil, fmt.Errorf("%q: NCRONTAB has no '?', '@' or zone", text)
	}
	parsed, err := fields.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q: write six fields, such as \"0 */5 * * * *\": %w", text, err)
	}
	s, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q: not a schedule of fields", text)
	}
	s.Location = time.UTC
	// If both day and weekday are restricted, Unix cron needs one match, and NCRONTAB needs both.
	// The mark of "*" makes package cron need both.
	s.Dow |= starBit
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%q: there is no such day", text)
	}
	return utc{s}, nil
}

// utc makes Next return UTC for any zone of its argument.
type utc struct{ *cron.SpecSchedule }

func (u utc) Next(t time.Time) time.Time { return u.SpecSchedule.Next(t.UTC()) }

// every is a constant interval.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.UTC().Add(time.Duration(e)) }
