package search

import (
	"errors"
	"time"

	"github.com/tidwall/gjson"
)

// ErrCharacteristicGroup reports that a Group describes its members instead of listing them. The
// Azure server exports no such Group.
var ErrCharacteristicGroup = errors.New("the group is defined by characteristics, not by members")

// Members returns the patients of a Group at a time, each once. It skips members that are inactive
// or outside their period, and expands nested Groups, each once; line returns the text of a Group,
// or nil.
func Members(group []byte, asOf time.Time, line func(groupID string) []byte) ([]string, error) {
	var patients []string
	seen := map[string]bool{}
	expanded := map[string]bool{}
	pending := [][]byte{group}
	for len(pending) > 0 {
		g := gjson.ParseBytes(pending[0])
		pending = pending[1:]
		if g.Get("actual").Type == gjson.False {
			return nil, ErrCharacteristicGroup
		}
		expanded[g.Get("id").Str] = true
		for _, m := range at(g, "member") {
			if !activeMember(m, asOf) {
				continue
			}
			for _, ref := range at(m, "entity", "reference") {
				if id, ok := referenced(ref, "Patient"); ok && !seen[id] {
					seen[id] = true
					patients = append(patients, id)
				}
				if id, ok := referenced(ref, "Group"); ok && !expanded[id] {
					expanded[id] = true
					if nested := line(id); nested != nil {
						pending = append(pending, nested)
					}
				}
			}
		}
	}
	return patients, nil
}

func activeMember(member gjson.Result, asOf time.Time) bool {
	if !member.IsObject() || member.Get("inactive").Type == gjson.True {
		return false
	}
	if end, ok := partialTime(member.Get("period.end").Str, true); ok && end.Before(asOf) {
		return false
	}
	start, ok := partialTime(member.Get("period.start").Str, false)
	return !ok || !start.After(asOf)
}

// partialTime reads a FHIR dateTime. For a partial dateTime, it returns the first instant, or the
// last if end is set.
func partialTime(text string, end bool) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	for _, p := range []struct {
		layout              string
		years, months, days int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if t, err := time.Parse(p.layout, text); err == nil {
			if end {
				t = t.AddDate(p.years, p.months, p.days).Add(-time.Nanosecond)
			}
			return t, true
		}
	}
	return time.Time{}, false
}
