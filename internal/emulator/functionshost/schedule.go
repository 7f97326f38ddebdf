package functionshost

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is when a timer fires; UTC, as in Azure.
type schedule interface {
	// Next is the first instant after t.
	Next(t time.Time) time.Time
}

var fields = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// starBit is how package cron marks a field that was "*".
const starBit = 1 << 63

// parseSchedule reads an NCRONTAB expression: six fields, seconds first; five
// are taken as without seconds. Also a TimeSpan, hh:mm:ss.
func parseSchedule(text string) (schedule, error) {
	if text == "" {
		return nil, errors.New("it is empty: write six fields, such as \"0 */5 * * * *\"")
	}
	if !strings.Contains(text, " ") {
		d, err := parseSpan(text)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%q: write six fields, such as \"0 */5 * * * *\", or hh:mm:ss", text)
		}
		return every(d), nil
	}
	if strings.ContainsAny(text, "?=@") { // package cron's extensions, which NCRONTAB lacks
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
	// In Unix cron one of day and weekday is enough when both are restricted; in
	// NCRONTAB both must match. The mark of "*" makes package cron ask for both.
	s.Dow |= starBit
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%q: there is no such day", text)
	}
	return utc{s}, nil
}

// utc makes Next answer in UTC whatever it is asked in.
type utc struct{ *cron.SpecSchedule }

func (u utc) Next(t time.Time) time.Time { return u.SpecSchedule.Next(t.UTC()) }

// every is a constant interval.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.UTC().Add(time.Duration(e)) }
