package statuspage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// activityView has the charts of the last 30 days.
type activityView struct {
	// Days has the sums by day, in UTC, the newest first.
	Days  []day       `json:"days"`
	Hours []hourCount `json:"hours"`
	Plans []planLag   `json:"plans"`
	// Behind is the number of exports that are in no sum yet.
	Behind int   `json:"behind,omitempty"`
	Pages  pages `json:"pages"`
	Chart  chart `json:"-"`
}

func (activityView) template() string       { return "activity" }
func (activityView) title() string          { return "Activity of the last 30 days" }
func (activityView) refresh() time.Duration { return later }

// day sums up one day.
type day struct {
	Day         string `json:"day"`
	Loaded      int    `json:"loaded"`
	Failed      int    `json:"failed"`
	Applied     int64  `json:"applied"`
	Quarantined int64  `json:"quarantined"`
}

// hourCount counts the resources of one hour.
type hourCount struct {
	At      time.Time `json:"at"`
	Applied int64     `json:"applied"`
}

// planLag is how far the tables of a plan were behind the server.
type planLag struct {
	Plan string `json:"plan"`
	// Now and Most are the lag now and its greatest value, in seconds; -1 if unknown.
	Now   int64     `json:"now"`
	Most  int64     `json:"most"`
	Chart chart     `json:"-"`
	Lags  []lagMark `json:"lags"`
}

// lagMark is the lag right after an export was loaded.
type lagMark struct {
	At     time.Time `json:"at"`
	Export string    `json:"export"`
	Lag    int64     `json:"seconds"`
}

func (s *reader) activityPage(ctx context.Context, page int) (view, error) {
	past, pages, err := s.past(ctx, page, nil)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	v := activityView{Days: []day{}, Hours: []hourCount{}, Plans: []planLag{}, Pages: pages}
	days, hours := map[string]*day{}, map[time.Time]int64{}
	for _, p := range past {
		v.Behind += max(0, p.behind-1) // the newest may run
		for _, e := range p.entries {
			if now.Sub(e.FinishedAt) > shownDays*24*time.Hour {
				continue
			}
			name := e.FinishedAt.UTC().Format(time.DateOnly)
			d := days[name]
			if d == nil {
				d = &day{Day: name}
				days[name] = d
			}
			sum := e.Sum()
			d.Applied += sum.Applied
			d.Quarantined += sum.Quarantined
			switch {
			case e.State.Committed():
				d.Loaded++
			case e.State == records.Failed:
				d.Failed++
			}
			hours[e.FinishedAt.UTC().Truncate(time.Hour)] += sum.Applied
		}
		v.Plans = append(v.Plans, lagOf(p, now))
	}
	for _, d := range days {
		v.Days = append(v.Days, *d)
	}
	slices.SortFunc(v.Days, func(a, b day) int { return cmp.Compare(b.Day, a.Day) })
	for at, n := range hours {
		if n > 0 {
			v.Hours = append(v.Hours, hourCount{at, n})
		}
	}
	slices.SortFunc(v.Hours, func(a, b hourCount) int { return a.At.Compare(b.At) })
	v.Chart = newChart(now)
	v.Chart.bars("resources", v.Hours)
	return v, nil
}

// lagOf follows the lag of a plan's tables: it grows with time, and falls when an export is loaded.
func lagOf(p past, now time.Time) planLag {
	out := planLag{Plan: p.name, Now: -1, Most: -1, Lags: []lagMark{}}
	first := now.Add(-shownDays * 24 * time.Hour)
	hours := map[time.Time]time.Duration{}
	var till, loaded time.Time
	for _, e := range slices.Backward(p.entries) {
		if !e.State.Committed() || !e.Till.After(till) {
			continue
		}
		longest(hours, till, latest(loaded, first), e.FinishedAt)
		till, loaded = e.Till, e.FinishedAt
		if loaded.After(first) {
			out.Lags = append(out.Lags, lagMark{
				loaded, exportID(p.name, e), int64(loaded.Sub(till).Seconds()),
			})
		}
	}
	if till.IsZero() {
		return out
	}
	longest(hours, till, latest(loaded, first), now)
	out.Now = int64(now.Sub(till).Seconds())
	var points []point
	for at, lag := range hours {
		points = append(points, point{at, lag.Seconds()})
		out.Most = max(out.Most, int64(lag.Seconds()))
	}
	slices.SortFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
	out.Chart = newChart(now)
	out.Chart.seconds("lag of "+out.Plan, points)
	return out
}

// longest notes the longest lag of each hour between two times, while the tables were complete up
// to till.
func longest(hours map[time.Time]time.Duration, till, from, to time.Time) {
	if till.IsZero() {
		return
	}
	for at := from.UTC().Truncate(time.Hour); at.Before(to); at = at.Add(time.Hour) {
		end := at.Add(time.Hour)
		if end.After(to) {
			end = to
		}
		hours[at] = max(hours[at], end.Sub(till))
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Latest returns the newest lags of the table, the newest first.
func (p planLag) Latest() []lagMark {
	out := slices.Clone(p.Lags)
	slices.Reverse(out)
	return out[:min(len(out), 50)]
}

// NowText and MostText say the lags.
func (p planLag) NowText() string  { return lagText(p.Now) }
func (p planLag) MostText() string { return lagText(p.Most) }

func lagText(seconds int64) string {
	if seconds < 0 {
		return "unknown"
	}
	return span(time.Duration(seconds) * time.Second)
}

// Peak describes the greatest hour, for people who do not see the chart.
func (v activityView) Peak() string {
	var most hourCount
	for _, h := range v.Hours {
		if h.Applied > most.Applied {
			most = h
		}
	}
	if most.Applied == 0 {
		return "No resources were loaded in the last 30 days."
	}
	return fmt.Sprintf("The most in one hour: %s resources, from %s UTC.", grouped(most.Applied),
		most.At.Format("2006-01-02 15:04"))
}
